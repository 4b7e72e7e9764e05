"""Where a server is, as people write it: http://127.0.0.1:8080, or 127.0.0.1:8080."""

import argparse
import http.client
import urllib.parse


def server_url(text):
    """The URL, for `argparse`."""
    parts = urllib.parse.urlsplit(text if "://" in text else f"http://{text}")
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
        raise argparse.ArgumentTypeError(f"{text!r} is no address of a server; http://127.0.0.1:8080 works")
    return f"{parts.scheme}://{parts.netloc}"


def connect(url, timeout_s):
    """A connection, which is made when something is asked."""
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.netloc, timeout=timeout_s)
