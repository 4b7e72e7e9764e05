"""What schemathesis is told of this server: names that are there, media types to ask for, and that no stream is endless."""

import base64
import json
import string
import zlib

import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation

# Milliseconds that a stream may wait for more.
WAIT_MS_MAX = 20
WAIT_MS_LEGAL_MAX = 300_000
# More are allowed, and take longer.
PARTITIONS_MAX = 8
# Settings with values that they may have.
CONFIGS = [
    ("retention.ms", 3_600_000), ("retention.ms", "-1"), ("cleanup.policy", "delete"), ("max.message.bytes", 100_000),
    ("message.timestamp.type", "LogAppendTime"), ("compression.type", "zstd"), ("flush.messages", "10"),
]
# Most appends have none.
CONDITIONS = ["expected-offset", "fencing-token", "producer-id", "producer-epoch", "producer-sequence", "idempotency-key"]
GROUPS = ["pool-1", "pool-2"]
TOPICS = ["one", "three", "odd.values", "deleted-1", "deleted-2"]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda more: st.lists(more, max_size=3) | st.dictionaries(st.text(), more, max_size=3),
    max_leaves=6,
)
RECORD = st.fixed_dictionaries(
    {},
    optional={
        "key": JSON,
        "value": JSON,
        "headers": st.lists(st.fixed_dictionaries({"name": st.text()}, optional={"value": st.none() | st.text()}), max_size=2),
        "partition": st.just(0),
        "timestamp": st.integers(0, 2_000_000_000_000),
    },
)
LINE = st.builds(json.dumps, RECORD, ensure_ascii=st.booleans()).map(str.encode)
# Now and then one that is no record, or no text.
LINES = st.lists(LINE | LINE | LINE | LINE | st.just(b"") | st.binary(max_size=9), max_size=6).map(b"\n".join)
schemathesis.openapi.media_type("application/x-ndjson", LINES)
# A stream that pyarrow wrote: columns key and value, two records.
ARROW = zlib.decompress(base64.b64decode(
    "eNptUDEOwjAMvLZpiaoMGSrUsU9gZOQrDJ3KShESD+FRPKC/SS+pAyFwkmOf7bOTOOfcE4CFRwuDBjU0I6JQ5CDTPJWcQEk7SbxQ7xu9vpecR02bz5frSP9i"
    "j0VHfYNdmGhl36+uok3jnVyFHKVuoe+kbrCXG5owCZUK+iMiWnITbuvf8JC3lfigSeJCvH7P39Bn9QHfGLL+g/h0T5nw4k89zcc48inLR91827wL/w6sC1Udnw=="
))
TORN = st.integers(0, len(ARROW)).map(lambda length: ARROW[:length])
DAMAGED = st.builds(lambda at, byte: ARROW[:at] + byte + ARROW[at + 1 :], st.integers(0, len(ARROW) - 1), st.binary(min_size=1, max_size=1))
schemathesis.openapi.media_type("application/vnd.apache.arrow.stream", st.just(ARROW) | TORN | DAMAGED | st.binary(max_size=50))


class World:
    """A server with topics and records in it, so that right requests find something."""

    def __init__(self, server, session, document):
        self.server, self.session = server, session
        self.has_groups = "/v1/groups/{group}/offsets" in document["paths"]
        self.session.headers["user-agent"] = "conformance"
        self.restore()
        records = [{"value": f"value {number}", "key": f"key {number % 7}"} for number in range(30)]
        for topic in ("one", "three"):
            self.must("POST", f"/v1/topics/{topic}/records", {"records": records})
        odd = [
            {"value_base64": "//79AA==", "key_base64": "gIE="},
            {"value": None, "key": ""},
            {"value": {"nested": [1, 2.5, "☃"]}, "headers": [{"name": "a", "value": None}, {"name": "", "value": "b"}]},
            {"value": "\r\ndata: not an event\n\n", "timestamp": 0},
        ]
        self.must("POST", "/v1/topics/odd.values/records", {"records": odd})
        _, lines = server.call("GET", "/v1/topics/one/records?limit=3", headers={"accept": "application/x-ndjson"})
        self.cursor = json.loads(lines.splitlines()[-1])["cursor"]

    def must(self, *call):
        status, answer = self.server.call(*call)
        assert status < 300, (call, status, answer)

    def restore(self):
        """Creates what topics and groups are missing."""
        for topic in TOPICS:
            partitions = 3 if topic == "three" else 1
            status, answer = self.server.call("POST", "/v1/topics", {"name": topic, "partitions": partitions})
            assert status in (201, 409), answer
        for group in GROUPS if self.has_groups else []:
            offsets = [{"topic": "one", "partition": 0, "offset": 1}]
            self.must("PUT", f"/v1/groups/{group}/offsets", {"offsets": offsets})


def cases(operation, mode):
    """Requests of an operation that are right, or wrong in some way. Where nothing can be wrong, `fit` makes it so."""
    if mode == GenerationMode.NEGATIVE and not can_be_wrong(operation):
        mode = GenerationMode.POSITIVE
    return operation.as_strategy(generation_mode=mode)


def can_be_wrong(operation):
    """Whether some text in its path, parameters or headers is no value, or some body."""
    everything = [*operation.path_parameters, *operation.query, *operation.headers]
    schemas = [parameter.definition.get("schema", {}) for parameter in everything]
    return bool(operation.body) or any(schema.keys() & {"pattern", "minimum", "maximum", "enum", "$ref"} for schema in schemas)


def fit(world, case, mode, draw):
    """Makes a request meet what is there, most of the time, and ask for a media type."""
    if not case.meta.is_negative_at(ParameterLocation.PATH):
        for name, pool in (("topic", TOPICS), ("partition", [0, 0, 0, 0, 0, 1]), ("group", GROUPS)):
            if name in case.path_parameters and draw(st.integers(0, 3)):
                case.path_parameters[name] = draw(st.sampled_from(pool))
    places = {"from": ["earliest", "latest", "@0", "@2020-02-29T00:00:00.5+01:00"], "cursor": [world.cursor]}
    # How much may be asked for depends on the media type, which a schema cannot say.
    places |= {"limit": [1, 7, 1_000], "max_bytes": [1, 500, 1_000_000]}
    if "partition" in case.path_parameters:
        places["from"] += ["0", "3", "30", "31"]
    if not case.meta.is_negative_at(ParameterLocation.QUERY):
        for name, pool in places.items():
            if name in case.query and draw(st.integers(0, 7)):
                case.query[name] = draw(st.sampled_from(pool))
        if {"from", "cursor"} <= case.query.keys() and draw(st.integers(0, 7)):
            del case.query[draw(st.sampled_from(["from", "cursor"]))]
        for name in ("key", "key_base64", "partition", "timestamp"):
            if case.media_type != "application/octet-stream" and draw(st.integers(0, 7)):
                case.query.pop(name, None)
    if "last-event-id" in case.headers and draw(st.integers(0, 7)):
        case.headers["last-event-id"] = draw(st.sampled_from(["0", "29", world.cursor]))
    for name in CONDITIONS:
        if name in case.headers and draw(st.integers(0, 3)):
            del case.headers[name]
    if isinstance(case.body, dict) and not case.meta.is_negative_at(ParameterLocation.BODY):
        fit_body(case.body, draw)
    if case.method == "DELETE":
        world.restore()
    if mode == GenerationMode.NEGATIVE and not can_be_wrong(case.operation):
        case.query["no-such-parameter"] = draw(st.text(alphabet="abc", max_size=3))
    offered = [kind for kind in case.operation.definition.raw["responses"].get("200", {}).get("content", {})]
    accept = draw(st.sampled_from([*offered, *offered, None, "*/*", "image/png", "*/*;q=0.1, text/*", ";;,"]))
    if accept is not None:
        case.headers["accept"] = accept
    case.headers["x-request-id"] = draw(st.text(alphabet=string.printable.strip(), max_size=140))
    bound(case)


def fit_body(body, draw):
    """What a schema cannot tell, such as that names are there and settings have values of their own."""
    if isinstance(body.get("configs"), dict) and draw(st.integers(0, 7)):
        body["configs"] = dict(draw(st.lists(st.sampled_from(CONFIGS), max_size=3)))
    if isinstance(body.get("partitions"), int):
        body["partitions"] = draw(st.integers(1, PARTITIONS_MAX))
    if isinstance(body.get("partitions"), list) and draw(st.integers(0, 7)):
        body["partitions"] = [0]
    if "to" in body and draw(st.integers(0, 7)):
        body["to"] = draw(st.sampled_from(["earliest", "latest", "3", "@0", "@2020-02-29T00:00:00Z"]))
    for item in [body, *(body.get("offsets") or [])]:
        if "topic" in item and draw(st.integers(0, 7)):
            item["topic"] = draw(st.sampled_from(TOPICS))
        if "offset" in item and draw(st.integers(0, 7)):
            item.update(partition=0, offset=draw(st.integers(0, 40)))
    for record in body.get("records") or []:
        if record.get("partition") is not None and draw(st.integers(0, 7)):
            record["partition"] = 0
        for part in [record, *(record.get("headers") or [])]:
            fit_base64(part, draw)


def fit_base64(part, draw):
    """Of two forms of a value one is told."""
    for name in ("key_base64", "value_base64"):
        if part.get(name) is not None and draw(st.integers(0, 7)):
            part[name] = base64.b64encode(draw(st.binary(max_size=20))).decode()
            part.pop(name.removesuffix("_base64"), None)


def bound(case):
    """No stream waits for long."""
    if not any(parameter.name == "wait_ms" for parameter in case.operation.query):
        return
    wait_ms = case.query.get("wait_ms")
    if "wait_ms" not in case.query or (str(wait_ms).isdigit() and WAIT_MS_MAX < int(wait_ms) <= WAIT_MS_LEGAL_MAX):
        case.query["wait_ms"] = WAIT_MS_MAX


def at_the_edges(operation):
    """Requests with each value at the edges of its schema, and beyond them."""
    config = operation.schema.config.generation_for(operation=operation, phase="coverage")
    return operation.schema.iter_coverage_cases(
        operation, generation_modes=list(GenerationMode), generation_config=config
    )
