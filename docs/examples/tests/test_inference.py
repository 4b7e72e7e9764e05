"""Records go through a model while everything is killed in turn."""

import itertools
import json
import random
import tempfile
import unittest
import urllib.error
import urllib.request

from programs import Program, records, start_server, tail, until
from tidelog_server import free_port

PARTITIONS = 2
RECORDS_PER_PARTITION = 400
# What no model takes; each Nth record is one of them.
POISON_EVERY = 23
POISONS = [{"value": "not a number"}, {"value_base64": "/w=="}, {"value": None}, {"value": {"x": [1, 2]}}, {"value": True}]


def feature(partition, number):
    """A record to be predicted from, or a poisonous one."""
    if number % POISON_EVERY == 7:
        record = POISONS[number // POISON_EVERY % len(POISONS)]
    else:
        record = {"value": number / 4}
    return {"key": f"{partition}/{number}", "partition": partition, **record}


class Inference(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(start_server())
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.model_port = free_port()

    def start_model(self, *more):
        model = Program(self.folder, "inference/model_server.py", "--port", self.model_port, *more)
        until(self.model_serves, model.log)
        return model

    def model_serves(self):
        try:
            return self.ask("GET", "")[0] == 200
        except OSError:
            return False

    def ask(self, method, path, body=None):
        url = f"http://127.0.0.1:{self.model_port}/v1/models/half_plus_two{path}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, method=method), timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def start_pipeline(self):
        model = f"http://127.0.0.1:{self.model_port}/v1/models/half_plus_two"
        told = ["--server", self.server.http, "--model", model, "--batch", 16]
        return Program(self.folder, "inference/pipeline.py", *told)

    def feed(self, partition, numbers):
        body = {"records": [feature(partition, number) for number in numbers]}
        status, answer = self.server.call("POST", "/v1/topics/features/records", body)
        self.assertEqual(status, 200, answer)

    def done(self, partition):
        return tail(self.server, "predictions", partition) + tail(self.server, "dead-letters", partition)

    def all_done(self):
        return sum(map(self.done, range(PARTITIONS)))

    def wait_for_end(self, pipeline):
        """Until everything is done, and the group says so: whatever would be too much has had its time then."""
        until(lambda: self.all_done() >= PARTITIONS * RECORDS_PER_PARTITION, lambda: pipeline.log()[-2000:])
        end = dict.fromkeys(range(PARTITIONS), RECORDS_PER_PARTITION)
        until(lambda: self.stored_offsets() == end, lambda: str(self.stored_offsets()))

    def stored_offsets(self):
        status, told = self.server.call("GET", "/v1/groups/inference/offsets")
        return {it["partition"]: int(it["offset"]) for it in told["offsets"]} if status == 200 else {}

    def check(self):
        """Each record has one prediction or one letter, in order and right."""
        for partition in range(PARTITIONS):
            offset = lambda record: int(dict((it["name"], it["value"]) for it in record["headers"])["input-offset"])
            source = records(self.server, "features", partition)
            predicted = records(self.server, "predictions", partition, "json")
            letters = records(self.server, "dead-letters", partition)
            wanted = [number for number in range(RECORDS_PER_PARTITION) if number % POISON_EVERY != 7]
            self.assertEqual([offset(record) for record in predicted], wanted)
            self.assertEqual([record["value"] for record in predicted], [number / 4 / 2 + 2 for number in wanted])
            self.assertEqual([record["key"] for record in predicted], [f"{partition}/{number}" for number in wanted])
            poisonous = [number for number in range(RECORDS_PER_PARTITION) if number % POISON_EVERY == 7]
            self.assertEqual([offset(record) for record in letters], poisonous)
            for number, letter in zip(poisonous, letters, strict=True):
                for part in ("key", "value", "value_base64"):
                    self.assertEqual(letter.get(part), source[number].get(part), letter)

    def test_everything_is_killed_in_turn(self):
        chance = random.Random(7)
        status, answer = self.server.call("POST", "/v1/topics", {"name": "features", "partitions": PARTITIONS})
        self.assertEqual(status, 201, answer)
        model, pipeline = self.start_model("--busy-every", 5), self.start_pipeline()
        server_kills, total = 0, PARTITIONS * RECORDS_PER_PARTITION
        victims = itertools.cycle(["pipeline", "server", "model", "pipeline and server"])
        for first in range(0, RECORDS_PER_PARTITION, 50):
            for partition in range(PARTITIONS):
                self.feed(partition, range(first, first + 50))
            goal = min(total, self.all_done() + chance.randrange(1, 60))
            until(lambda: self.all_done() >= goal, lambda: pipeline.log()[-2000:])
            victim = next(victims)
            if "server" in victim:
                self.server.kill()
                server_kills += 1
            if "pipeline" in victim:
                pipeline.restart()
            if victim == "model":
                words = pipeline.log()
                model.kill()
                # It is missed, if there is anything left to ask it.
                until(lambda: len(pipeline.log()) > len(words) or self.all_done() >= PARTITIONS * (first + 50), pipeline.log)
                model.start()
            if "server" in victim:
                self.server.start()
        self.wait_for_end(pipeline)
        self.assertGreaterEqual(min(pipeline.kills, model.kills, server_kills), 2)
        self.assertIn("503", pipeline.log())
        self.check()

    def test_two_pipelines_at_once_do_it_once(self):
        self.server.call("POST", "/v1/topics", {"name": "features", "partitions": PARTITIONS})
        self.start_model()
        pipelines = [self.start_pipeline() for _ in range(2)]
        for first in range(0, RECORDS_PER_PARTITION, 50):
            for partition in range(PARTITIONS):
                self.feed(partition, range(first, first + 50))
        self.wait_for_end(pipelines[0])
        self.check()

    def test_the_stand_in_answers_as_tensorflow_serving_does(self):
        self.start_model()
        self.assertEqual(self.ask("POST", ":predict", b'{"instances": [1.0, 2.0, 5.0]}'), (200, {"predictions": [2.5, 3, 4.5]}))
        self.assertEqual(self.ask("POST", ":predict", b'{"inputs": [1, 2]}'), (200, {"outputs": [2.5, 3]}))
        self.assertEqual(self.ask("GET", "")[1]["model_version_status"][0]["state"], "AVAILABLE")
        for wrong in (b"", b"[]", b"{}", b'{"instances": []}', b'{"instances": ["x"]}', b'{"instances": [1], "inputs": 1}'):
            status, answer = self.ask("POST", ":predict", wrong)
            self.assertEqual((status, list(answer)), (400, ["error"]), wrong)
        self.assertEqual(self.ask("POST", "/versions/7:predict", b'{"instances": [1]}')[0], 404)
        self.assertEqual(self.ask("GET", ":predict")[0], 400)
