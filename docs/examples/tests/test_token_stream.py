"""Tokens are streamed and read while everything is killed in turn."""

import itertools
import json
import os
import random
import sys
import tempfile
import unittest

from programs import EXAMPLES, Program, records, start_server, tail, until

sys.path.insert(0, str(EXAMPLES / "token-stream"))
from model import next_tokens  # noqa: E402

# Slow enough that what is killed is in the middle, also where the machine is busy with something else.
PROMPT, TOKENS, DELAY_S = "what does the tide say?", 300, 0.02
SAID = list(next_tokens(PROMPT, [], TOKENS, 0))


# An address is understood with and without its scheme: each of these says it in another way.
def produce(server, folder, session, delay_s=DELAY_S):
    told = ["--server", server.http, "--tokens", TOKENS, "--delay", delay_s]
    return Program(folder, "token-stream/produce.py", session, PROMPT, *told)


def read(server, folder, session):
    return Program(folder, "token-stream/read.py", session, "--server", server.url)


class TokenStream(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(start_server())
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def check(self, session):
        """All that was said is there, once and in order, in the topic and with the reader."""
        found = [(record["key"], record["value"]) for record in records(self.server, session)]
        self.assertEqual(found, [("token", token) for token in SAID] + [("end", "stop")])

    def check_read(self, session):
        with open(os.path.join(self.folder, f"{session}.tokens"), encoding="utf-8") as kept:
            kept = [json.loads(line) for line in kept]
        self.assertEqual([token["offset"] for token in kept], list(range(TOKENS + 1)))
        self.assertEqual([token["value"] for token in kept], [*SAID, "stop"])

    def test_everything_is_killed_in_turn(self):
        chance = random.Random(5)
        reader, producer = read(self.server, self.folder, "killed"), produce(self.server, self.folder, "killed")
        server_kills = 0
        for victim in itertools.cycle(["producer", "server", "reader", "producer and server"]):
            # The next one when something was stored since, so that each comes in the middle.
            goal = min(TOKENS + 1, tail(self.server, "killed") + chance.randrange(1, 30))
            until(lambda: tail(self.server, "killed") >= goal, lambda: producer.log()[-2000:])
            if goal > TOKENS - 20:
                break
            if "server" in victim:
                self.server.kill()
                server_kills += 1
            if "producer" in victim:
                producer.restart()
            if victim == "reader":
                reader.restart()
            if "server" in victim:
                self.server.start()
        producer.wait()
        reader.wait()
        self.assertGreaterEqual(min(producer.kills, reader.kills, server_kills), 2)
        self.check("killed")
        self.check_read("killed")

    def test_two_producers_at_once_say_it_once(self):
        # As when one was thought to be dead.
        one, other = (produce(self.server, self.folder, "twice", 0.01) for _ in range(2))
        one.wait()
        other.wait()
        self.check("twice")

    def test_a_reader_who_comes_late_or_again_gets_it_all(self):
        produce(self.server, self.folder, "late", 0).wait()
        read(self.server, self.folder, "late").wait()
        self.check_read("late")
        # What is torn at the end of its file is read again.
        path = os.path.join(self.folder, "late.tokens")
        os.truncate(path, os.path.getsize(path) - 100)
        read(self.server, self.folder, "late").wait()
        self.check_read("late")
