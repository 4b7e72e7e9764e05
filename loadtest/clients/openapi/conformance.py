"""Holds the HTTP door to its OpenAPI document: for each operation schemathesis makes requests, right ones and wrong ones, and
every answer must be one that the document tells of.

Usage: conformance.py --binary PATH [--seed N] [--examples N] [--only TEXT]

What is looked at is in `checks.py`, what schemathesis is told of this server in `requests_made.py`. The last line counts
operations as `cargo test` counts tests.
"""

import argparse
import pathlib
import sys
import time
import zlib
from collections import Counter

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
import checks  # noqa: E402
import requests_made  # noqa: E402
from tidelog_server import Server  # noqa: E402

# Of each operation, right ones and wrong ones apart.
EXAMPLES_MIN = 100
# Right requests of which nearly none does anything would test the refusals alone. One of so many must be a success.
RIGHT_PER_SUCCESS_MAX = 5
# Seconds for a request whose stream is bounded by `wait_ms`.
TIMEOUT_S = 20
# Of one operation; the others are much alike.
FAILURES_SHOWN_MAX = 5


class Tested:
    """What came of the requests of one operation."""

    def __init__(self, operation):
        self.operation = operation
        self.counts = Counter()
        self.statuses = Counter()
        self.failures = {}

    def note(self, title, text):
        """Failures of one kind are told once."""
        self.failures.setdefault(title, text)

    def judge(self, examples):
        """What was not as it should be, beside wrong answers."""
        for mode in ("positive", "negative"):
            if self.counts[mode] < examples:
                self.note(f"too few {mode} examples", f"{self.counts[mode]} of {examples}")
        if self.counts["successes"] < examples // RIGHT_PER_SUCCESS_MAX:
            self.note("too few successes", f"{self.counts['successes']} of {self.counts['positive']} right requests")


def test_operation(world, operation, number, examples):
    """Makes `examples` right requests and as many wrong ones, and those at the edges of every schema."""
    tested = Tested(operation)

    def send(case, mode):
        try:
            response = case.call(session=world.session, timeout=TIMEOUT_S)
        except requests.RequestException as error:
            tested.note(f"no answer ({mode})", f"{error}\n{case.as_curl_command()}")
            return
        tested.counts[mode] += 1
        tested.statuses[response.status_code] += 1
        tested.counts["successes"] += mode == "positive" and response.status_code < 300
        try:
            case.validate_response(response, excluded_checks=checks.LEFT_OUT, additional_checks=checks.OURS)
        except FailureGroup as group:
            for failure in group.exceptions:
                text = f"{failure}\n{response.status_code}: {response.content[:600]!r}\n{case.as_curl_command()}"
                tested.note(f"{failure.title} ({mode})", text)

    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        strategy = requests_made.cases(operation, mode)

        @seed(zlib.crc32(f"{number} {operation.label} {mode}".encode()))
        @settings(
            max_examples=examples + examples // 4,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.data())
        def one(data):
            case = data.draw(strategy)  # noqa: B023
            requests_made.fit(world, case, mode, data.draw)  # noqa: B023
            send(case, mode.value)  # noqa: B023

        one()
    for case in requests_made.at_the_edges(operation):
        requests_made.bound(case)
        send(case, "edge")
    tested.judge(examples)
    return tested


def report(tested, seconds):
    """A line for the operation, and what failed."""
    counts, statuses = tested.counts, " ".join(f"{status}×{count}" for status, count in sorted(tested.statuses.items()))
    total = counts["positive"] + counts["negative"] + counts["edge"]
    word = "FAILED" if tested.failures else "ok"
    print(f"{word:6} {tested.operation.label:60} {total:5} requests ({counts['positive']} right, "
          f"{counts['negative']} wrong, {counts['edge']} edges) {seconds:5.1f} s  {statuses}", flush=True)
    for title, text in list(tested.failures.items())[:FAILURES_SHOWN_MAX]:
        print(f"  --- {title}\n      " + text.replace("\n", "\n      "))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--binary", required=True)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--examples", type=int, default=EXAMPLES_MIN)
    arguments.add_argument("--only", default="")
    told = arguments.parse_args()
    print(f"seed {told.seed}, {told.examples} examples of each kind for each operation; schemathesis "
          f"{schemathesis.__version__}")
    passed = failed = 0
    with Server(told.binary) as server:
        schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
        world = requests_made.World(server, requests.Session(), schema.raw_schema)
        for result in schema.get_all_operations():
            operation = result.ok()
            if told.only not in operation.label:
                continue
            started = time.monotonic()
            tested = test_operation(world, operation, told.seed, told.examples)
            report(tested, time.monotonic() - started)
            passed, failed = passed + (not tested.failures), failed + bool(tested.failures)
        if server.process.poll() is not None:
            print(f"the server has ended:\n{server.log()[-4000:]}")
            failed += 1
    print(f"test result: {'FAILED' if failed or not passed else 'ok'}. {passed} passed; {failed} failed; 0 ignored")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
