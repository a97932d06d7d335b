#!/usr/bin/env python3
"""Runs tests of one Python file and writes how each ended.

    module.py FILE RESULTS NAME...

RESULTS gets a line of JSON a test: {"name", "passed", "output"}. A test that is skipped has failed:
what was not tried did not pass.
"""

import json
import os
import sys
import traceback
import unittest

import loading


class Results(unittest.TestResult):
    """Notes each test once, with what it printed."""

    def __init__(self, stream):
        super().__init__()
        self.stream = stream
        self.problems = []

    def write(self, name, output):
        passed = not output
        self.stream.write(json.dumps({"name": name, "passed": passed, "output": output}) + "\n")
        self.stream.flush()

    def startTest(self, test):
        super().startTest(test)
        self.problems = []

    def stopTest(self, test):
        super().stopTest(test)
        self.write(loading.name_of(test), "\n".join(self.problems))

    def problem(self, test, error):
        text = self._exc_info_to_string(error, test)
        if isinstance(test, unittest.TestCase):
            self.problems.append(text)
        else:
            print(text)  # of a set-up: its tests have no result, and so have failed

    def addError(self, test, err):
        self.problem(test, err)

    def addFailure(self, test, err):
        self.problem(test, err)

    def addSkip(self, test, reason):
        self.problems.append(f"skipped: {reason}")

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.problems.append(f"{subtest.id()}\n{self._exc_info_to_string(err, test)}")

    def addUnexpectedSuccess(self, test):
        self.problems.append("succeeded unexpectedly")


def end_daemon(results):
    """Ends the daemon that the tests shared; its end is a test of its own."""
    harness = sys.modules.get("harness")
    if harness is None:
        return
    output = ""
    try:
        harness.stop_shared()
    except Exception:  # whatever it is, it is the result
        output = traceback.format_exc()
    results.write(loading.END_OF_DAEMON, output)


def main():
    path, results_path, *names = sys.argv[1:]
    loading.prepare_path(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(path)))))
    module = loading.load(path)
    tests = loading.tests_of(module)
    suite = unittest.defaultTestLoader.suiteClass(
        tests[name] for name in tests if name in names)
    with open(results_path, "a", encoding="utf-8") as stream:
        results = Results(stream)
        try:
            suite.run(results)
        finally:
            if loading.has_daemon(module):
                end_daemon(results)


if __name__ == "__main__":
    main()
