"""What schemathesis is told of this server: names that are there, media types to ask for, and which conditions go together."""

import base64
import string
import uuid

from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation

import bodies
import world as there

# More are allowed, and take longer.
PARTITIONS_MAX = 8
# The greatest offset that is written as a number.
NUMBER_MAX = 2**53 - 1
# Settings with values that they may have.
CONFIGS = [
    ("retention.ms", 3_600_000), ("retention.ms", "-1"), ("cleanup.policy", "delete"), ("max.message.bytes", 100_000),
    ("message.timestamp.type", "LogAppendTime"), ("compression.type", "zstd"), ("flush.messages", "10"),
]
PLACES = ["earliest", "latest", "@0", "@2020-02-29T00:00:00.5+01:00"]
COLUMNS = ["offset,value", "partition,offset,timestamp,key,value,headers", "value", "value,value", "nothing"]
# Most appends have none.
CONDITIONS = ["expected-offset", "fencing-token", "producer-id", "producer-epoch", "producer-sequence", "idempotency-key"]
# By operation, else those to be read.
TOPICS_OF = {
    "append_records": there.APPENDED, "raise_fence": there.FENCED, "configure_topic": there.CHANGED,
    "delete_topic": there.DELETED,
}
GROUPS_OF = {"delete_group": there.DELETED_GROUPS}
# Where nothing can be wrong: one that the server refuses all the same.
UNKNOWN = "no-such-parameter"


def cases(operation, mode):
    """Requests of an operation that are right, or wrong in some way. Where nothing can be wrong, `fit` makes it so."""
    if mode == GenerationMode.NEGATIVE and not can_be_wrong(operation):
        mode = GenerationMode.POSITIVE
    return operation.as_strategy(generation_mode=mode)


def can_be_wrong(operation):
    """Whether some text in its path, parameters or headers is no value, or some body. An empty path names something else."""
    everything = [*operation.path_parameters, *operation.query, *operation.headers]
    schemas = [parameter.definition.get("schema", {}) for parameter in everything]
    limited = {"pattern", "minimum", "maximum", "enum", "$ref"}
    return bool(operation.body) or any(schema.keys() & limited or schema.get("type") == "boolean" for schema in schemas)


def mode_of(case):
    """Whether a request is right or wrong now."""
    return "negative" if UNKNOWN in case.query else case.meta.generation.mode.value


def fit(world, case, mode, chance):
    """Makes a request meet what is there, most of the time, and ask for a media type. `chance` is a `random.Random`."""
    offered = list(case.operation.definition.raw["responses"].get("200", {}).get("content", {}))
    accept = chance.choice([*offered * 3, None, "*/*", "image/png", "*/*;q=0.1, text/*", ";;,"])
    if accept is not None:
        case.headers["accept"] = accept
    case.headers["x-request-id"] = "".join(chance.choices(string.printable.strip(), k=chance.randrange(140)))
    if not case.meta.is_negative_at(ParameterLocation.PATH):
        fit_path(case, chance)
    if not case.meta.is_negative_at(ParameterLocation.QUERY):
        fit_query(world, case, accept, chance)
    if not case.meta.is_negative_at(ParameterLocation.HEADER):
        fit_headers(world, case, chance)
    if isinstance(case.body, dict) and not case.meta.is_negative_at(ParameterLocation.BODY):
        fit_body(world, case, chance)
    if mode == GenerationMode.NEGATIVE and not can_be_wrong(case.operation):
        case.query[UNKNOWN] = chance.choice(["", "a", "0"])


def mostly(chance):
    return chance.random() < 0.9


def name_of(case):
    return case.operation.definition.raw["operationId"]


def fit_path(case, chance):
    pools = {
        "topic": TOPICS_OF.get(name_of(case), there.READ),
        "group": GROUPS_OF.get(name_of(case), there.GROUPS) + sorted(there.JOINED)[chance.randrange(3) :],
        "partition": [0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    }
    for name, pool in pools.items():
        if name in case.path_parameters and mostly(chance):
            case.path_parameters[name] = chance.choice(pool)


def fit_query(world, case, accept, chance):
    pools = {"from": PLACES, "cursor": [world.cursor], "columns": COLUMNS, "topic": ["three"]}
    # How much may be asked for depends on the media type, which a schema cannot say.
    pools |= {"limit": [1, 7, 1_000], "max_bytes": [1, 500, 1_000_000]}
    # A place in the pages of offsets, which no client makes up.
    if name_of(case) == "group_offsets":
        pools["after"] = ["0" * 32 + ".0"]
    if "partition" in case.path_parameters:
        pools["from"] = [*PLACES, "0", "3", "30", "31"]
    if name_of(case) == "append_records":
        pools["partition"] = [0]
        if case.media_type != "application/octet-stream":
            for name in {"key", "key_base64", "timestamp"} & case.query.keys():
                if mostly(chance):
                    del case.query[name]
        fit_base64(case.query, chance)
    for name, pool in pools.items():
        if name in case.query and mostly(chance):
            case.query[name] = chance.choice(pool)
    if "cursor" in case.query:
        fit_cursor(case, chance)
    if {"from", "cursor"} <= case.query.keys() and mostly(chance):
        del case.query[chance.choice(["from", "cursor"])]
    of_others = "value_format" if accept == bodies.ARROW else "columns"
    if of_others in case.query and mostly(chance):
        del case.query[of_others]


def fit_cursor(case, chance):
    """A cursor is of one topic."""
    if mostly(chance) and not case.meta.is_negative_at(ParameterLocation.PATH):
        case.path_parameters["topic"] = "three"


def fit_headers(world, case, chance):
    if "last-event-id" in case.headers and mostly(chance):
        of_topic = name_of(case) == "read_topic"
        case.headers["last-event-id"] = world.cursor if of_topic else chance.choice(["0", "29"])
        if of_topic:
            fit_cursor(case, chance)
    if name_of(case) != "append_records":
        return
    if mostly(chance):
        case.headers.pop("content-encoding", None)
    if not mostly(chance):
        return
    for name in CONDITIONS:
        case.headers.pop(name, None)
    topic = case.path_parameters["topic"]
    conditions = chance.choice(["", "", "offset", "token", "both", "key", "producer"])
    if conditions in ("offset", "both"):
        case.headers["expected-offset"] = str(world.tail(topic) + chance.choice([0, 0, 0, 1]))
        case.query["partition"] = 0
    if conditions in ("token", "both"):
        case.headers["fencing-token"] = str(max(0, world.token(topic) + chance.choice([0, 0, 1, -1])))
    if conditions == "key":
        case.headers["idempotency-key"] = chance.choice(["again", str(uuid.UUID(int=chance.getrandbits(128)))])
    if conditions == "producer" and not case.meta.is_negative_at(ParameterLocation.PATH):
        producer = chance.choice(sorted(world.sequences))
        case.path_parameters["topic"], case.query["partition"] = "one", 0
        case.headers["producer-id"], case.headers["producer-epoch"] = str(producer), "0"
        # One that is ahead is waited for, so there are few.
        ahead = 7 if chance.random() < 0.1 else 0
        case.headers["producer-sequence"] = str(world.sequences[producer] + ahead)


def fit_body(world, case, chance):
    """What a schema cannot tell, such as that names are there and settings have values of their own."""
    body, name = case.body, name_of(case)
    if isinstance(body.get("configs"), dict) and mostly(chance):
        body["configs"] = dict(chance.sample(CONFIGS, chance.randrange(3)))
        if name == "configure_topic" and body["configs"] and chance.random() < 0.3:
            body["configs"][chance.choice(sorted(body["configs"]))] = None
    if isinstance(body.get("partitions"), int):
        body["partitions"] = chance.randint(1, PARTITIONS_MAX)
        if name == "configure_topic" and mostly(chance):
            body["partitions"] = PARTITIONS_MAX
    if isinstance(body.get("partitions"), list) and mostly(chance):
        body["partitions"] = [0]
    if name == "raise_fence" and mostly(chance):
        token = max(0, world.token(case.path_parameters["topic"]) + chance.choice([0, 1, 1, -1]))
        body["token"] = token if token <= NUMBER_MAX else str(token)
    if "to" in body and mostly(chance):
        body["to"] = chance.choice([*PLACES, "3"])
    if isinstance(body.get("offsets"), list):
        for number, item in enumerate(body["offsets"]):
            if mostly(chance):
                # Each partition once, mostly; there are three.
                partition = number if mostly(chance) else 0
                item.update(topic="three", partition=partition, offset=chance.randint(0, 40))
    elif "topic" in body and mostly(chance):
        body["topic"] = chance.choice(there.READ)
    for record in body.get("records") or []:
        if record.get("partition") is not None and mostly(chance):
            record["partition"] = 0
        for part in [record, *(record.get("headers") or [])]:
            fit_base64(part, chance)


def fit_base64(part, chance):
    """Of two forms of a value one is told."""
    for name in ("key_base64", "value_base64"):
        if part.get(name) is not None and mostly(chance):
            part[name] = base64.b64encode(chance.randbytes(chance.randrange(20))).decode()
            part.pop(name.removesuffix("_base64"), None)


def at_the_edges(operation):
    """Requests with each value at the edges of its schema, and beyond them."""
    config = operation.schema.config.generation_for(operation=operation, phase="coverage")
    return operation.schema.iter_coverage_cases(
        operation, generation_modes=list(GenerationMode), generation_config=config
    )
