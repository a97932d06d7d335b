#!/usr/bin/env python3
"""Runs the tests of bccd in parallel and counts them.

The last line is "N passed, N failed"; the exit status is 0 when none failed and at least one
passed."""

import argparse
import os
import pwd
import shutil
import signal
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True

import discovery  # noqa: E402
import loading  # noqa: E402
from jobs import Runner, become_reaper, end_stragglers  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRESS_TIME = 20.0  # seconds between lines that tell how far it is


def arguments():
    parser = argparse.ArgumentParser(prog="tests/run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="what to run: a name as --list prints it, the beginning of one up to "
                        "a / or a dot (check, api/test_http), or a pattern ('unit/slice_*')")
    parser.add_argument("--list", action="store_true", help="print the names and run nothing")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N",
                        help="how many to run at a time, and jobs of make (default: the cores)")
    parser.add_argument("--keep", action="store_true",
                        help="keep the temporary directories; says where they are")
    parser.add_argument("--build", default=os.path.join(TOP, "build"), help=argparse.SUPPRESS)
    return parser.parse_args()


def environment(options, directory):
    """What every test finds in its environment."""
    result = dict(os.environ)
    result.update(
        SOURCE_DIRECTORY=TOP,
        BUILD_DIRECTORY=os.path.abspath(options.build),
        BCCD=os.path.join(os.path.abspath(options.build), "sanitizers", "bccd"),
        UNIT_DATA=os.path.join(TOP, "tests", "data"),
        CONTRACT_COVERAGE=os.path.join(directory, "contract-coverage"),
        PYTHONDONTWRITEBYTECODE="1",
        ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1:allocator_may_return_null=0",
        UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1",
        LC_ALL="C.UTF-8")
    if os.getuid() == 0:
        result["SERVING_USER"] = serving_user()
    return result


def serving_user():
    """Whom a daemon that root starts serves as: PostgreSQL refuses to run as root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            pass
    sys.exit("tests/run: started as root, and there is no user postgres or nobody to serve as")


class Report:
    """Counts and shows outcomes; many threads tell it."""

    def __init__(self, total):
        self.lock = threading.Lock()
        self.total, self.passed, self.failed = total, 0, []
        self.running = {}
        self.told = time.monotonic()

    def begin(self, job):
        with self.lock:
            self.running[job.name] = time.monotonic()

    def end(self, job, outcomes):
        with self.lock:
            duration = time.monotonic() - self.running.pop(job.name)
            for outcome in outcomes:
                self.passed += outcome.passed
                if not outcome.passed:
                    self.failed.append(outcome.name)
                    self.show(outcome)
            good = all(outcome.passed for outcome in outcomes)
            if good and (job.reports or duration > 5):
                print(f"ok   {job.name} ({len(outcomes)} in {duration:.0f} s)")
            self.progress()

    @staticmethod
    def show(outcome):
        print(f"FAIL {outcome.name}")
        for line in outcome.output.strip().splitlines():
            print(f"     {line}")
        print(f"     to run it alone: tests/run '{outcome.name}'", flush=True)

    def progress(self):
        if time.monotonic() - self.told > PROGRESS_TIME:
            self.told = time.monotonic()
            print(f"...  {self.passed + len(self.failed)} of {self.total}, {len(self.failed)} "
                  f"failed; running: {', '.join(self.running)}")
        sys.stdout.flush()


def run_all(jobs, runner, report, slots):
    """Each slot is a thread that takes the next job; those marked last begin when all have ended."""
    waiting = [job for job in jobs if not job.last]
    lock = threading.Lock()

    def work():
        while not runner.stopping:
            with lock:
                if not waiting:
                    return
                job = waiting.pop(0)
            report.begin(job)
            outcomes = runner.run(job)
            if not runner.stopping:
                report.end(job, outcomes)

    threads = [threading.Thread(target=work) for _ in range(slots)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waiting.extend(job for job in jobs if job.last)
    work()


def run_tests(options, jobs):
    directory = tempfile.mkdtemp(prefix="bccd-")
    os.chmod(directory, 0o711)
    runner = Runner(directory, environment(options, directory), options.keep)
    report = Report(sum(len(job.tests) for job in jobs))

    def stop(number, _):
        runner.stop()
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        run_all(jobs, runner, report, max(options.jobs, 1))
    finally:
        runner.stop()
        end_stragglers(directory)
        if options.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    if report.failed:
        print("failed: " + " ".join(f"'{name}'" for name in sorted(report.failed)))
    print(f"{report.passed} passed, {len(report.failed)} failed", flush=True)
    return 0 if report.passed and not report.failed else 1


def check_names(jobs, patterns):
    names = [name for job in jobs for name in job.tests]
    for pattern in patterns:
        if not any(discovery.matches(name, [pattern]) for name in names):
            print(f"tests/run: no test is named {pattern}; see tests/run --list")
            print("0 passed, 1 failed")
            sys.exit(1)


def main():
    options = arguments()
    loading.prepare_path(TOP)
    jobs = discovery.Discovery(TOP, options.build).jobs()
    check_names(jobs, options.names)
    chosen = discovery.select(jobs, options.names)
    if options.list:
        print("\n".join(name for job in chosen for name in job.tests))
        return 0
    become_reaper()
    return run_tests(options, chosen)


if __name__ == "__main__":
    sys.exit(main())
