"""What a user of a Python client does that is generated from openapi.json. mypy checks it strictly before it runs, so a document
that says too little about an answer fails there.

Usage: round_trip.py URL
"""

import base64
import io
import sys

from tidelog_generated import Client
from tidelog_generated.api.health import readyz
from tidelog_generated.api.records import append_records, read_partition
from tidelog_generated.api.topics import create_topic, delete_topic, describe_topic, list_topics
from tidelog_generated.models import (
    HeaderInput,
    Problem,
    Produced,
    ProducedLines,
    RecordInput,
    RecordPage,
    RecordsInput,
    TopicCreated,
    TopicInfo,
    TopicInput,
    TopicInputConfigs,
    TopicList,
    ValueFormat,
)
from tidelog_generated.types import File

TOPIC = "python.client"
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

# The generator knows no lines, so they are sent as they are; their answer has a type.
lines = b'{"value":"a line","partition":1}\n{"value":"another","partition":1}\n'
content_type = {"content-type": "application/x-ndjson"}
answer = client.get_httpx_client().post(f"/v1/topics/{TOPIC}/records", content=lines, headers=content_type)
assert answer.status_code == 200, answer.text
told = ProducedLines.from_dict(answer.json())
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

removed = delete_topic.sync_detailed(TOPIC, client=client)
assert removed.status_code == 204, removed
missing = describe_topic.sync(TOPIC, client=client)
assert isinstance(missing, Problem) and missing.code == "unknown_topic", missing
print("the Python client does what it should")
