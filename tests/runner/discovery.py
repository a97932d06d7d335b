"""Which tests there are, and the jobs that run them."""

import fnmatch
import glob
import os
import re
import subprocess
import sys
import traceback

import loading
from jobs import Job

UNIT_TEST = re.compile(r"^TEST\((\w+)\)", re.MULTILINE)
UNIT_LIMIT, MODULE_LIMIT, CHECK_LIMIT = 300, 900, 2400  # seconds
COVERAGE = "api/contract-coverage"


class Discovery:
    def __init__(self, top, build):
        self.top, self.build = top, build
        self.tests = os.path.join(top, "tests")
        self.runner = os.path.join(self.tests, "runner")

    def jobs(self):
        """The longest first, so that none is left alone at the end."""
        return [*self.checks(), *self.modules(), *self.units("sanitizers", "unit"),
                *self.units("plain", "unit-plain"), self.coverage()]

    def checks(self):
        paths = [path for path in glob.glob(os.path.join(self.tests, "checks", "*"))
                 if os.access(path, os.X_OK) and os.path.isfile(path)]
        for path in sorted(paths, key=lambda path: (not is_long(path), path)):
            name = f"check/{os.path.basename(path)}"
            yield Job(name, [path], {name: name}, CHECK_LIMIT)

    def units(self, tree, kind):
        """The C tests: a process a source file, since some share what is dear to set up."""
        program = os.path.join(self.build, tree, "unit-tests")
        if not os.access(program, os.X_OK):
            return
        listed = subprocess.run([program, "--list"], check=True, capture_output=True, text=True)
        files = self.unit_files()
        groups = {}
        for test in sorted(listed.stdout.split()):
            groups.setdefault(files.get(test, "others"), []).append(test)
        for file, tests in groups.items():
            yield Job(f"{kind} {file}", [program], {f"{kind}/{test}": test for test in tests},
                      UNIT_LIMIT, reports=Job.LINES)

    def unit_files(self):
        """The source file of each C test."""
        found = {}
        for path in glob.glob(os.path.join(self.tests, "unit", "test_*.c")):
            with open(path, encoding="utf-8") as file:
                for test in UNIT_TEST.findall(file.read()):
                    found[test] = os.path.basename(path)
        return found

    def modules(self):
        paths = glob.glob(os.path.join(self.tests, "*", "test_*.py"))
        for path in sorted(paths, key=lambda path: (not is_long(path), path)):
            kind, stem = os.path.basename(os.path.dirname(path)), os.path.basename(path)[:-3]
            yield self.module(path, f"{kind}/{stem}")

    def module(self, path, prefix):
        try:
            module = loading.load(path)
            inner = list(loading.tests_of(module))
            if loading.has_daemon(module):
                inner.append(loading.END_OF_DAEMON)
        except Exception:  # a file that cannot be read is a test that failed
            name = f"{prefix}.import"
            return Job(name, [sys.executable, "-c", "import sys; sys.exit(sys.argv[1])",
                              traceback.format_exc()], {name: name}, UNIT_LIMIT)
        tests = {f"{prefix}.{name}": name for name in inner}
        return Job(prefix, [sys.executable, os.path.join(self.runner, "module.py"), path, "RESULTS"],
                   tests, MODULE_LIMIT, reports=Job.FILE)

    def coverage(self):
        return Job(COVERAGE, [sys.executable, os.path.join(self.runner, "coverage.py")],
                   {COVERAGE: COVERAGE}, UNIT_LIMIT, last=True)


def is_long(path):
    """A check, or a file of Python tests, says in its head that it takes long."""
    with open(path, encoding="utf-8") as file:
        return "takes long" in file.read(1000)


def matches(name, patterns):
    """By its name, the beginning of it up to a / or a dot, or a pattern of the shell's kind."""
    return not patterns or any(
        name == pattern or name.startswith((pattern + "/", pattern + "."))
        or fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def select(jobs, patterns):
    """The jobs cut down to what was asked for. Coverage needs all API tests, and a daemon that was
    started is always seen to its end."""
    if COVERAGE in patterns:
        patterns = [*patterns, "api"]
    chosen = []
    for job in jobs:
        tests = {name: inner for name, inner in job.tests.items() if matches(name, patterns)}
        if tests and job.reports:
            tests.update((name, inner) for name, inner in job.tests.items()
                         if inner == loading.END_OF_DAEMON)
            job.command += tests.values()
        job.tests = tests
        if tests:
            chosen.append(job)
    return chosen
