"""What a Python client has to do in the client matrix, once for all of them.

A client's program hands `main` an adapter: `create(topic, partitions)`, `delete(topic)`, `partitions(topic)` (None when it is
not there), `write(topic, records, codec, idempotent)`, `reader(topic, partitions)`, `member(group, topic)` and
`offset_at(topic, timestamp)` (of partition 0, None when there is none). A reader has `poll()` and `close()`, a member also
`assigned()` and `commit()`. What administrators do is in `matrix_admin.py`.
"""

import os
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

PATIENCE_S = 40
# Written last into each partition, and in a batch of its own: whoever has read it has been offered everything before.
END = b"the end"
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
BASE_MS = 1_600_000_000_000


class Differs(Exception):
    """The client was given something else than was written."""


@dataclass
class Record:
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list = field(default_factory=list)
    timestamp: int | None = None

    def shown(self):
        return f"p{self.partition} {self.key} {(self.value or b'')[:40]} headers {self.headers} at {self.timestamp}"


def some(name, count, partitions):
    """Records that are all different and keep their order within a partition."""
    filler = b"wide " * 20
    return [
        Record(i % partitions, f"key-{i}".encode(), f"{name}-{i}:".encode() + filler) for i in range(count)
    ]


def ends(partitions):
    return [Record(partition, b"end", END) for partition in range(partitions)]


def is_end(record):
    return record.value == END


def compare(written, read, partitions):
    """Every record once, in its place, as it was written. What was not given to the client is not compared."""
    for partition in range(partitions):
        expected = [record for record in written if record.partition == partition]
        got = [record for record in read if record.partition == partition and not is_end(record)]
        values = [(record.key, record.value) for record in got]
        for record in expected:
            if (record.key, record.value) not in values:
                raise Differs(f"lost: {record.shown()}")
        if len(got) > len(expected):
            raise Differs(f"doubled or foreign: {len(got)} records instead of {len(expected)}")
        for index, (one, other) in enumerate(zip(expected, got)):
            same = (one.key, one.value, one.headers) == (other.key, other.value, other.headers)
            if not same or one.timestamp not in (None, other.timestamp):
                raise Differs(f"reordered or altered at {index}: {one.shown()} became {other.shown()}")


def poll_each(pollers):
    """Polls all, at once where one waits for the others, else in turn; what each got."""
    if not any(getattr(poller, "waits_for_others", False) for poller in pollers):
        return [poller.poll() for poller in pollers]
    with ThreadPoolExecutor(len(pollers)) as threads:
        return list(threads.map(lambda poller: poller.poll(), pollers))


def poll_until(pollers, done, read):
    """Polls all in turn until `done()`."""
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        for share in poll_each(pollers):
            read.extend(share)
        if time.monotonic() > deadline:
            raise Differs(f"nothing more came after {len(read)} records")


def read_to_end(pollers, partitions):
    read = []
    poll_until(pollers, lambda: sum(map(is_end, read)) >= partitions, read)
    return read


def write_and_read(client, topic, records, partitions=1, codec="none", idempotent=False):
    client.create(topic, partitions)
    client.write(topic, records, codec, idempotent)
    client.write(topic, ends(partitions), "none", False)
    reader = client.reader(topic, partitions)
    read = read_to_end([reader], partitions)
    reader.close()
    compare(records, read, partitions)


def produce(client, topic):
    write_and_read(client, topic, some("produce", 600, 3), partitions=3)


def idempotence(client, topic):
    write_and_read(client, topic, some("once", 1_000, 2), partitions=2, idempotent=True)


def headers(client, topic):
    records = some("headers", 20, 1)
    for index, record in enumerate(records):
        record.headers = [("a-number", str(index).encode()), ("b-empty", b""), ("c-bytes", bytes([0, 255, index]))]
    write_and_read(client, topic, records)


def tombstones(client, topic):
    pairs = [(b"key", b"value"), (b"key", None), (None, b"no key"), (b"gone", None), (b"key", b""), (b"", b"empty key")]
    write_and_read(client, topic, [Record(0, key, value) for key, value in pairs])


def big(client, topic):
    records = some("big", 6, 1)
    for index in (1, 2, 4):
        records[index].value += os.urandom(900_000)
    write_and_read(client, topic, records)


def with_times(count):
    records = some("times", count, 1)
    for index, record in enumerate(records):
        record.timestamp = BASE_MS + index * 1_000
    return records


def timestamps(client, topic):
    write_and_read(client, topic, with_times(50))


def offsets_by_time(client, topic):
    write_and_read(client, topic, with_times(10))
    for since, expected in ((0, 0), (1, 1), (4_000, 4), (4_500, 5), (9_000, 9)):
        found = client.offset_at(topic, BASE_MS + since)
        if found != expected:
            raise Differs(f"the first record {since} ms after the first one is at {expected}, not at {found}")


def admin(client, topic):
    if client.partitions(topic) is not None:
        raise Differs("the topic is there before it is created")
    write_and_read(client, topic, some("admin", 30, 3), partitions=3)
    if client.partitions(topic) != 3:
        raise Differs(f"{client.partitions(topic)} partitions instead of 3")
    try:
        client.create(topic, 3)
    except Exception as error:
        if "exist" not in f"{type(error).__name__} {error}".lower():
            raise
    else:
        raise Differs("a topic was created twice")
    client.delete(topic)
    if client.partitions(topic) is not None:
        raise Differs("a deleted topic is still there")


def group(client, topic):
    """Two members share four partitions, one leaves, and a third goes on where the last one stood."""
    client.create(topic, 4)
    name = topic + "-group"
    stay, leave = client.member(name, topic), client.member(name, topic)
    read = []
    poll_until([stay, leave], lambda: stay.assigned() == leave.assigned() == 2, read)

    def phase(label, members):
        records = some(label, 200, 4)
        client.write(topic, records, "none", False)
        client.write(topic, ends(4), "none", False)
        shares = [[] for _ in members]
        deadline = time.monotonic() + PATIENCE_S
        while sum(map(is_end, sum(shares, []))) < 4:
            for share, more in zip(shares, poll_each(members)):
                share.extend(more)
            if time.monotonic() > deadline:
                raise Differs(f"{label}: nothing more came after {[len(share) for share in shares]} records")
        compare(records, sum(shares, []), 4)
        for member in members:
            member.commit()
        return shares

    shares = phase("two", [stay, leave])
    if not all(shares):
        raise Differs(f"one member of two got nothing: {[len(share) for share in shares]}")
    leave.close()
    # What it reads before it has noticed would rightly come again: nobody has committed it.
    poll_until([stay], lambda: stay.assigned() == 4, [])
    phase("one", [stay])
    stay.close()
    late = client.member(name, topic)
    phase("late", [late])
    late.close()


FEATURES = {
    "produce": produce,
    "group": group,
    "headers": headers,
    "tombstones": tombstones,
    "big": big,
    "timestamps": timestamps,
    "offsets-by-time": offsets_by_time,
    "admin": admin,
    "idempotence": idempotence,
}


def main(adapter, version):
    """`PROGRAM version`, or `PROGRAM ADDRESS TOPIC FEATURE`: exits with 0, or prints what differed."""
    if sys.argv[1:] == ["version"]:
        print(version)
        return
    address, topic, feature = sys.argv[1:]
    # Not before: it is made of what stands here.
    from matrix_admin import FEATURES as ADMIN_FEATURES

    try:
        client = adapter(address)
        if feature in CODECS:
            write_and_read(client, topic, some(feature, 300, 2), partitions=2, codec=feature)
        else:
            (FEATURES | ADMIN_FEATURES)[feature](client, topic)
    except Differs as difference:
        print(difference)
        sys.stdout.flush()
        os._exit(1)
    except Exception:
        traceback.print_exc()
        os._exit(1)
    # Background threads of a client that were not asked to stop may not hold the answer back.
    sys.stdout.flush()
    os._exit(0)
