"""Programs of the examples that a test runs, kills and runs again."""

import os
import pathlib
import signal
import subprocess
import sys
import time

from tidelog_server import Server, end_with_us

EXAMPLES = pathlib.Path(__file__).resolve().parents[1]
WAIT_S_MAX = 90


def start_server(*flags):
    return Server(os.environ["EXAMPLES_BINARY"], flags)


class Program:
    """A script that is killed with all that it has, and whose words are kept."""

    def __init__(self, folder, script, *arguments, python=sys.executable):
        self.command = [python, str(EXAMPLES / script), *map(str, arguments)]
        self.folder, self.log_path = folder, os.path.join(folder, f"{pathlib.Path(script).stem}.log")
        self.process, self.kills = None, 0
        self.start()

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_us
            )

    def kill(self):
        """`kill -9`; whether it was still at it."""
        was_alive = self.process.poll() is None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.kills += was_alive
        return was_alive

    def restart(self):
        self.kill()
        self.start()

    def wait(self):
        """Waits for its end, which must be a good one."""
        code = self.process.wait(WAIT_S_MAX)
        assert code == 0, f"{self.command} ended with {code}:\n{self.log()[-3000:]}"

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()


def until(happened, what):
    """Waits for something that can only be asked for."""
    deadline = time.monotonic() + WAIT_S_MAX
    while not (result := happened()):
        assert time.monotonic() < deadline, f"in {WAIT_S_MAX} s not: {what() if callable(what) else what}"
        time.sleep(0.02)
    return result


def tail(server, topic, partition=0):
    """The offset that the next record of a partition gets; 0 as long as there is no topic."""
    status, told = server.call("GET", f"/v1/topics/{topic}?from_partition={partition}&partition_limit=1")
    return int(told["partitions"][0]["high_watermark"]) if status == 200 else 0


def records(server, topic, partition=0, value_format="text"):
    """All records of a partition, which must be dense."""
    found = []
    while True:
        path = f"/v1/topics/{topic}/partitions/{partition}/records?from={len(found)}&value_format={value_format}"
        status, page = server.call("GET", path)
        assert status == 200, page
        found += page["records"]
        assert [int(record["offset"]) for record in found] == list(range(len(found)))
        if len(found) == int(page["high_watermark"]):
            return found
