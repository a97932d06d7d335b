"""A bccd of the tests' own: started, waited for, ended, and its log read."""

import ctypes
import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

START_TIME, STOP_TIME = 120.0, 60.0  # seconds
PORTS = range(10000, 30000)  # below those that clients are given
PR_SET_PDEATHSIG = 1

# What a run with sanitizers writes beside the log, which is JSON.
REPORT = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|UndefinedBehavior|"
                    r"check failed|Assertion|stack smashing")
# As they are, tests would find their limits, and sanitizers make everything slower.
SETTINGS = {
    "listen_address": "127.0.0.1",
    "workers": 2,
    "requests_rate": 100000,
    "requests_burst": 100000,
    "database_timeout": 60000,
    "database_connect_timeout": 60000,
    "database_queue_timeout": 30000,
    "handshake_timeout": 60000,
    "head_timeout": 60000,
    "hasher_timeout": 60000,
    "drain_time": 10,
}
libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def program():
    """The bccd with sanitizers, or the one that BCCD names."""
    build = os.environ.get("BUILD_DIRECTORY", "build")
    for path in (os.environ.get("BCCD"), os.path.join(build, "sanitizers", "bccd"),
                 os.path.join(build, "sanitizers", "daemon", "bccd")):
        if path and os.access(path, os.X_OK):
            return path
    raise FileNotFoundError("there is no bccd below BUILD_DIRECTORY; tests/run builds it")


def free_port():
    """A port for this run of the tests alone: two daemons could listen on one (SO_REUSEPORT)."""
    reservations = os.path.dirname(os.environ.get("CONTRACT_COVERAGE", tempfile.gettempdir() + "/"))
    while True:
        port = random.choice(PORTS)
        try:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
            if "CONTRACT_COVERAGE" in os.environ:
                os.close(os.open(os.path.join(reservations, f"port-{port}"),
                                 os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            return port
        except OSError:
            continue


class Daemon:
    def __init__(self, settings=None):
        self.directory = tempfile.mkdtemp(prefix="d")
        os.chmod(self.directory, 0o711)
        self.state = os.path.join(self.directory, "state")
        self.configuration = os.path.join(self.directory, "bccd.conf")
        self.log_path = os.path.join(self.directory, "log")
        self.port, self.client_port, self.metrics_port = free_port(), free_port(), free_port()
        self.settings = {**SETTINGS, "state_directory": self.state, "listen_port": self.port,
                         "client_listen_port": self.client_port,
                         "metrics_port": self.metrics_port, **(settings or {})}
        if os.getuid() == 0:
            self.settings["user"] = os.environ.get("SERVING_USER", "postgres")
        self.process = None
        self.write_configuration()

    def write_configuration(self):
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.writelines(f"{name} = {value}\n" for name, value in self.settings.items())

    def launch(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [program(), "serve", "--config", self.configuration], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=die_with_parent)

    def start(self):
        self.launch()
        self.wait_until_ready()
        return self

    @property
    def authority(self):
        return os.path.join(self.state, "tls", "ca.pem")

    @property
    def client_certificate(self):
        return tuple(os.path.join(self.state, "tls", "radius-client." + end)
                     for end in ("pem", "key"))

    def get(self, path):
        """Status and body over HTTPS, without the contract."""
        context = ssl.create_default_context(cafile=self.authority)
        try:
            with urllib.request.urlopen(f"https://localhost:{self.port}{path}", timeout=30,
                                        context=context) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def is_ready(self):
        try:
            return self.get("/readyz")[0] == 200
        except (OSError, ssl.SSLError):
            return False

    def wait_until_ready(self):
        deadline = time.monotonic() + START_TIME
        while not self.is_ready():
            if self.process.poll() is not None:
                raise AssertionError(f"bccd ended with {self.process.returncode}:\n{self.log()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"bccd is not ready after {START_TIME} s:\n{self.log()}")
            time.sleep(0.1)

    def run(self, *arguments):
        """Another command of bccd with this daemon's configuration; what it printed."""
        done = subprocess.run([program(), *arguments, "--config", self.configuration],
                              capture_output=True, text=True, check=False, timeout=START_TIME)
        if done.returncode != 0:
            raise AssertionError(f"bccd {' '.join(arguments)}: {done.returncode}\n{done.stdout}"
                                 f"{done.stderr}")
        return done.stdout

    def create_operator(self, email, role):
        """What `bccd admin create-operator` shows: email, password, api_key."""
        shown = self.run("admin", "create-operator", "--email", email, "--role", role)
        if shown.startswith("{"):
            return json.loads(shown)
        pairs = dict(line.split(":", 1) for line in shown.splitlines() if ":" in line)
        return {name.strip().replace(" ", "_"): value.strip() for name, value in pairs.items()}

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def events(self):
        """The log's events; lines of other kinds are left out."""
        found = []
        for line in self.log().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return [event for event in found if isinstance(event, dict)]

    def metrics(self):
        """The numbers of /metrics by their spelled names."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics",
                                    timeout=30) as response:
            lines = response.read().decode().splitlines()
        return {name: float(value) for name, _, value in
                (line.rpartition(" ") for line in lines if line and not line.startswith("#"))}

    def stop(self):
        """SIGTERM; the exit status."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_TIME)
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            raise AssertionError(f"bccd did not end on SIGTERM:\n{self.log()[-8000:]}") from error

    def problems(self, expected=()):
        """Lines of the log that no healthy daemon writes; `expected` names events to leave out."""
        found = [line for line in self.log().splitlines() if REPORT.search(line)]
        found += [json.dumps(event) for event in self.events()
                  if event.get("level") == "error" and event.get("event") not in expected]
        return found

    def end(self, expected=()):
        """Stops it and raises when it did not end well or its log shows a defect."""
        status = self.stop()
        problems = self.problems(expected)
        if problems:
            raise AssertionError("the daemon's log shows:\n" + "\n".join(problems) +
                                 "\n\nthe whole log:\n" + self.log()[-20000:])
        if status != 0:
            raise AssertionError(f"the daemon ended with {status}:\n{self.log()[-20000:]}")
