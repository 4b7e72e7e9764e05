"""Generates clients from openapi.json, in TypeScript and in Python, compiles them strictly, and lets each do a round trip with a
server that uses every operation: topics and their settings, records as JSON, lines, bytes and Arrow, conditions, groups.

Usage: generated_clients.py --binary PATH --into FOLDER [--typescript FOLDER]

FOLDER of `--typescript` has what typescript/package.json names; without it that client is left out. What is generated is written
to `--into`. The last line counts steps as `cargo test` counts tests.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))
from tidelog_server import Server  # noqa: E402

DOCUMENT = HERE.parents[2] / "openapi/openapi.json"
STEP_S_MAX = 300
# Of an operation that no client needs.
UNUSED = {"livez", "readyz", "metrics"}


def run(folder, *command):
    """What a command prints, which must end well."""
    command = [str(part) for part in command]
    environment = os.environ | {"PYTHONPATH": str(folder), "MYPYPATH": str(folder)}
    ended = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=STEP_S_MAX
    )
    output = ended.stdout + ended.stderr
    assert ended.returncode == 0, f"{' '.join(command)} ended with {ended.returncode}:\n{output[-6000:]}"
    return output


def operations():
    """Of each operation that clients use: its path, its method and the operation itself."""
    for path, item in json.loads(DOCUMENT.read_text())["paths"].items():
        for method, operation in item.items():
            if operation["operationId"] not in UNUSED:
                yield path, method, operation


def all_used(script, call):
    """Whether a script has a call of each operation."""
    text = script.read_text()
    missing = [call(*it) for it in operations() if call(*it) not in text]
    assert not missing, f"{script} does without {missing}"


def typescript(folder, url):
    """Steps of the TypeScript client: their names, and what they do."""
    for name in ("round_trip.ts", "tsconfig.json"):
        shutil.copy(HERE / "typescript" / name, folder / name)
    tools = folder / "node_modules/.bin"
    script = HERE / "typescript/round_trip.ts"
    yield "use all", lambda: all_used(script, lambda path, method, _: f'client.{method.upper()}("{path}"')
    yield "generate", lambda: run(folder, tools / "openapi-typescript", DOCUMENT, "--output", "schema.d.ts")
    yield "compile", lambda: run(folder, tools / "tsc", "--project", ".")
    yield "round trip", lambda: run(folder, "node", "built/round_trip.js", url)


def python(folder, url):
    """Steps of the Python client: their names, and what they do."""
    package = folder / "tidelog_generated"

    def generate():
        config = HERE / "python/generator.yml"
        generator = [sys.executable, "-m", "openapi_python_client", "generate", "--path", DOCUMENT, "--config", config]
        output = run(folder, *generator, "--output-path", package, "--meta", "none", "--overwrite")
        for path, _, operation in operations():
            module = package / "api" / operation["tags"][0] / f"{operation['operationId']}.py"
            assert module.exists(), f"{path} has no {module}:\n{output}"

    script = HERE / "python/round_trip.py"
    yield "use all", lambda: all_used(script, lambda _path, _method, operation: f"{operation['operationId']}.sync")
    yield "generate", generate
    mypy = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", script]
    yield "compile", lambda: (run(folder, sys.executable, "-m", "compileall", "-q", package), run(folder, *mypy))
    yield "round trip", lambda: run(folder, sys.executable, script, url)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--binary", required=True)
    arguments.add_argument("--into", required=True, type=pathlib.Path)
    arguments.add_argument("--typescript", type=pathlib.Path)
    told = arguments.parse_args()
    told.into.mkdir(parents=True, exist_ok=True)
    passed = failed = 0
    with Server(told.binary) as server:
        languages = [("Python", python(told.into.resolve(), server.url))]
        if told.typescript:
            languages.append(("TypeScript", typescript(told.typescript.resolve(), server.url)))
        for language, steps in languages:
            for name, act in steps:
                try:
                    act()
                except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
                    print(f"FAILED {language}: {name}\n{error}", flush=True)
                    failed += 1
                    break
                print(f"ok     {language}: {name}", flush=True)
                passed += 1
    print(f"test result: {'FAILED' if failed or not passed else 'ok'}. {passed} passed; {failed} failed; 0 ignored")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
