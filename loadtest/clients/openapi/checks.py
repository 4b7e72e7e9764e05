"""What is looked at in an answer, beside what schemathesis looks at itself."""

import copy
import json
import pathlib
import re

import jsonschema_rs
from schemathesis.checks import load_all_checks
from schemathesis.core.failures import Failure
from schemathesis.specs.openapi import checks as theirs

import bodies
from requests_made import UNKNOWN

load_all_checks()

# A right request may name a topic that is not there or an offset that is gone, so it may be refused. That most are not is
# counted instead.
LEFT_OUT = [theirs.positive_data_acceptance]

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs/http.md"
ROW = re.compile(r"^\| `(\w+)` \| (\d{3}) \|", re.MULTILINE)
CODES = {code: int(status) for code, status in ROW.findall(PAGE.read_text())}
assert len(CODES) > 20, f"no table of codes in {PAGE}"
PROBLEM = "application/problem+json"


def fail(case, title, message):
    raise Failure(operation=case.operation.label, title=title, message=message)


def kind_of(response):
    """The media type of an answer."""
    return response.headers.get("content-type", [""])[0].partition(";")[0]


def problems_are_those_of_the_page(_, response, case):
    """Codes are in docs/http.md, with this status, and whether to try again is said twice alike."""
    if response.status_code < 400 or kind_of(response) != PROBLEM:
        return
    problem = response.json()
    if CODES.get(problem["code"]) != response.status_code or problem["status"] != response.status_code:
        fail(case, "Undocumented problem", f"{problem['code']} with status {response.status_code}")
    if problem["retry"] != ("retry-after" in response.headers):
        fail(case, "Retry-After and retry differ", str(problem))
    if [problem.get("request_id")] != response.headers.get("x-request-id"):
        fail(case, "No request id", str(problem))
    if not problem["detail"]:
        fail(case, "No detail", str(problem))


def an_unknown_parameter_is_refused(_, response, case):
    """Schemathesis takes parameters for right that the document does not name, as no document can forbid them."""
    if case.path.startswith("/v1/") and UNKNOWN in (case.query or {}) and response.status_code < 400:
        fail(case, "An unknown parameter is taken", str(response.status_code))


class Shapes:
    """Schemas of the document, of which objects have no other fields than those that are named."""

    def __init__(self, document):
        self.components = copy.deepcopy(document["components"])
        self.validators = {}
        for schema in self.components["schemas"].values():
            if "properties" in schema:
                schema.setdefault("additionalProperties", False)

    def errors(self, reference, value):
        """What about a value is not as its schema says."""
        if reference not in self.validators:
            schema = {"$ref": reference, "components": self.components}
            self.validators[reference] = jsonschema_rs.Draft202012Validator(schema)
        return [error.message for error in self.validators[reference].iter_errors(value)]


# Made of the first document that is met; there is one.
SHAPES = []


def must_be(case, reference, value):
    if not SHAPES:
        SHAPES.append(Shapes(case.operation.schema.raw_schema))
    errors = SHAPES[0].errors(reference, value)
    if errors:
        fail(case, "An answer has another shape", f"{reference}: {errors}: {value}")


def answers_have_no_other_fields(_, response, case):
    """Schemathesis takes fields that the document does not name, as clients should. But what is there must be told."""
    told = case.operation.definition.raw["responses"]
    status = str(response.status_code)
    told = told.get(status) or told.get(f"{status[0]}XX") or {}
    reference = told.get("content", {}).get(kind_of(response), {}).get("schema", {}).get("$ref")
    if reference and kind_of(response) in ("application/json", PROBLEM):
        must_be(case, reference, response.json())


def streamed_records_have_their_schema(_, response, case):
    """Lines, and the data of events, are not looked at by schemathesis, nor is an Arrow IPC stream."""
    if response.status_code != 200:
        return
    if kind_of(response) == bodies.NDJSON:
        # Python knows other ends of lines too, which may be in a text.
        texts = response.content.decode().removesuffix("\n").split("\n") if response.content else []
    elif kind_of(response) == "text/event-stream":
        events = response.content.decode().split("\n\n")
        if any("event: problem" in event for event in events):
            fail(case, "A stream has failed", response.content.decode()[-1000:])
        texts = [line[len("data: ") :] for event in events for line in event.split("\n") if line.startswith("data: ")]
    elif kind_of(response) == bodies.ARROW:
        if not (response.content.startswith(bodies.CONTINUED) and response.content.endswith(bodies.END)):
            fail(case, "An Arrow IPC stream has no beginning or no end", repr(response.content[-100:]))
        return
    else:
        return
    for text in texts:
        must_be(case, "#/components/schemas/Record", json.loads(text))


OURS = [
    problems_are_those_of_the_page, an_unknown_parameter_is_refused, answers_have_no_other_fields,
    streamed_records_have_their_schema,
]
