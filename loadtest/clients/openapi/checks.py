"""What is looked at in an answer, beside what schemathesis looks at itself."""

import json
import pathlib
import re

import jsonschema_rs
from schemathesis.checks import load_all_checks
from schemathesis.core.failures import Failure
from schemathesis.specs.openapi import checks as theirs

load_all_checks()

# A right request may name a topic that is not there or an offset that is gone, so it may be refused. That most are not is
# counted instead.
LEFT_OUT = [theirs.positive_data_acceptance]

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs/http.md"
ROW = re.compile(r"^\| `(\w+)` \| (\d{3}) \|", re.MULTILINE)
CODES = {code: int(status) for code, status in ROW.findall(PAGE.read_text())}
assert len(CODES) > 20, f"no table of codes in {PAGE}"


def fail(case, title, message):
    raise Failure(operation=case.operation.label, title=title, message=message)


def problems_are_those_of_the_page(_, response, case):
    """Codes are in docs/http.md, with this status, and whether to try again is said twice alike."""
    if response.status_code < 400 or response.headers.get("content-type") != ["application/problem+json"]:
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


def streamed_records_have_their_schema(_, response, case):
    """Lines, and the data of events, are not looked at by schemathesis."""
    if response.status_code != 200:
        return
    kind = response.headers.get("content-type", [""])[0]
    if kind == "application/x-ndjson":
        texts = response.content.decode().splitlines()
    elif kind == "text/event-stream":
        events = response.content.decode().split("\n\n")
        if any("event: problem" in event for event in events):
            fail(case, "A stream has failed", response.content.decode()[-1000:])
        texts = [line[len("data: ") :] for event in events for line in event.split("\n") if line.startswith("data: ")]
    else:
        return
    document = case.operation.schema.raw_schema
    schema = {"$ref": "#/components/schemas/Record", "components": document["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema)
    for text in texts:
        errors = [error.message for error in validator.iter_errors(json.loads(text))]
        if errors:
            fail(case, "A record is not as it should be", f"{errors}: {text}")


OURS = [problems_are_those_of_the_page, streamed_records_have_their_schema]
