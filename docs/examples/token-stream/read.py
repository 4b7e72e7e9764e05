"""Shows the tokens of a session as they come, and goes on exactly where it was after any failure of either end.

Usage: read.py SESSION [--server URL] [--into FILE]

What has come is kept in FILE (SESSION.tokens unless said), a line for each token with its offset. So the place to go on is
where the tokens are; a second file for it could disagree with the first. Only the standard library is used.
"""

import argparse
import http.client
import json
import sys
import time

from server_url import connect, server_url

PAUSE_S_MIN, PAUSE_S_MAX = 0.1, 5
# The server says something at least every 15 s.
SILENCE_S_MAX = 40


class Refused(Exception):
    """An answer that trying again would not change."""


class Kept:
    """The tokens that have come, in a file and on the terminal."""

    def __init__(self, path):
        self.file, self.last, self.is_complete = open(path, "a+b"), None, False
        self.file.seek(0)
        end = 0
        for line in self.file:
            # A line that was not finished when we were killed: its token comes again.
            if not line.endswith(b"\n"):
                break
            end += len(line)
            self.show(json.loads(line))
        self.file.truncate(end)

    def show(self, token):
        self.last, self.is_complete = token["offset"], token["key"] == "end"
        print("" if self.is_complete else token["value"], end="\n" if self.is_complete else "", flush=True)

    def add(self, record):
        token = {name: record[name] for name in ("offset", "key", "value")}
        self.file.write(json.dumps(token).encode() + b"\n")
        self.file.flush()
        self.show(token)


def events(answer):
    """Name and data of each event. One that is cut off is none. (https://html.spec.whatwg.org/#event-stream-interpretation)"""
    event = {}
    for line in answer:
        if not line.endswith(b"\n"):
            return
        text = line.decode().rstrip("\r\n")
        if text:
            # A comment has no field.
            field, _, value = text.partition(":")
            event[field] = value.removeprefix(" ")
        elif "data" in event:
            yield event.get("event", "message"), json.loads(event["data"])
            event = {}


def follow(server, session, kept):
    """Keeps tokens as they come, until the last one or the end of the connection."""
    connection = connect(server, SILENCE_S_MAX)
    try:
        headers = {"accept": "text/event-stream"}
        if kept.last is not None:
            headers["last-event-id"] = str(kept.last)
        connection.request("GET", f"/v1/topics/{session}/partitions/0/records", headers=headers)
        answer = connection.getresponse()
        if answer.status != 200:
            problem = json.loads(answer.read())
            # 404: the producer has not begun yet.
            kind = ConnectionError if answer.status == 404 or answer.status >= 500 else Refused
            raise kind(problem["detail"])
        for name, data in events(answer):
            if name == "problem":
                raise ConnectionError(data["detail"])
            if data.get("key") not in ("token", "end"):
                raise Refused(f"{session} has records that produce.py has not written; take another session")
            kept.add(data)
            if kept.is_complete:
                return
    finally:
        connection.close()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("session")
    arguments.add_argument("--server", type=server_url, default="http://127.0.0.1:8080")
    arguments.add_argument("--into")
    told = arguments.parse_args()
    kept = Kept(told.into or f"{told.session}.tokens")
    pause_s = PAUSE_S_MIN
    while not kept.is_complete:
        before = kept.last
        try:
            follow(told.server, told.session, kept)
        except (OSError, http.client.HTTPException) as error:
            print(f"\n{told.server}: {error}; trying again", file=sys.stderr, flush=True)
        pause_s = PAUSE_S_MIN if kept.last != before else min(2 * pause_s, PAUSE_S_MAX)
        if not kept.is_complete:
            time.sleep(pause_s)


if __name__ == "__main__":
    try:
        main()
    except Refused as error:
        sys.exit(f"refused: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
