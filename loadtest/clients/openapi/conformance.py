"""Holds the HTTP door to its OpenAPI document: for each operation schemathesis makes requests, right ones and wrong ones, and
every answer must be one that the document tells of.

Usage: conformance.py --binary PATH [--seed N] [--examples N] [--only TEXT]

What is looked at is in `checks.py`, what schemathesis is told of this server in `requests_made.py`, `bodies.py` and `world.py`,
and what chance seldom makes in `exact.py`. The last line counts operations as `cargo test` counts tests.
"""

import argparse
import pathlib
import random
import sys
import time
import zlib

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
import checks  # noqa: E402
import exact  # noqa: E402
import requests_made  # noqa: E402
from tested import Tested  # noqa: E402
from tidelog_server import Server  # noqa: E402
from world import World  # noqa: E402

# Of each operation, right ones and wrong ones apart.
EXAMPLES_MIN = 100
# So often as many are made until there are enough.
TURNS_MAX = 4
# Seconds for a request whose stream is bounded by `wait_ms`.
TIMEOUT_S = 20


def document_of(server):
    """The document, but for the schema of events, by which it means the body, as generators do, and schemathesis each event."""
    document = server.call("GET", "/openapi.json")[1]
    for item in document["paths"].values():
        for operation in item.values():
            for answer in operation["responses"].values():
                answer.get("content", {}).get("text/event-stream", {}).pop("schema", None)
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=server.url)
    return schema


def send(world, tested, case, request):
    """Makes a request and judges its answer; None when there is none."""
    try:
        response = request()
    except requests.RequestException as error:
        tested.note("no answer", f"{error}\n{case.as_curl_command()}")
        return None
    response = tested.look(case, response)
    world.learn(case, response)
    return response


def generated(world, tested, number, examples):
    """Right requests and as many wrong ones, and those at the edges of every schema."""
    operation = tested.operation

    def call(case, kind):
        response = send(world, tested, case, lambda: case.call(session=world.session, timeout=TIMEOUT_S))
        tested.counts[kind] += response is not None
        tested.counts["successes"] += kind == "positive" and response is not None and response.status_code < 300

    def some(mode, begin, count):
        chance = random.Random(begin)

        @seed(zlib.crc32(begin.encode()))
        @settings(
            max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        )
        # With a number beside, as of a request in which nothing is chosen there is only one.
        @given(requests_made.cases(operation, mode), st.integers(0, 2**63))
        def one(case, _):
            # Hypothesis likes to say the same again, and what is at an end of a list.
            requests_made.fit(world, case, mode, chance)
            call(case, requests_made.mode_of(case))

        one()

    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        # Some that were to be wrong are right in the end, such as lines.
        for turn in range(TURNS_MAX):
            if tested.counts[mode.value] < examples:
                some(mode, f"{number} {operation.label} {mode} {turn}", examples)
    for case in requests_made.at_the_edges(operation):
        call(case, "edge")


def told(world, all_tested):
    """Requests that are written down, each with its answer."""
    for name, place, request, answer in exact.requests(world):
        tested = all_tested[name]
        operation = tested.operation
        headers = {"accept": "application/json"} | request.get("headers", {})
        case = operation.Case(path_parameters=place, headers=headers, query=request.get("params", {}))
        url = world.server.url + operation.path.format(**place)
        options = request | {"headers": headers, "timeout": TIMEOUT_S}
        response = send(world, tested, case, lambda: world.session.request(operation.method, url, **options))  # noqa: B023
        tested.counts["exact"] += 1
        if response is not None and answer not in (response.status_code, *tested.codes_of(response)):
            text = f"{name} {place} {str(request)[:300]}\n{response.status_code} {response.content[:600]!r}"
            tested.note(f"not answered with {answer}", text)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--binary", required=True)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--examples", type=int, default=EXAMPLES_MIN)
    arguments.add_argument("--only", default="")
    asked = arguments.parse_args()
    print(f"seed {asked.seed}, {asked.examples} examples of each kind for each operation; schemathesis "
          f"{schemathesis.__version__}")
    failed = 0
    with Server(asked.binary) as server:
        world = World(server)
        schema = document_of(server)
        all_tested = {}
        for result in schema.get_all_operations():
            operation = result.ok()
            all_tested[operation.definition.raw["operationId"]] = Tested(operation)
        chosen = [tested for tested in all_tested.values() if asked.only in tested.operation.label]
        for tested in chosen:
            started = time.monotonic()
            generated(world, tested, asked.seed, asked.examples)
            tested.seconds = time.monotonic() - started
        told(world, all_tested)
        for tested in chosen:
            tested.judge(asked.examples)
            tested.report()
            failed += bool(tested.failures)
        missed = set(checks.CODES) - exact.NOT_MET - {code for tested in chosen for code in tested.codes}
        if missed and not asked.only:
            print(f"FAILED codes of docs/http.md that were not met: {sorted(missed)}")
            failed += 1
        if server.process.poll() is not None:
            print(f"the server has ended:\n{server.log()[-4000:]}")
            failed += 1
    passed = len([tested for tested in chosen if not tested.failures])
    print(f"test result: {'FAILED' if failed or not passed else 'ok'}. {passed} passed; {failed} failed; 0 ignored")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
