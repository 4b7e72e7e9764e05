"""The page of the token stream in a browser, whose server is killed while it looks."""

import functools
import json
import os
import tempfile
import threading
import unittest
import urllib.parse
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from programs import EXAMPLES, Program, start_server, tail, until
from test_token_stream import SAID, TOKENS, produce


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Browser(unittest.TestCase):
    def setUp(self):
        pages = functools.partial(Quiet, directory=str(EXAMPLES / "token-stream"))
        static = self.enterContext(ThreadingHTTPServer(("127.0.0.1", 0), pages))
        threading.Thread(target=static.serve_forever, daemon=True).start()
        self.addCleanup(static.shutdown)
        self.origin = f"http://127.0.0.1:{static.server_port}"
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def open(self, session, url):
        """The page in a browser, and what it has shown so far."""
        told = urllib.parse.urlencode({"session": session, "server": url})
        script, playwright = "tests/browser.cjs", os.environ["EXAMPLES_PLAYWRIGHT"]
        page = f"{self.origin}/index.html?{told}"
        browser = Program(self.folder, script, playwright, page, python=os.environ["EXAMPLES_NODE"])
        self.addCleanup(browser.kill)
        shown = lambda: [json.loads(line) for line in browser.log().splitlines()]
        until(shown, browser.log)
        return browser, shown

    def test_the_page_shows_tokens_and_goes_on_after_its_server_was_killed(self):
        server = self.enterContext(start_server("--http-cors-allowed-origins", self.origin))
        browser, shown = self.open("watched", server.url)
        # It looks before there is anything.
        missing = "there is no session watched yet; looking again"
        until(lambda: shown()[-1].get("state") == missing, browser.log)
        producer = produce(server, self.folder, "watched")
        for part in (1, 2):
            until(lambda: tail(server, "watched") > part * TOKENS // 4, producer.log)
            if part == 2:
                producer.kill()
            until(lambda: len(shown()[-1].get("tokens", "")) > part * 200, browser.log)
            server.kill()
            until(lambda: shown()[-1]["state"].startswith("away"), browser.log)
            server.start()
            if part == 2:
                producer.start()
        producer.wait()
        until(lambda: shown()[-1]["state"] == "complete", lambda: browser.log()[-2000:])
        everything, said = shown(), "".join(SAID)
        self.assertEqual(everything[-1]["tokens"], said)
        for one in everything:
            self.assertNotIn("error", one)
            self.assertTrue(said.startswith(one["tokens"]), one)
        # Tokens were shown while they were made, not in a few lumps.
        self.assertGreater(len({one["tokens"] for one in everything}), TOKENS // 4)

    def test_the_page_says_why_it_may_not_read(self):
        server = self.enterContext(start_server())
        browser, shown = self.open("watched", server.url)
        until(lambda: f"does not let pages of {self.origin} read" in shown()[-1].get("state", ""), browser.log)
        server.kill()
        until(lambda: shown()[-1].get("state") == "away; coming back", browser.log)
        browser.kill()
        server = self.enterContext(start_server("--http-cors-allowed-origins", self.origin))
        browser, shown = self.open("no topic", server.http)
        until(lambda: shown()[-1].get("state", "").startswith("refused: "), browser.log)
