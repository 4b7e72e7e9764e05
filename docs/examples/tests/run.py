"""Runs the examples as tests: each is started as its README says, is killed in the middle with and without its server, and must
lose, double and reorder nothing.

Usage: run.py --binary PATH (--playwright FOLDER [--node PATH] | --without-browser) [TEST ...]

The folder is that of playwright-core, which drives the browser; it wants Node 20 or newer.
"""

import argparse
import os
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "loadtest/clients/python")]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--binary", required=True)
    browser = arguments.add_mutually_exclusive_group(required=True)
    browser.add_argument("--playwright")
    browser.add_argument("--without-browser", action="store_true")
    arguments.add_argument("--node", default="node")
    arguments.add_argument("tests", nargs="*")
    told = arguments.parse_args()
    # Not named like a setting of the server.
    os.environ["EXAMPLES_BINARY"] = os.path.abspath(told.binary)
    if told.playwright:
        os.environ["EXAMPLES_PLAYWRIGHT"], os.environ["EXAMPLES_NODE"] = os.path.abspath(told.playwright), told.node
    modules = [path.stem for path in sorted(HERE.glob("test_*.py")) if told.playwright or path.stem != "test_browser"]
    suite = unittest.defaultTestLoader.loadTestsFromNames(told.tests or modules)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    failed = len(result.failures) + len(result.errors)
    passed = result.testsRun - failed - len(result.skipped)
    good = not failed and passed
    print(f"test result: {'ok' if good else 'FAILED'}. {passed} passed; {failed} failed; {len(result.skipped)} ignored")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
