"""What a user of a Python client does that is generated from openapi.json. mypy checks it strictly before it runs, so a document
that says too little about an answer fails there.

Usage: round_trip.py URL
"""

import base64
import io
import sys

from tidelog_generated import Client
from tidelog_generated.api.groups import (
    commit_group_offsets,
    delete_group,
    describe_group,
    group_offsets,
    list_groups,
    reset_group_offsets,
)
from tidelog_generated.api.health import readyz
from tidelog_generated.api.records import append_records, open_producer, raise_fence, read_partition, read_topic
from tidelog_generated.api.status import status
from tidelog_generated.api.topics import configure_topic, create_topic, delete_topic, describe_topic, list_topics
from tidelog_generated.models import (
    Fence,
    FenceInput,
    GroupInfo,
    GroupList,
    GroupOffsets,
    HeaderInput,
    OffsetInput,
    OffsetsCommitted,
    OffsetsInput,
    OffsetsReset,
    OffsetsResetInput,
    Problem,
    Produced,
    ProducedLines,
    ProducerOpened,
    RecordInput,
    RecordPage,
    RecordsInput,
    Status,
    TopicChanges,
    TopicChangesConfigs,
    TopicCreated,
    TopicInfo,
    TopicInput,
    TopicInputConfigs,
    TopicList,
    ValueFormat,
)
from tidelog_generated.types import File, Unset

TOPIC = "python.client"
COPY = "python.client.copy"
GROUP = "python-client"
client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True)
assert readyz.sync(client=client) == "ready\n"

configs = TopicInputConfigs.from_dict({"retention.ms": 3_600_000, "cleanup.policy": "delete"})
created = create_topic.sync(client=client, body=TopicInput(name=TOPIC, partitions=2, configs=configs))
assert isinstance(created, TopicCreated), created
assert (created.name, created.partitions) == (TOPIC, 2)

# A refusal has a type too.
problem = create_topic.sync(client=client, body=TopicInput(name=TOPIC))
assert isinstance(problem, Problem), problem
assert (problem.code, problem.status, problem.retry) == ("topic_exists", 409, False)

records = [
    RecordInput(key="you", value="hello", partition=1, headers=[HeaderInput(name="lang", value="en")]),
    RecordInput(value={"any": ["json"]}, partition=1),
]
stored = append_records.sync(TOPIC, client=client, body=RecordsInput(records=records))
# Of a list the answer tells each record, of lines it tells runs.
assert isinstance(stored, Produced), stored
assert [(place.partition, place.offset) for place in stored.records] == [(1, 0), (1, 1)]

body = File(payload=io.BytesIO(b"\0raw"))
raw = append_records.sync(TOPIC, client=client, body=body, key="bytes", partition=1)
assert isinstance(raw, Produced), raw
assert raw.records[0].offset == 2

# The generator knows neither lines nor Arrow IPC streams as bodies, so they are sent as they are; their answer has a type.
ARROW = "application/vnd.apache.arrow.stream"
http = client.get_httpx_client()


def send(topic: str, body: bytes, kind: str) -> ProducedLines:
    answer = http.post(f"/v1/topics/{topic}/records", content=body, headers={"content-type": kind})
    assert answer.status_code == 200, answer.text
    return ProducedLines.from_dict(answer.json())


told = send(TOPIC, b'{"value":"a line","partition":1}\n{"value":"another","partition":1}\n', "application/x-ndjson")
assert [(it.partition, it.records, it.last_offset) for it in told.partitions] == [(1, 2, 4)]

values: list[object] = []
start = "earliest"
while True:
    page = read_partition.sync(TOPIC, 1, client=client, from_=start, limit=2, value_format=ValueFormat.JSON)
    assert isinstance(page, RecordPage), page
    if not page.records:
        break
    # What is not JSON comes as base64.
    values += [record.value or record.value_base64 for record in page.records]
    start = str(page.next_offset)
encoded = [base64.b64encode(text).decode() for text in (b"hello", b"\0raw", b"a line", b"another")]
assert values == [encoded[0], {"any": ["json"]}, *encoded[1:]], values

described = describe_topic.sync(TOPIC, client=client)
assert isinstance(described, TopicInfo), described
assert described.partitions[1].high_watermark == 5
assert described.configs["retention.ms"].is_set
listed = list_topics.sync(client=client, limit=10)
assert isinstance(listed, TopicList), listed
assert (TOPIC, created.id) in [(topic.name, topic.id) for topic in listed.topics]

# Columns come as bytes, and go to another topic as they are.
columns = http.get(f"/v1/topics/{TOPIC}/partitions/1/records", params={"columns": "key,value"}, headers={"accept": ARROW})
assert columns.headers["content-type"] == ARROW, columns.text
copied = send(COPY, columns.content, ARROW)
assert (copied.records, copied.is_complete) == (5, True)
page = read_partition.sync(COPY, 0, client=client, value_format=ValueFormat.JSON)
assert isinstance(page, RecordPage)
assert [record.value or record.value_base64 for record in page.records] == values
read = read_topic.sync_detailed(COPY, client=client)
assert len(read.content.splitlines()) == 5, read

# A condition that holds, and one that does not.
one = RecordsInput(records=[RecordInput(value="only here")])
landed = append_records.sync(COPY, client=client, body=one, expected_offset=5, fencing_token=7)
assert isinstance(landed, Produced) and landed.records[0].offset == 5, landed
late = append_records.sync(COPY, client=client, body=one, expected_offset=5)
assert isinstance(late, Problem) and (late.code, late.tail) == ("unexpected_offset", 6), late
fence = raise_fence.sync(COPY, 0, client=client, body=FenceInput(token=8))
assert isinstance(fence, Fence) and (fence.token, fence.tail) == (8, 6), fence
fenced = append_records.sync(COPY, client=client, body=one, fencing_token=7)
assert isinstance(fenced, Problem) and (fenced.code, fenced.fencing_token) == ("fenced", 8), fenced
# What is sent again is stored once: with a key, and by a producer.
twice = [append_records.sync(COPY, client=client, body=one, idempotency_key="a-key") for _ in range(2)]
assert all(isinstance(it, Produced) and it.records[0].offset == 6 for it in twice), twice
opened = open_producer.sync(client=client)
assert isinstance(opened, ProducerOpened), opened
for sequence, offset in ((0, 7), (1, 8), (1, 8)):
    stored = append_records.sync(
        COPY,
        client=client,
        body=one,
        producer_id=opened.producer_id,
        producer_epoch=opened.epoch,
        producer_sequence=sequence,
    )
    assert isinstance(stored, Produced) and stored.records[0].offset == offset, stored

changes = TopicChanges(partitions=2, configs=TopicChangesConfigs.from_dict({"retention.ms": 60_000, "segment.ms": None}))
changed = configure_topic.sync(COPY, client=client, body=changes)
assert isinstance(changed, TopicInfo), changed
assert (changed.partition_count, changed.configs["retention.ms"].value) == (2, "60000")

offsets = OffsetsInput(offsets=[OffsetInput(topic=COPY, partition=0, offset=4, metadata="here")])
committed = commit_group_offsets.sync(GROUP, client=client, body=offsets)
assert isinstance(committed, OffsetsCommitted) and isinstance(committed.offsets[0].code, Unset), committed
lag = group_offsets.sync(GROUP, client=client, topic=COPY)
assert isinstance(lag, GroupOffsets), lag
assert [(it.partition, it.offset, it.tail, it.lag, it.metadata) for it in lag.offsets] == [(0, 4, 9, 5, "here")]
groups = list_groups.sync(client=client)
assert isinstance(groups, GroupList) and GROUP in [group.group for group in groups.groups], groups
group = describe_group.sync(GROUP, client=client)
assert isinstance(group, GroupInfo) and (group.state, group.members) == ("Empty", []), group
anew = reset_group_offsets.sync(GROUP, client=client, body=OffsetsResetInput(topic=COPY, to="latest", partitions=[0]))
assert isinstance(anew, OffsetsReset) and (anew.offsets[0].before, anew.offsets[0].after) == (4, 9), anew
assert delete_group.sync_detailed(GROUP, client=client).status_code == 204
gone = describe_group.sync(GROUP, client=client)
assert isinstance(gone, Problem) and gone.code == "unknown_group", gone

known = status.sync(client=client)
assert isinstance(known, Status) and known.appends.accepted and known.topics >= 2, known

removed = delete_topic.sync_detailed(TOPIC, client=client)
assert removed.status_code == 204, removed
missing = describe_topic.sync(TOPIC, client=client)
assert isinstance(missing, Problem) and missing.code == "unknown_topic", missing
print("the Python client does what it should")
