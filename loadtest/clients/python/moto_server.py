"""An S3 server for tests: moto on a free loopback port, with one bucket.

Usage: moto_server.py BUCKET. Prints `listening on PORT` when it serves. Everything is in memory and ends with the process.
"""

import sys
import threading

import boto3
from moto.s3.responses import S3Response
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


def one_at_a_time(method):
    """moto looks whether an object exists and then writes it, without a lock: of two conditional puts both would win."""
    lock = threading.Lock()

    def locked(*arguments, **named):
        with lock:
            return method(*arguments, **named)

    return locked


S3Response.put_object = one_at_a_time(S3Response.put_object)
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
store = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{server.port}",
    region_name="us-east-1",
    aws_access_key_id="tidelog",
    aws_secret_access_key="tidelog-secret",
)
store.create_bucket(Bucket=sys.argv[1])
print(f"listening on {server.port}", flush=True)
threading.Event().wait()
