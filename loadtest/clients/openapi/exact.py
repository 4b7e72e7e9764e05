"""Requests that chance seldom makes, each with the code or the status that it must be answered with. With them every code of
docs/http.md is met that a server in good health gives, and every parameter in a request that succeeds."""

import gzip
import uuid

import bodies

JSON = "application/json"
OCTETS = "application/octet-stream"
# Of what a healthy server, alone with us, does not tell: faults, what takes too long or too much to bring about, and what the
# bounds of a request's head keep away.
NOT_MET = {
    "internal", "records_damaged", "overloaded", "unavailable", "store_full", "earlier_failed", "stopping", "timeout",
    "request_timeout", "conflict", "invalid_group", "quota_exceeded", "too_many_keys", "arrow_batch_too_large",
}
RECORD = {"records": [{"value": "exact"}]}
FAR = 1_000_000_000
PRODUCER = ("producer-id", "producer-epoch", "producer-sequence")


def requests(world):
    """Of each: its operation, what is in its path, what requests.request is told, and how it must be answered."""
    yield from reads(world)
    yield from appends(world)
    yield from conditions(world)
    yield from administration(world)


def append(topic, answer, headers=None, query=None, **body):
    body = body or {"json": RECORD}
    return "append_records", {"topic": topic}, {"headers": headers or {}, "params": query or {}, **body}, answer


def read(answer, accept=JSON, partition=0, topic="one", headers=None, **query):
    place = {"topic": topic} | ({} if partition is None else {"partition": partition})
    operation = "read_topic" if partition is None else "read_partition"
    return operation, place, {"headers": {"accept": accept} | (headers or {}), "params": query}, answer


def reads(world):
    events, lines = "text/event-stream", bodies.NDJSON
    yield read(200, limit=7, max_bytes=500, value_format="json", **{"from": "3"})
    yield read(200, wait_ms=5, **{"from": "latest"})
    yield read(200, accept=bodies.ARROW, columns="offset,value")
    yield read(200, accept=lines)
    yield read(200, accept=events, headers={"last-event-id": "29"})
    yield read("offset_out_of_range", **{"from": FAR})
    yield read("unknown_host", headers={"host": "elsewhere.example"})
    whole = {"partition": None, "topic": "three"}
    yield read(200, accept=lines, limit=7, max_bytes=500, wait_ms=5, value_format="base64", cursor=world.cursor, **whole)
    yield read(200, accept=lines, **whole, **{"from": "@0"})
    yield read(200, accept=bodies.ARROW, columns="offset,value", **whole)
    yield read(200, accept=events, headers={"last-event-id": world.cursor}, **whole)
    yield read("invalid_cursor", accept=lines, cursor="none", **whole)
    yield read("topic_recreated", accept=lines, cursor=world.cursor, partition=None)
    yield "create_topic", {}, {"json": {"name": "wide", "partitions": 257}}, 201
    yield read("too_many_partitions", accept=lines, partition=None, topic="wide")


def appends(world):
    def text(content, kind=JSON, **headers):
        return {"headers": {"content-type": kind} | headers, "data": content}

    folded = gzip.compress(b'{"records":[{"value":"folded"}]}')
    yield append("one", 200, **text(folded, **{"content-encoding": "gzip"}))
    yield append("one", "body_cut_off", **text(folded[:-9], **{"content-encoding": "gzip"}))
    yield append("one", "unsupported_encoding", **text(folded, **{"content-encoding": "br"}))
    yield append("one", "unsupported_media_type", **text("text", "text/plain"))
    yield append("one", 200, query={"key": "a", "partition": 0, "timestamp": 5}, **text(b"\0raw", OCTETS))
    yield append("one", 200, query={"key_base64": "AA=="}, **text(b"", OCTETS))
    yield append("one", "body_too_large", **text(bytes(2_000_000), OCTETS))
    yield append("one", "record_too_large", json={"records": [{"value": "x" * 2_000_000}]})
    yield append("one", 200, **text(b'{"value":1}\n\n{"value":2}', bodies.NDJSON))
    yield append("one", "line_too_long", **text(b'"' + b" " * 12_000_000, bodies.NDJSON))
    yield append("one", 200, **text(bodies.STREAM, bodies.ARROW))
    yield append("one", "invalid_arrow", **text(b"neither Arrow nor anything else", bodies.ARROW))
    yield append("one", "body_cut_off", **text(bodies.STREAM[:-9], bodies.ARROW))
    accept = {"accept": bodies.ARROW}
    columns = world.must("GET", "/v1/topics/one/partitions/0/records?columns=offset,value", None, accept)
    yield append("one", "invalid_column", **text(columns, bodies.ARROW))
    yield append("one", "invalid_json", **text("{"))
    yield append("one", "json_too_deep", **text('{"records":[{"value":' + "[" * 200 + "]" * 200 + "}]}"))
    yield append("one", "invalid_utf8", **text(b'{"records":[{"value":"\xff"}]}'))
    yield append("one", "invalid_body", json={"records": 1})
    yield append("one", "invalid_base64", json={"records": [{"value_base64": "!"}]})
    yield append("one", "invalid_record", json={"records": [{"key": 1, "key_base64": "AA=="}]})
    yield append("one", "too_many_records", json={"records": [{}] * 100_001})
    yield append("one", "unknown_partition", query={"partition": 1})
    yield "create_topic", {}, {"json": {"name": "timely", "configs": {"message.timestamp.before.max.ms": 1_000}}}, 201
    yield append("timely", "invalid_timestamp", json={"records": [{"timestamp": 0}]})


def conditions(world):
    def of(*place, **more):
        return dict(zip(PRODUCER, map(str, place), strict=True)) | more

    def opened():
        return world.must("POST", "/v1/producers")["producer_id"]

    def fence(token, answer):
        return "raise_fence", {"topic": "exact", "partition": 0}, {"json": {"token": token}}, answer

    world.append("exact", [{"value": "first"}])
    yield append("exact", 200, {"expected-offset": "1"})
    yield append("exact", "unexpected_offset", {"expected-offset": str(FAR)})
    yield fence(7, 200)
    yield fence(6, "fenced")
    yield fence("9007199254740992", 200)
    yield append("exact", "fenced", {"fencing-token": "7"})
    yield append("exact", 200, {"fencing-token": "9007199254740993"})
    key = {"idempotency-key": str(uuid.uuid5(uuid.NAMESPACE_URL, world.server.url))}
    yield append("exact", 200, key)
    yield append("exact", 200, key)
    yield append("exact", "idempotency_key_reused", key, json={"records": [{"value": "another"}]})
    yield append("exact", "unknown_producer", of(FAR, 0, 0))
    producer = opened()
    for sequence in range(7):
        yield append("exact", 200, of(producer, 0, sequence))
    yield append("exact", 200, of(producer, 0, 6))
    yield append("exact", "offset_forgotten", of(producer, 0, 0))
    yield append("exact", "out_of_order", of(producer, 0, 9))
    yield append("exact", "unexpected_offset", of(producer, 0, 7, **{"expected-offset": str(FAR)}))
    yield append("exact", "producer_halted", of(producer, 0, 8))
    yield append("exact", 200, of(producer, 1, 0))
    yield append("exact", "stale_epoch", of(producer, 0, 8))


def administration(world):
    def commit(group, answer, **offset):
        body = {"offsets": [{"topic": "three", "partition": 0, "offset": 1} | offset]}
        return "commit_group_offsets", {"group": group}, {"json": body}, answer

    def create(answer, **topic):
        return "create_topic", {}, {"json": topic}, answer

    def configure(answer, query=None, **changes):
        return "configure_topic", {"topic": "changed-1"}, {"params": query or {}, "json": changes}, answer

    yield create("topic_exists", name="one")
    yield create("topic_name_collides", name="odd_values")
    yield create("invalid_topic_name", name="no name")
    yield create("invalid_partitions", name="none", partitions=0)
    yield create("invalid_config", name="none", configs={"no.such": 1})
    yield create("body_too_large", name="none", configs={"no.such": "x" * 300_000})
    yield configure(200, {"validate_only": "true"}, configs={"retention.ms": None})
    yield configure("invalid_partitions", partitions=100_001)
    yield "list_topics", {}, {"params": {"after": "a", "limit": 1, "details": "true"}}, 200
    yield "describe_topic", {"topic": "three"}, {"params": {"from_partition": 1, "partition_limit": 1}}, 200
    yield "list_groups", {}, {"params": {"after": "a", "limit": 1}}, 200
    place = {"after": "0" * 32 + ".0", "limit": 2, "topic": "three"}
    yield "group_offsets", {"group": "pool-1"}, {"params": place}, 200
    yield "group_offsets", {"group": "pool-1"}, {"params": {"after": "none"}}, "invalid_cursor"
    yield commit("pool-1", "metadata_too_large", metadata="x" * 5_000)
    yield commit("pool-1", "unknown_partition", partition=3)
    yield commit("joined", "group_not_empty")
    yield "reset_group_offsets", {"group": "joined"}, {"json": {"topic": "three", "to": "latest"}}, "group_not_empty"
    yield "delete_group", {"group": "workers"}, {}, "group_not_empty"
    yield "describe_group", {"group": "joined"}, {}, 200
    yield "describe_group", {"group": "workers"}, {}, 200
    yield "describe_group", {"group": "nobody"}, {}, "unknown_group"
    # An empty name is none: it is another path, where nothing is.
    yield "describe_group", {"group": ""}, {}, "not_found"
