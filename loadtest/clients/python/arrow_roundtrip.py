"""Writes and reads Arrow IPC streams over HTTP, with pyarrow and polars as their users have them."""

import datetime
import io
import json
import sys
import threading
import time
import urllib.error
import urllib.request

import polars as pl
import pyarrow as pa

ARROW = "application/vnd.apache.arrow.stream"
HEADERS = pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())]))


class Door:
    def __init__(self, address):
        self.base = f"http://{address}/v1/topics"

    def create(self, topic, partitions):
        body = json.dumps({"name": topic, "partitions": partitions}).encode()
        self.send(f"{self.base}", body, "application/json")

    def send(self, url, body, content_type):
        request = urllib.request.Request(url, data=body, headers={"content-type": content_type})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def append(self, topic, body):
        return self.send(f"{self.base}/{topic}/records", body, ARROW)

    def refused(self, topic, body):
        try:
            told = self.append(topic, body)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        raise AssertionError(f"it was taken: {told}")

    def read(self, path):
        request = urllib.request.Request(f"{self.base}/{path}", headers={"accept": ARROW})
        return urllib.request.urlopen(request, timeout=30)


def stream_of(batches, schema=None, **options):
    """An IPC stream as pyarrow writes it."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema or batches[0].schema, **options) as writer:
        for batch in batches:
            writer.write(batch)
    return sink.getvalue()


def at(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc)


def what_pyarrow_writes_both_read(door):
    now = int(time.time() * 1000)
    table = pa.table(
        {
            "key": pa.array([b"k", None, b""], pa.binary()),
            "value": pa.array([b"\x00\xff", "text".encode(), None], pa.binary()),
            "timestamp": pa.array([now, None, now + 1], pa.timestamp("ms", tz="UTC")),
            "headers": pa.array([[("a", b"1"), ("a", None)], None, []], HEADERS),
            "partition": pa.array([0, 0, 0], pa.int32()),
        }
    )
    told = door.append("kinds", stream_of(table.to_batches()))
    assert told["records"] == 3 and told["runs"] == [{"line": 1, "count": 3, "partition": 0, "offset": 0}], told

    read = pa.ipc.open_stream(door.read("kinds/partitions/0/records")).read_all()
    read.validate(full=True)
    expected = pa.schema(
        [
            pa.field("partition", pa.int32(), False),
            pa.field("offset", pa.int64(), False),
            pa.field("timestamp", pa.timestamp("ms", tz="UTC"), False),
            pa.field("key", pa.binary()),
            pa.field("value", pa.binary()),
            pa.field("headers", read.schema.field("headers").type, False),
        ]
    )
    assert read.schema == expected, read.schema
    rows = read.to_pylist()
    assert [row["offset"] for row in rows] == [0, 1, 2] and {row["partition"] for row in rows} == {0}
    assert [row["key"] for row in rows] == [b"k", None, b""]
    assert [row["value"] for row in rows] == [b"\x00\xff", b"text", None]
    assert [row["headers"] for row in rows] == [[{"name": "a", "value": b"1"}, {"name": "a", "value": None}], [], []]
    assert rows[0]["timestamp"] == at(now) and rows[2]["timestamp"] == at(now + 1)
    assert abs(rows[1]["timestamp"] - at(now)) < datetime.timedelta(seconds=60), "it has the time when it came"

    frame = pl.read_ipc_stream(io.BytesIO(door.read("kinds/partitions/0/records").read()))
    assert frame.schema["value"] == pl.Binary and frame.schema["offset"] == pl.Int64, frame.schema
    assert frame.schema["timestamp"] == pl.Datetime("ms", "UTC"), frame.schema
    assert frame["offset"].to_list() == [0, 1, 2] and frame["value"].to_list() == [b"\x00\xff", b"text", None]
    assert frame["headers"].to_list() == [row["headers"] for row in rows]

    some = pa.ipc.open_stream(door.read("kinds/partitions/0/records?columns=offset,value&from=1&limit=1")).read_all()
    assert some.to_pylist() == [{"offset": 1, "value": b"text"}], some


def every_kind_of_text_and_bytes_is_taken(door):
    kinds = [pa.binary(), pa.large_binary(), pa.binary_view(), pa.string(), pa.large_string(), pa.string_view()]
    long = "longer than fits into a view"
    for kind in kinds:
        is_text = kind in (pa.string(), pa.large_string(), pa.string_view())
        values = ["short", None, long] if is_text else [b"short", None, long.encode()]
        door.append("widths", stream_of([pa.record_batch({"value": pa.array(values, kind)})]))
    door.append("widths", stream_of([pa.record_batch({"value": pa.array([b"12345", None], pa.binary(5))})]))
    door.append("widths", stream_of([pa.record_batch({"key": pa.array([b"k"]), "value": pa.nulls(1)})]))
    lists = pa.large_list(pa.struct([("value", pa.string()), ("name", pa.large_string())]))
    batch = pa.record_batch({"value": pa.array([b"v"]), "headers": pa.array([[{"name": "n", "value": "w"}]], lists)})
    door.append("widths", stream_of([batch]))
    read = pa.ipc.open_stream(door.read("widths/partitions/0/records")).read_all()
    assert read["value"].to_pylist() == [b"short", None, long.encode()] * len(kinds) + [b"12345", None, None, b"v"]
    assert read["headers"].to_pylist()[-1] == [{"name": "n", "value": b"w"}]

    # Slices have offsets that do not begin at 0, and bitmaps that begin inside a byte.
    whole = pa.record_batch({"value": pa.array([None if n % 3 == 0 else f"{n}" for n in range(100)])})
    door.append("slices", stream_of([whole.slice(13, 50), whole.slice(0, 0), whole.slice(90)]))
    read = pa.ipc.open_stream(door.read("slices/partitions/0/records")).read_all()
    wanted = [None if n % 3 == 0 else f"{n}".encode() for n in [*range(13, 63), *range(90, 100)]]
    assert read["value"].to_pylist() == wanted


def what_polars_writes_is_taken(door):
    frame = pl.DataFrame({"key": ["a", None, "c"], "value": [b"1", b"2 is longer than a view", None]})
    count = 0
    for compression in ["uncompressed", "lz4", "zstd"]:
        sink = io.BytesIO()
        frame.write_ipc_stream(sink, compression=compression)
        told = door.append("polars", sink.getvalue())
        count += told["records"]
    read = pl.read_ipc_stream(io.BytesIO(door.read("polars/partitions/0/records").read()))
    assert count == 9 and read["value"].to_list() == frame["value"].to_list() * 3
    assert read["key"].to_list() == [b"a", None, b"c"] * 3


def compressed_streams_are_taken(door):
    values = [f"{n:0100}".encode() for n in range(20_000)]
    batch = pa.record_batch({"value": pa.array(values)})
    for codec in ["lz4", "zstd"]:
        body = stream_of([batch, batch.slice(5)], options=pa.ipc.IpcWriteOptions(compression=codec))
        assert len(body) < batch.nbytes
        assert door.append(codec, body)["records"] == 39_995
        read = pa.ipc.open_stream(door.read(f"{codec}/partitions/0/records")).read_all()
        assert read["value"].to_pylist() == values + values[5:]
        assert read["offset"].to_pylist() == list(range(39_995))


def a_topic_is_gone_on_with_by_its_cursor(door):
    door.create("merged", 5)
    count = 30_000
    batches = [
        pa.record_batch({"key": [f"{n}".encode() for n in part], "value": [f"value {n}".encode() for n in part]})
        for part in (range(first, first + 10_000) for first in range(0, count, 10_000))
    ]
    assert door.append("merged", stream_of(batches))["records"] == count

    # pyarrow: batch by batch; each ends with the cursor that goes on after it.
    seen, cursor = [], None
    while len(seen) < count:
        where = f"&cursor={cursor}" if cursor else ""
        reader = pa.ipc.open_stream(door.read(f"merged/records?limit=7000{where}"))
        for number, batch in enumerate(reader):
            if number == 2:
                break  # As if this had been killed: what comes later is not lost.
            rows = batch.to_pylist()
            assert [row["cursor"] is None for row in rows] == [True] * (len(rows) - 1) + [False]
            seen += [(row["partition"], row["offset"], row["value"]) for row in rows]
            cursor = rows[-1]["cursor"]
    check_merged(seen, count)

    # polars: it reads a whole answer, whose last cursor is what counts.
    seen, cursor = [], None
    while True:
        where = f"&cursor={cursor}" if cursor else ""
        frame = pl.read_ipc_stream(io.BytesIO(door.read(f"merged/records?limit=7000{where}").read()))
        if frame.is_empty():
            break
        seen += frame.select("partition", "offset", "value").rows()
        cursor = frame["cursor"].drop_nulls()[-1]
    check_merged(seen, count)


def check_merged(seen, count):
    nexts = {}
    for partition, offset, _ in seen:
        assert nexts.get(partition, 0) == offset, "each partition in order, nothing left out or twice"
        nexts[partition] = offset + 1
    assert len(nexts) == 5 and sorted(int(value.split()[1]) for _, _, value in seen) == list(range(count))


def whoever_waits_gets_what_comes(door):
    door.append("waited", stream_of([pa.record_batch({"value": [b"first"]})]))

    def append_later():
        time.sleep(0.3)
        door.append("waited", stream_of([pa.record_batch({"value": [b"second"]})]))

    later = threading.Thread(target=append_later)
    later.start()
    reader = pa.ipc.open_stream(door.read("waited/partitions/0/records?wait_ms=20000&limit=2"))
    values = [value for batch in reader for value in batch["value"].to_pylist()]
    later.join()
    assert values == [b"first", b"second"], values
    # Nothing but a schema is a stream too.
    empty = pa.ipc.open_stream(door.read("waited/partitions/0/records?from=latest")).read_all()
    assert empty.num_rows == 0 and "value" in empty.schema.names
    frame = pl.read_ipc_stream(io.BytesIO(door.read("waited/partitions/0/records?from=latest").read()))
    assert frame.is_empty() and "value" in frame.columns


def what_is_wrong_is_told_with_what_is_stored(door):
    batches = [pa.record_batch({"value": [f"{n}".encode() for n in range(100)]}) for _ in range(3)]
    whole = stream_of(batches)
    code, problem = door.refused("torn", whole[: len(whole) - 300])
    assert (code, problem["code"]) == (400, "body_cut_off") and problem["stored"]["records"] == 200, problem
    assert problem["stored"]["runs"] == [{"line": 1, "count": 200, "partition": 0, "offset": 0}]
    read = pa.ipc.open_stream(door.read("torn/partitions/0/records")).read_all()
    assert read.num_rows == 200

    def column(wanted, **columns):
        code, problem = door.refused("wrong", stream_of([pa.record_batch(columns)]))
        assert (code, problem["code"]) == (400, "invalid_column"), problem
        assert wanted in problem["detail"] and problem["stored"]["records"] == 0, problem

    column("column values is unknown", values=[b"v"])
    column("column value is Int64; binary or string works", value=[1])
    column("column offset is what the server says", value=[b"v"], offset=[1])
    column("there is no column value", partition=[0])
    column("column key is Dictionary", value=[b"v"], key=pa.array(["k"]).dictionary_encode())
    file = io.BytesIO()
    with pa.ipc.new_file(file, batches[0].schema) as writer:
        writer.write(batches[0])
    code, problem = door.refused("wrong", file.getvalue())
    assert (code, problem["code"]) == (400, "invalid_arrow") and "file format" in problem["detail"], problem
    large = pa.record_batch({"value": [b"x" * 1_000_000] * 9})
    code, problem = door.refused("wrong", stream_of([large]))
    assert (code, problem["code"]) == (413, "arrow_batch_too_large") and "max_chunksize" in problem["detail"], problem
    # A row that is wrong is named, what is before it is stored.
    rows = pa.record_batch({"value": [b"v"] * 5, "partition": [0, 0, 0, 7, 0]})
    code, problem = door.refused("wrong", stream_of([rows]))
    assert (code, problem["code"], problem["at"]["line"]) == (404, "unknown_partition", 4), problem
    assert problem["stored"]["records"] == 3


def main(address):
    door = Door(address)
    steps = [
        what_pyarrow_writes_both_read,
        every_kind_of_text_and_bytes_is_taken,
        what_polars_writes_is_taken,
        compressed_streams_are_taken,
        a_topic_is_gone_on_with_by_its_cursor,
        whoever_waits_gets_what_comes,
        what_is_wrong_is_told_with_what_is_stored,
    ]
    for step in steps:
        step(door)
        print(step.__name__)
    print(f"{len(steps)} of {len(steps)}")


main(sys.argv[1])
