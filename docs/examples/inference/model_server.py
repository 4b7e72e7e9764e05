"""A stand-in for a model server, with TensorFlow Serving's REST interface: https://www.tensorflow.org/tfx/serving/api_rest

Usage: model_server.py [--port N] [--busy-every N]. Prints `listening on PORT` when it serves.

It has one model, `half_plus_two`, which is the one that TensorFlow Serving is tested with: each instance is a number, and its
prediction is half of it plus two. With `--busy-every N` each Nth prediction is refused with 503, as under load.
"""

import argparse
import itertools
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL, VERSION = "half_plus_two", "123"
PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?(?::(\w+)|(/metadata))?")
BODY_BYTES_MAX = 16 << 20


class Failed(Exception):
    def __init__(self, status, error):
        super().__init__(error)
        self.status, self.error = status, error


def number(place, instance):
    """One instance, as a number."""
    # A tensor of one element may come in a list, or by its input's name.
    while isinstance(instance, list) and len(instance) == 1:
        instance = instance[0]
    if isinstance(instance, dict) and instance.keys() == {"x"}:
        return number(place, instance["x"])
    if isinstance(instance, bool) or not isinstance(instance, int | float):
        kind = {str: "String", bool: "Bool", dict: "Object", list: "Array", type(None): "Null"}[type(instance)]
        raise Failed(400, f"Failed to process element: {place} of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: "
                          f"{json.dumps(instance)} Type: {kind} is not of expected type: float")
    return float(instance)


def predict(body):
    """The answer to the body of a request."""
    try:
        told = json.loads(body)
    except ValueError as error:
        raise Failed(400, f"JSON Parse error: {error}") from None
    if not isinstance(told, dict):
        raise Failed(400, "Request value is not a JSON object.")
    if told.get("signature_name", "serving_default") != "serving_default":
        raise Failed(400, f"Serving signature name: \"{told['signature_name']}\" not found in signature def")
    if ("instances" in told) == ("inputs" in told):
        raise Failed(400, "Missing 'inputs' or 'instances' key" if "inputs" not in told
                     else "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist")
    if "inputs" in told:
        inputs = told["inputs"] if isinstance(told["inputs"], list) else [told["inputs"]]
        return {"outputs": [number(place, it) / 2 + 2 for place, it in enumerate(inputs)]}
    if not isinstance(told["instances"], list) or not told["instances"]:
        raise Failed(400, "Request data should be a non-empty list of 'instances'")
    return {"predictions": [number(place, it) / 2 + 2 for place, it in enumerate(told["instances"])]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    predictions = itertools.count(1)
    busy_every = 0

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        text = json.dumps(body, indent=4).encode() + b"\n"
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def handle_one(self, act):
        try:
            found = PATH.fullmatch(self.path)
            if not found:
                raise Failed(404, "Not Found")
            name, version, verb, metadata = found.groups()
            if name != MODEL or version not in (None, VERSION):
                which = f"Specific({name}, {version})" if version else f"Latest({name})"
                raise Failed(404, f"Servable not found for request: {which}")
            self.answer(200, act(verb, metadata))
        except Failed as failed:
            self.answer(failed.status, {"error": failed.error})

    def do_GET(self):
        def act(verb, metadata):
            if verb:
                raise Failed(400, f"Malformed request: GET {self.path}")
            if metadata:
                return {"model_spec": {"name": MODEL, "signature_name": "", "version": VERSION}, "metadata": {}}
            status = {"error_code": "OK", "error_message": ""}
            return {"model_version_status": [{"version": VERSION, "state": "AVAILABLE", "status": status}]}

        self.handle_one(act)

    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(min(length, BODY_BYTES_MAX))

        def act(verb, _):
            if verb != "predict" or length > BODY_BYTES_MAX:
                raise Failed(400, f"Malformed request: POST {self.path}")
            if self.busy_every and next(self.predictions) % self.busy_every == 0:
                raise Failed(503, "Resource exhausted: the batch queue is full")
            return predict(body)

        self.handle_one(act)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, default=8501)
    arguments.add_argument("--busy-every", type=int, default=0)
    told = arguments.parse_args()
    Handler.busy_every = told.busy_every
    server = ThreadingHTTPServer(("127.0.0.1", told.port), Handler)
    server.daemon_threads = True
    print(f"listening on {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
