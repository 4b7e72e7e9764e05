"""Bodies that schemathesis cannot make by itself: lines of records, and Arrow IPC streams."""

import base64
import json
import zlib

import schemathesis
from hypothesis import strategies as st

ARROW = "application/vnd.apache.arrow.stream"
NDJSON = "application/x-ndjson"
# Of a stream's messages, and its end mark.
CONTINUED = b"\xff\xff\xff\xff"
END = CONTINUED + bytes(4)

VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda more: st.lists(more, max_size=3) | st.dictionaries(st.text(), more, max_size=3),
    max_leaves=6,
)
RECORD = st.fixed_dictionaries(
    {},
    optional={
        "key": VALUE,
        "value": VALUE,
        "headers": st.lists(st.fixed_dictionaries({"name": st.text()}, optional={"value": st.none() | st.text()}), max_size=2),
        "partition": st.just(0),
        "timestamp": st.integers(0, 2_000_000_000_000),
    },
)
LINE = st.builds(json.dumps, RECORD, ensure_ascii=st.booleans()).map(str.encode)
# Now and then one that is no record, or no text.
LINES = st.lists(LINE | LINE | LINE | LINE | st.just(b"") | st.binary(max_size=9), max_size=6).map(b"\n".join)

# A stream that pyarrow wrote: columns key and value, two records.
STREAM = zlib.decompress(base64.b64decode(
    "eNptUDEOwjAMvLZpiaoMGSrUsU9gZOQrDJ3KShESD+FRPKC/SS+pAyFwkmOf7bOTOOfcE4CFRwuDBjU0I6JQ5CDTPJWcQEk7SbxQ7xu9vpecR02bz5frSP9i"
    "j0VHfYNdmGhl36+uok3jnVyFHKVuoe+kbrCXG5owCZUK+iMiWnITbuvf8JC3lfigSeJCvH7P39Bn9QHfGLL+g/h0T5nw4k89zcc48inLR91827wL/w6sC1Udnw=="
))
TORN = st.integers(0, len(STREAM)).map(lambda length: STREAM[:length])
DAMAGED = st.builds(
    lambda at, byte: STREAM[:at] + byte + STREAM[at + 1 :], st.integers(0, len(STREAM) - 1), st.binary(min_size=1, max_size=1)
)
STREAMS = st.just(STREAM) | st.just(STREAM) | TORN | DAMAGED | st.binary(max_size=50)

schemathesis.openapi.media_type(NDJSON, LINES)
schemathesis.openapi.media_type(ARROW, STREAMS)
