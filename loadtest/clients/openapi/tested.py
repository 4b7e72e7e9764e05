"""What came of the requests of one operation, and whether that is enough."""

from collections import Counter

from schemathesis.core.failures import FailureGroup
from schemathesis.core.transport import Response

import checks

# Right requests of which nearly none does anything would test the refusals alone. One of so many must be a success.
RIGHT_PER_SUCCESS_MAX = 5
# Of one operation; the others are much alike.
FAILURES_SHOWN_MAX = 5
# A node that is ready does not say that it stops.
NOT_MET = {"readyz": {"answer 503 application/problem+json"}}


class Tested:
    """An operation that is being tested."""

    def __init__(self, operation):
        self.operation = operation
        self.counts, self.statuses, self.codes = Counter(), Counter(), Counter()
        self.failures = {}
        self.met = set()
        self.seconds = 0

    def note(self, title, text):
        """Failures of one kind are told once."""
        self.failures.setdefault(title, text)

    def look(self, case, response):
        """Judges an answer, and notes what was met with it."""
        response = Response.from_any(response)
        self.statuses[response.status_code] += 1
        self.codes.update(self.codes_of(response))
        self.met.add(f"answer {response.status_code} {checks.kind_of(response)}".strip())
        if response.status_code < 300:
            sent = response.request.headers.get("content-type", "")
            self.met.add(f"body {sent.decode() if isinstance(sent, bytes) else sent}")
            self.met.update(f"parameter {name}" for name in [*(case.query or {}), *(case.headers or {})])
        try:
            case.validate_response(response, excluded_checks=checks.LEFT_OUT, additional_checks=checks.OURS)
        except FailureGroup as group:
            for failure in group.exceptions:
                text = f"{failure}\n{response.status_code}: {response.content[:600]!r}\n{case.as_curl_command()[:3000]}"
                self.note(failure.title, text)
        return response

    def codes_of(self, response):
        """Of a problem, or of what has its own code each."""
        if checks.kind_of(response) not in ("application/json", checks.PROBLEM):
            return []
        answer = response.json()
        items = [answer, *(answer.get("offsets") or [])]
        return [item["code"] for item in items if item.get("code")]

    def wanted(self):
        """Every answer with a status of its own, every kind of body, and every parameter."""
        raw = self.operation.definition.raw
        for status, answer in raw["responses"].items():
            if status.isdigit():
                for kind in answer.get("content", {"": {}}):
                    yield f"answer {status} {kind}".strip()
        yield from (f"body {kind}" for kind in raw.get("requestBody", {}).get("content", {}))
        for parameter in raw.get("parameters", []):
            if parameter["in"] != "path":
                yield f"parameter {parameter['name']}"

    def judge(self, examples):
        """What was not as it should be, beside wrong answers."""
        for mode in ("positive", "negative"):
            if self.counts[mode] < examples:
                self.note(f"too few {mode} examples", f"{self.counts[mode]} of {examples}")
        if self.counts["successes"] < examples // RIGHT_PER_SUCCESS_MAX:
            self.note("too few successes", f"{self.counts['successes']} of {self.counts['positive']} right requests")
        missed = set(self.wanted()) - self.met - NOT_MET.get(self.operation.definition.raw["operationId"], set())
        if missed:
            self.note("not met with a success", str(sorted(missed)))

    def report(self):
        """A line for the operation, and what failed."""
        counts, statuses = self.counts, " ".join(f"{status}×{count}" for status, count in sorted(self.statuses.items()))
        word = "FAILED" if self.failures else "ok"
        print(f"{word:6} {self.operation.label:60} {sum(self.statuses.values()):5} requests ({counts['positive']} right, "
              f"{counts['successes']} of them done, {counts['negative']} wrong, {counts['edge']} at edges, "
              f"{counts['exact']} exact) {self.seconds:5.1f} s  {statuses}", flush=True)
        for title, text in list(self.failures.items())[:FAILURES_SHOWN_MAX]:
            print(f"  --- {title}\n      " + text.replace("\n", "\n      "))
