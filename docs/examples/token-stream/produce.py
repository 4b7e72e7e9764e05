"""Streams the tokens of a model into a topic while they are made, and goes on exactly where it was after any failure.

Usage: produce.py SESSION PROMPT [--server URL] [--tokens N] [--delay SECONDS]

The session is a topic of one partition, so token 0 has offset 0, token 1 has offset 1 and so on: how many are stored is the
offset that comes next. Only the standard library is used.
"""

import argparse
import http.client
import json
import select
import sys
import time

from model import next_tokens
from server_url import connect, server_url

PAUSE_S_MIN, PAUSE_S_MAX = 0.1, 5


class Refused(Exception):
    """An answer that trying again would not change."""


def said_so_far(connection, session):
    """The tokens that are stored, and whether the last of them was the last of all."""
    said = []
    while True:
        connection.request("GET", f"/v1/topics/{session}/partitions/0/records?from={len(said)}")
        answer = connection.getresponse()
        page = json.loads(answer.read())
        if answer.status == 404:
            return [], False
        if answer.status >= 500:
            raise ConnectionError(page["detail"])
        if answer.status != 200:
            raise Refused(page["detail"])
        for record in page["records"]:
            if record.get("key") == "end":
                return said, True
            said.append(record["value"])
        if len(said) == int(page["high_watermark"]):
            return said, False


def lines(tokens, connection):
    """A record a line; the last one says that there are no more. Ends early when there is an answer before the end: a refusal."""
    for token in tokens:
        if select.select([connection.sock], [], [], 0)[0]:
            return
        yield json.dumps({"key": "token", "value": token}).encode() + b"\n"
    yield json.dumps({"key": "end", "value": "stop"}).encode() + b"\n"


def stream(server, session, prompt, count, delay_s):
    """Sends what is not stored yet, in one request. Whether all of it is stored now."""
    connection = connect(server, 60)
    try:
        said, is_done = said_so_far(connection, session)
        if is_done:
            return True
        print(f"{len(said)} tokens are stored, going on from there", file=sys.stderr, flush=True)
        headers = {"content-type": "application/x-ndjson", "transfer-encoding": "chunked"}
        # A producer that was killed may have lines on their way that we have not seen. Then ours are refused, and we look again.
        headers["expected-offset"] = str(len(said))
        body = lines(next_tokens(prompt, said, count, delay_s), connection)
        connection.request("POST", f"/v1/topics/{session}/records", body, headers, encode_chunked=True)
        answer = connection.getresponse()
        problem = json.loads(answer.read())
    finally:
        connection.close()
    if answer.status == 200:
        return True
    print(f"{answer.status} {problem['code']}: {problem['detail']}", file=sys.stderr, flush=True)
    if answer.status < 500 and problem["code"] not in ("unexpected_offset", "request_timeout", "body_cut_off"):
        raise Refused(problem["detail"])
    return False


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("session")
    arguments.add_argument("prompt")
    arguments.add_argument("--server", type=server_url, default="http://127.0.0.1:8080")
    arguments.add_argument("--tokens", type=int, default=100)
    arguments.add_argument("--delay", type=float, default=0.1)
    told = arguments.parse_args()
    pause_s = PAUSE_S_MIN
    while True:
        try:
            if stream(told.server, told.session, told.prompt, told.tokens, told.delay):
                print("all tokens are stored", file=sys.stderr)
                return
            pause_s = PAUSE_S_MIN
        except (OSError, http.client.HTTPException) as error:
            print(f"{told.server}: {error}; trying again", file=sys.stderr, flush=True)
            pause_s = min(2 * pause_s, PAUSE_S_MAX)
        time.sleep(pause_s)


if __name__ == "__main__":
    try:
        main()
    except Refused as error:
        sys.exit(f"refused: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
