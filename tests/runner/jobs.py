"""Jobs: processes that run one test or several, each in a temporary directory of its own."""

import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
STRAGGLERS_TIME = 5.0  # seconds that what a job left behind gets to end, by itself and then told
REAP_INTERVAL = 0.2  # seconds
OUTPUT_SHOWN = 60000  # characters

libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Job:
    FILE, LINES = "file", "lines"

    name: str
    command: list
    tests: dict  # by full name: the name within the job; a job of one test has itself alone
    limit: float  # seconds
    environment: dict = field(default_factory=dict)
    # How several tests are told apart: FILE, a line of JSON a test in the file of the word "RESULTS";
    # LINES, "ok NAME" or "not ok NAME" after each test's output. None: there is one.
    reports: str = None
    last: bool = False  # begins when all others have ended


@dataclass
class Outcome:
    name: str
    passed: bool
    output: str


def reap_postgresql():
    """A postmaster whose supervisor was killed is this process's child. Dead and not waited for, it would
    still keep its lock file, and the next one from starting. Others are waited for by who began them."""
    while True:
        for entry in filter(str.isdigit, os.listdir("/proc")):
            name, _, rest = read_process_file(entry, "stat").rpartition(b")")
            if name.endswith(b"(postgres") and rest.split()[:2] == [b"Z", b"%d" % os.getpid()]:
                os.waitpid(int(entry), os.WNOHANG)
        time.sleep(REAP_INTERVAL)


def become_reaper():
    """What a job leaves behind becomes a child of this process, which can then end it."""
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    threading.Thread(target=reap_postgresql, daemon=True).start()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def read_process_file(process, name):
    try:
        with open(f"/proc/{process}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def stragglers(directory):
    """Living processes of a job, known by its temporary directory."""
    mark = os.fsencode(directory)
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        if (mark + b"/" in read_process_file(entry, "cmdline") + b"/"
                or b"TMPDIR=" + mark + b"\0" in read_process_file(entry, "environ")):
            if b"\nState:\tZ" not in read_process_file(entry, "status"):
                found.append(int(entry))
    return found


def send(processes, number):
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            pass


def await_stragglers(directory):
    """Those that are still there after the time they have."""
    deadline = time.monotonic() + STRAGGLERS_TIME
    while (living := stragglers(directory)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return living


def end_stragglers(directory):
    """Ends what is left, and gives it: what was about to end is gone by then. PostgreSQL takes
    SIGQUIT as an immediate shutdown and tidies up."""
    left = await_stragglers(directory)
    if left:
        send(left, signal.SIGQUIT)
        send(await_stragglers(directory), signal.SIGKILL)
    return left


class Runner:
    """Runs jobs; `stop` ends those under way."""

    def __init__(self, directory, environment, keep=False):
        self.directory = directory
        self.keep = keep
        self.environment = environment
        self.processes = set()
        self.stopping = False
        self.count = 0

    def stop(self):
        self.stopping = True
        for process in list(self.processes):
            self.kill(process)

    @staticmethod
    def kill(process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def make_directory(self):
        self.count += 1
        directory = os.path.join(self.directory, str(self.count))
        os.mkdir(directory)
        os.chmod(directory, 0o711)  # a daemon that root starts serves as another user
        return directory

    def execute(self, job, directory):
        """Exit status and what was written; the status is None after the time limit."""
        results = os.path.join(directory, "results")
        command = [results if word == "RESULTS" else word for word in job.command]
        environment = {**self.environment, **job.environment, "TMPDIR": directory}
        with open(os.path.join(directory, "output"), "wb") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, env=environment,
                                       start_new_session=True, preexec_fn=die_with_parent)
            self.processes.add(process)
            try:
                return process.wait(timeout=job.limit)
            except subprocess.TimeoutExpired:
                return None
            finally:
                self.kill(process)
                process.wait()
                self.processes.discard(process)

    def run(self, job):
        """The outcomes of the job's tests."""
        directory = self.make_directory()
        try:
            status = self.execute(job, directory)
            left = end_stragglers(directory)
            output = read_text(os.path.join(directory, "output"))
            if job.reports == Job.LINES:
                reported, output = parse_lines(output)
            else:
                reported = read_results(os.path.join(directory, "results"))
        finally:
            if not self.keep:
                shutil.rmtree(directory, ignore_errors=True)
        if status is None:
            output += f"\nended after its limit of {job.limit:.0f} seconds"
        elif status != 0:
            output += f"\nexit status {status}"
        elif left:
            output += f"\nleft {len(left)} processes behind"
        good = status == 0 and not left
        return list(outcomes(job, good, output, reported))


def outcomes(job, good, output, reported):
    if not job.reports:
        for name in job.tests:
            yield Outcome(name, good, output)
        return
    blamed = good
    for name, inner in job.tests.items():
        passed, problem = reported.get(inner, (False, ""))
        if inner not in reported:
            blamed = True
            yield Outcome(name, False, "did not run\n" + output)
        else:
            blamed = blamed or not passed
            yield Outcome(name, passed, problem + "\n" + output)
    if not blamed:
        yield Outcome(f"{job.name} (the process)", False, output)


def read_text(path):
    with open(path, "rb") as file:
        text = file.read().decode("utf-8", "replace")
    if len(text) > OUTPUT_SHOWN:
        half = OUTPUT_SHOWN // 2
        text = f"{text[:half]}\n... {len(text) - OUTPUT_SHOWN} characters ...\n{text[-half:]}"
    return text


def parse_lines(output):
    """What each test said, and what nobody said."""
    reported, rest = {}, []
    for line in output.splitlines():
        verdict, _, name = line.rpartition(" ")
        if verdict in ("ok", "not ok"):
            reported[name] = (verdict == "ok", "\n".join(rest))
            rest = []
        else:
            rest.append(line)
    return reported, "\n".join(rest)


def read_results(path):
    try:
        with open(path, encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
    except FileNotFoundError:
        rows = []
    return {row["name"]: (row["passed"], row["output"]) for row in rows}
