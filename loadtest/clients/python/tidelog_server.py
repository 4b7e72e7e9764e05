"""One `tidelog dev` process for tests that are written in Python: started, killed, and started again where it was.

Only the standard library is used. A server ends with the process that started it, however that ends.
"""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

# From start to serving, and from SIGTERM to exit. Generous, because a busy machine is no defect.
WAIT_S_MAX = 60
PR_SET_PDEATHSIG = 1


def end_with_us():
    """In a child, before it becomes another program: it is killed when its parent ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port():
    """A port that was free a moment ago. Loopback ports are handed out in turn, so nobody else gets it soon."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server in a folder of its own, which is removed in the end."""

    def __init__(self, binary, flags=()):
        self.binary = binary
        self.folder = tempfile.mkdtemp(prefix="tidelog-test-")
        self.kafka = f"127.0.0.1:{free_port()}"
        self.http = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.http}"
        self.flags = list(flags)
        self.process = None
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        """Begins a life and waits until it serves."""
        assert self.process is None, "the last life has not ended"
        command = [self.binary, "dev", "--data-dir", os.path.join(self.folder, "data")]
        command += ["--kafka-listen", self.kafka, "--http-listen", self.http, *self.flags]
        # Whatever begins so is a setting of the server.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDELOG_")}
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_us
            )
        deadline = time.monotonic() + WAIT_S_MAX
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server does not serve; its log ends with:\n{self.log()[-4000:]}")
            time.sleep(0.02)

    def _is_ready(self):
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kill(self):
        """`kill -9`, if it lives."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self):
        """Ends it as an operator would; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(WAIT_S_MAX)
        self.process = None
        return code

    def log(self):
        """All that it has said, in all its lives."""
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as log:
            return log.read()

    def call(self, method, path, body=None, headers=None):
        """Status and body of an answer; JSON is sent and understood."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"} | (headers or {}) if body is not None else headers or {}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S_MAX) as answer:
                status, kind, text = answer.status, answer.headers.get_content_type(), answer.read()
        except urllib.error.HTTPError as error:
            status, kind, text = error.code, error.headers.get_content_type(), error.read()
        return status, json.loads(text) if kind in ("application/json", "application/problem+json") else text
