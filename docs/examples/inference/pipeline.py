"""Asks a model about each record of a topic and appends what it says to another, each exactly once and in order.

Usage: pipeline.py [--server URL] [--model URL] [--input TOPIC] [--output TOPIC] [--dead-letters TOPIC] [--group NAME] [--batch N]

A record's value is an instance for the model, as JSON. Its prediction goes to the partition of the same number in the output,
with a header that tells the input's offset. A record that the model refuses goes to the dead letters, as it is, with the reason.
Only the standard library is used.
"""

import argparse
import hashlib
import json
import queue
import random
import sys
import threading
import time
import urllib.error
import urllib.request

WAIT_MS = 1_000
TIMEOUT_S = 60
PAUSE_S_MIN, PAUSE_S_MAX = 0.1, 5
INPUT_OFFSET = "input-offset"


class Away(Exception):
    """Something needed does not answer, or cannot just now."""


class Refused(Exception):
    """An answer that trying again would not change."""


class Poison(Exception):
    """The model takes the request for wrong."""


def call(method, url, body=None, headers=None):
    """Status and JSON of an answer. What a server says of itself when it is busy or broken is the same as being away."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"} | (headers or {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=TIMEOUT_S) as answer:
            return answer.status, json.loads(answer.read() or "null")
    except urllib.error.HTTPError as error:
        with error:
            text = error.read().decode(errors="replace")
        if error.code in (408, 429) or error.code >= 500:
            raise Away(f"{method} {url}: {error.code} {text[:300]}") from None
        return error.code, json.loads(text)
    except (OSError, ValueError) as error:
        raise Away(f"{method} {url}: {error}") from None
    except Exception as error:
        # http.client has exceptions of its own for answers that break off.
        raise Away(f"{method} {url}: {error!r}") from error


def patiently(act, *arguments):
    """What `act` returns, once nothing that it needs is away."""
    pause_s = PAUSE_S_MIN
    while True:
        began_s = time.monotonic()
        try:
            return act(*arguments)
        except Away as away:
            print(f"{away}; trying again", file=sys.stderr, flush=True)
        # What went well for longer than the longest pause is not the same trouble any more.
        pause_s = PAUSE_S_MIN if time.monotonic() - began_s > PAUSE_S_MAX else min(2 * pause_s, PAUSE_S_MAX)
        time.sleep(pause_s * random.uniform(0.5, 1))


def predict(model, instances):
    """A prediction for each instance."""
    status, answer = call("POST", f"{model}:predict", {"instances": instances})
    if status == 400:
        raise Poison(answer["error"])
    if status != 200:
        # 404: while the model is loaded.
        raise Away(f"{model}: {status} {answer['error']}")
    if len(answer["predictions"]) != len(instances):
        raise Refused(f"{model} answers {len(instances)} instances with {len(answer['predictions'])} predictions")
    return answer["predictions"]


def ask(model, records):
    """Predictions of the records that the model takes, and reasons for those that it does not: each with its record."""
    if any("value" not in record for record in records):
        good = [record for record in records if "value" in record]
        bad = [(record, "the value is not JSON") for record in records if "value" not in record]
        predicted, refused = ask(model, good) if good else ([], [])
        return predicted, refused + bad
    try:
        predictions = patiently(predict, model, [record["value"] for record in records])
        return list(zip(records, predictions, strict=True)), []
    except Poison as poison:
        if len(records) == 1:
            return [], [(records[0], str(poison))]
    # One is enough to have all refused, so ask about fewer until it is found.
    half = len(records) // 2
    first, second = ask(model, records[:half]), ask(model, records[half:])
    return first[0] + second[0], first[1] + second[1]


class Pipeline:
    def __init__(self, told):
        self.told, self.topics = told, f"{told.server}/v1/topics"
        self.offsets = f"{told.server}/v1/groups/{told.group}/offsets"

    def must(self, *request):
        status, answer = call(*request)
        if status >= 300:
            raise Refused(f"{request[0]} {request[1]}: {status} {answer['code']}: {answer['detail']}")
        return answer

    def prepare(self):
        """Makes the topics that are written to; how many partitions there are."""
        count = self.must("GET", f"{self.topics}/{self.told.input}")["partition_count"]
        for name in (self.told.output, self.told.dead_letters):
            status, answer = call("POST", self.topics, {"name": name, "partitions": count})
            if status != 201 and answer["code"] != "topic_exists":
                raise Refused(answer["detail"])
            there = self.must("GET", f"{self.topics}/{name}")["partition_count"]
            if there != count:
                raise Refused(f"{self.told.input} has {count} partitions and {name} has {there}; they must be as many")
        return count

    def places(self, partition):
        """The input's offset to go on at, and the output's next one. What is in the output is done, whatever the group says: we
        may have been killed between the two."""
        status, answer = call("GET", f"{self.offsets}?topic={self.told.input}")
        stored = answer["offsets"] if status == 200 else []
        at = [int(it["offset"]) for it in stored if (it["topic"], it["partition"]) == (self.told.input, partition)]
        output = f"{self.topics}/{self.told.output}"
        told = self.must("GET", f"{output}?from_partition={partition}&partition_limit=1")["partitions"][0]
        tail = int(told["high_watermark"])
        if tail > int(told["log_start"]):
            page = self.must("GET", f"{output}/partitions/{partition}/records?from={tail - 1}&limit=1")
            at += [int(header["value"]) + 1 for header in page["records"][0]["headers"] if header["name"] == INPUT_OFFSET]
        return max(at, default=None), tail

    def bury(self, partition, record, reason):
        """Appends a record that the model refuses to the dead letters, byte for byte. The key makes it land once, however
        often it is sent."""
        records = f"{self.topics}/{self.told.input}/partitions/{partition}/records"
        whole = self.must("GET", f"{records}?from={record['offset']}&limit=1&value_format=base64")["records"][0]
        letter = {name: whole[name] for name in ("key_base64", "value_base64") if name in whole}
        headers = [{"name": "reason", "value": reason}, {"name": INPUT_OFFSET, "value": str(record["offset"])}]
        letter |= {"partition": partition, "headers": headers}
        place = f"{self.told.group}/{self.told.input}/{partition}/{record['offset']}"
        once = {"idempotency-key": hashlib.sha256(place.encode()).hexdigest()}
        self.must("POST", f"{self.topics}/{self.told.dead_letters}/records", {"records": [letter]}, once)

    def append(self, partition, predicted, tail):
        """Appends predictions where the output ended when we looked; nothing, and false, if it ends elsewhere now: an append of
        ours has landed of which we did not hear, or another pipeline is at work."""
        def record(source, prediction):
            key = {name: source[name] for name in ("key", "key_base64") if name in source}
            header = {"name": INPUT_OFFSET, "value": str(source["offset"])}
            return key | {"value": prediction, "partition": partition, "headers": [header]}

        body = {"records": [record(*it) for it in predicted]}
        url = f"{self.topics}/{self.told.output}/records"
        status, answer = call("POST", url, body, {"expected-offset": str(tail)})
        if status != 200 and answer["code"] != "unexpected_offset":
            raise Refused(f"POST {url}: {status} {answer['code']}: {answer['detail']}")
        return status == 200

    def work(self, partition):
        """Goes on from where things stand, until something is away or not as expected."""
        at, tail = self.places(partition)
        print(f"partition {partition}: going on at {'the beginning' if at is None else at}", file=sys.stderr, flush=True)
        records = f"{self.topics}/{self.told.input}/partitions/{partition}/records"
        while True:
            query = f"limit={self.told.batch}&wait_ms={WAIT_MS}&value_format=json&from={'earliest' if at is None else at}"
            page = self.must("GET", f"{records}?{query}")
            if not page["records"]:
                continue
            predicted, refused = ask(self.told.model, page["records"])
            for record, reason in refused:
                self.bury(partition, record, reason)
            if predicted and not self.append(partition, predicted, tail):
                return
            at, tail = int(page["next_offset"]), tail + len(predicted)
            place = {"topic": self.told.input, "partition": partition, "offset": at}
            (stored,) = self.must("PUT", self.offsets, {"offsets": [place]})["offsets"]
            if "code" in stored:
                raise Away(f"{place} is not stored: {stored['code']}: {stored['detail']}")

    def run(self, partition):
        while True:
            patiently(self.work, partition)


def server_url(text):
    """Where the server is, also without its scheme: 127.0.0.1:8080."""
    return (text if "://" in text else f"http://{text}").rstrip("/")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--server", type=server_url, default="http://127.0.0.1:8080")
    arguments.add_argument("--model", default="http://127.0.0.1:8501/v1/models/half_plus_two")
    arguments.add_argument("--input", default="features")
    arguments.add_argument("--output", default="predictions")
    arguments.add_argument("--dead-letters", default="dead-letters")
    arguments.add_argument("--group", default="inference")
    arguments.add_argument("--batch", type=int, default=32)
    pipeline = Pipeline(arguments.parse_args())
    failed = queue.Queue()

    def run(partition):
        try:
            pipeline.run(partition)
        except BaseException as error:
            failed.put(error)

    for partition in range(patiently(pipeline.prepare)):
        threading.Thread(target=run, args=[partition], daemon=True).start()
    raise failed.get()


if __name__ == "__main__":
    try:
        main()
    except Refused as error:
        sys.exit(f"refused: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
