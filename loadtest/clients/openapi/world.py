"""A server with topics, records, groups, members and producers in it, so that right requests find something."""

import json
import re
import socket
import struct

import requests

# Milliseconds that a stream may wait for more.
WAIT_MS_MAX = 20
WAIT_MS_LEGAL_MAX = 300_000
SAID_WAIT = re.compile(r"(?<=[?&]wait_ms=)([0-9]+)(?=&|$)")

# What requests of an operation are about. Those that change much have topics and groups of their own.
READ = ["one", "three", "odd.values"]
APPENDED = ["one", "three", "fenced", "new-1", "new-2"]
FENCED = ["fenced", "fenced-too"]
CHANGED = ["changed-1", "changed-2"]
DELETED = ["deleted-1", "deleted-2"]
TOPICS = sorted({*READ, *APPENDED, *FENCED, *CHANGED, *DELETED} - {"new-1", "new-2"})
GROUPS = ["pool-1", "pool-2"]
DELETED_GROUPS = ["deleted-1", "deleted-2"]
# These have a member each: one that shares partitions as consumers do, and one that does not.
JOINED = {"joined": "consumer", "workers": "connect"}
# Partitions 0 and 2 of `three`, as consumers say it.
ASSIGNMENT = struct.pack(">hih5siiii", 0, 1, 5, b"three", 2, 0, 2, -1)
# As long as a member may be silent.
SESSION_MS = 1_800_000


class Session(requests.Session):
    """Lets no stream wait for long, whatever a request says: what is sent is looked at, not what was meant. Each request has a
    connection of its own, as a server that has refused a body may close the one that it came on."""

    def send(self, request, **options):
        request.headers["connection"] = "close"
        path, _, query = request.url.partition("?")
        if request.method == "GET" and path.endswith("/records"):
            if "wait_ms=" not in query:
                request.url += f"{'&' if query else '?'}wait_ms={WAIT_MS_MAX}"
            request.url = SAID_WAIT.sub(shortened, request.url)
        return super().send(request, **options)


def shortened(said):
    """A wait that is legal and long is a short one; others are for the server to refuse."""
    wait_ms = int(said[1])
    return str(WAIT_MS_MAX) if WAIT_MS_MAX < wait_ms <= WAIT_MS_LEGAL_MAX else said[1]


class World:
    """What there is, and what is known of it."""

    def __init__(self, server):
        self.server, self.session = server, Session()
        # Schemathesis prefers a session's headers to those of a request.
        self.session.headers.clear()
        # By topic and partition: the highest that was seen.
        self.tokens = {}
        # Of each producer the sequence that comes next in partition 0 of `one`.
        self.sequences = {}
        for topic in TOPICS:
            self.create(topic)
        for group in GROUPS + DELETED_GROUPS:
            self.commit(group)
        for topic in READ[:2]:
            records = [{"value": f"value {number}", "key": f"key {number % 7}"} for number in range(30)]
            self.append(topic, records)
        self.append("odd.values", [
            {"value_base64": "//79AA==", "key_base64": "gIE="},
            {"value": None, "key": ""},
            {"value": {"nested": [1, 2.5, "☃"]}, "headers": [{"name": "a", "value": None}, {"name": "", "value": "b"}]},
            {"value": "\r\ndata: not an event\n\n", "timestamp": 0},
        ])
        lines = self.must("GET", "/v1/topics/three/records?limit=3", None, {"accept": "application/x-ndjson"})
        self.cursor = json.loads(lines.splitlines()[-1])["cursor"]
        for group, kind in JOINED.items():
            join(server.kafka, group, kind)
        for _ in range(3):
            self.sequences[self.must("POST", "/v1/producers")["producer_id"]] = 0

    def must(self, *call):
        """What is answered to a call that succeeds."""
        status, answer = self.server.call(*call)
        assert status < 300, (call, status, answer)
        return answer

    def append(self, topic, records):
        return self.must("POST", f"/v1/topics/{topic}/records", {"records": records})

    def create(self, topic):
        self.must("POST", "/v1/topics", {"name": topic, "partitions": 3 if topic == "three" else 1})

    def commit(self, group):
        offsets = [{"topic": "three", "partition": partition, "offset": 1} for partition in range(3)]
        self.must("PUT", f"/v1/groups/{group}/offsets", {"offsets": offsets})

    def tail(self, topic):
        """Where partition 0 ends."""
        status, answer = self.server.call("GET", f"/v1/topics/{topic}?partition_limit=1")
        return answer["partitions"][0]["high_watermark"] if status == 200 else 0

    def token(self, topic):
        """The highest that partition 0 has seen."""
        return self.tokens.get(topic, 0)

    def learn(self, case, response):
        """Takes from an answer what later requests should know."""
        topic, group = [(case.path_parameters or {}).get(name) for name in ("topic", "group")]
        if case.method == "DELETE" and response.status_code == 204:
            if topic in TOPICS:
                self.create(topic)
            if group in GROUPS + DELETED_GROUPS:
                self.commit(group)
        kind = response.headers.get("content-type", [""])[0]
        answer = response.json() if kind in ("application/json", "application/problem+json") else {}
        token = answer.get("fencing_token") or answer.get("token") or case.headers.get("fencing-token")
        if token is not None and (response.status_code == 200 or "fencing_token" in answer):
            self.tokens[topic] = max(self.token(topic), int(token))
        if response.status_code == 200 and "producer-id" in case.headers:
            stored = answer["records"]
            count = len(stored) if isinstance(stored, list) else stored
            producer = int(case.headers["producer-id"])
            after = int(case.headers["producer-sequence"]) + count
            self.sequences[producer] = max(self.sequences.get(producer, 0), after)


def join(address, group, kind):
    """Makes somebody a member of a group over Kafka's protocol, who stays when its connection has ended."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        protocols = struct.pack(">i", 1) + text("range") + sized(bytes(6))
        joining = text(group) + struct.pack(">i", SESSION_MS) + text("") + text(kind) + protocols
        joined = ask(connection, 11, joining)
        error, generation = struct.unpack(">hi", joined.read(6))
        assert error == 0, f"joining {group} is refused: {error}"
        _, _, member = [joined.text() for _ in range(3)]
        shares = struct.pack(">i", 1) + text(member) + sized(ASSIGNMENT)
        synced = ask(connection, 14, text(group) + struct.pack(">i", generation) + text(member) + shares)
        assert struct.unpack(">h", synced.read(2)) == (0,), f"{group} gives out no shares"


class Answer:
    """Bytes of an answer, read from the front."""

    def __init__(self, content):
        self.rest = content

    def read(self, count):
        part, self.rest = self.rest[:count], self.rest[count:]
        assert len(part) == count, "the answer is too short"
        return part

    def text(self):
        (length,) = struct.unpack(">h", self.read(2))
        return self.read(length).decode()


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def sized(value):
    return struct.pack(">i", len(value)) + value


def ask(connection, api, body):
    """An answer of a member's coordinator, in the oldest version of an API."""
    connection.sendall(sized(struct.pack(">hhi", api, 0, 1) + text("conformance") + body))
    stream = connection.makefile("rb")
    (length,) = struct.unpack(">i", stream.read(4))
    answer = Answer(stream.read(length))
    assert struct.unpack(">i", answer.read(4)) == (1,)
    return answer
