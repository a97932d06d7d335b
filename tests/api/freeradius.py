"""Debian's FreeRADIUS with the configuration that is shipped, on ports of its own."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

from daemon import die_with_parent, free_port

SHIPPED = os.path.join(os.path.dirname(__file__), "..", "..", "deploy", "freeradius")
SECRET = "chosen-for-this-run"
START_TIME, STOP_TIME = 120.0, 60.0  # seconds
PATIENCE = "20.0"  # seconds that it waits for a bccd with sanitizers on a busy machine
ANSWER_TIME = 30  # seconds that an answer may take

# Beside the shipped servers: accounting that is answered when bccd has it, and not before.
DIRECT = """
server direct {
	listen {
		type = acct
		ipaddr = 127.0.0.1
		port = %d
	}
	preacct {
	}
	accounting {
		rest
	}
}
"""


def free_datagram_port():
    while True:
        port = free_port()
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind(("127.0.0.1", port))
            return port
        except OSError:
            continue


class Answer:
    """What radclient got: the packet's kind (None: no answer came), and its attributes."""

    def __init__(self, output):
        self.output = output
        found = re.search(r"^Received (\S+) ", output, re.MULTILINE)
        self.kind = found and found[1]
        self.attributes = dict(re.findall(r'^\t(\S+) = "?(.*?)"?$', output[found.end():],
                                          re.MULTILINE)) if found else {}

    def values(self, name):
        """All values of an attribute, in their order."""
        received = self.output[self.output.find("\nReceived "):]
        return re.findall(rf'^\t{re.escape(name)} = "?(.*?)"?$', received, re.MULTILINE)


class FreeRadius:
    """Asks the bccd of `daemon`. Its directory holds all that it writes, and goes with it."""

    def __init__(self, daemon):
        self.directory = tempfile.mkdtemp(prefix="freeradius")
        self.authorization, self.accounting, self.direct = (free_datagram_port() for _ in "123")
        self.log_path = self.path("output")
        self.daemon = daemon
        self.process = None

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def configure(self):
        daemon, configuration = self.daemon, self.path("raddb")
        shutil.copytree(SHIPPED, configuration)
        for directory in (("raddb", "certs"), ("run",), ("log",)):
            os.mkdir(self.path(*directory))
        shutil.copy(daemon.authority, self.path("raddb", "certs", "ca.pem"))
        for path in daemon.client_certificate:
            shutil.copy(path, self.path("raddb", "certs"))
        self.change("radiusd.conf", raddbdir=configuration, logdir=self.path("log"),
                    run_dir=self.path("run"), user=None, group=None)
        self.change("clients.conf", ipaddr="127.0.0.1", secret=SECRET)
        self.change("mods-enabled/bccd",
                    connect_uri=f'"https://localhost:{daemon.client_port}"',
                    connect_timeout=PATIENCE, timeout=(PATIENCE, PATIENCE, PATIENCE))
        self.change("sites-enabled/bccd", ipaddr=("127.0.0.1", "127.0.0.1"),
                    port=(self.authorization, self.accounting))
        with open(self.path("raddb", "sites-enabled", "direct"), "w", encoding="utf-8") as file:
            file.write(DIRECT % self.direct)

    def change(self, file_name, **settings):
        """Gives settings their values in the order in which they stand; None takes one out. Others
        than the shipped file has, or another number of them, are an error."""
        path = self.path("raddb", file_name)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for name, values in settings.items():
            left = list(values) if isinstance(values, tuple) else [values]
            setting = re.compile(rf"^(\s*){name} = .*$", re.MULTILINE)
            assert len(setting.findall(text)) == len(left), f"{file_name}: {name}"
            text = setting.sub(lambda match, name=name, left=left: "" if left[0] is None else
                               f"{match[1]}{name} = {left.pop(0)}", text)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def start(self):
        self.configure()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                ["/usr/sbin/freeradius", "-f", "-l", "stdout", "-d", self.path("raddb")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
        deadline = time.monotonic() + START_TIME
        while "Ready to process requests" not in self.log():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"FreeRADIUS did not start:\n{self.log()}")
            time.sleep(0.1)
        return self

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIME)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory)

    def ask(self, kind, port, attributes, seconds=ANSWER_TIME):
        """Sends one packet from a port of its own; `kind` is auth or acct."""
        lines = [f"{name} = {spell(value)}" for name, value in attributes.items()]
        done = subprocess.run(
            ["radclient", "-x", "-d", self.path("raddb"), "-r", "1", "-t", str(seconds),
             f"127.0.0.1:{port}", kind, SECRET], input="\n".join(lines) + "\n", text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            timeout=seconds + START_TIME)
        return Answer(done.stdout)


def spell(value):
    """As radclient reads it: a text in quotes that expand nothing, a number or name as it is."""
    if not isinstance(value, str):
        return str(value)
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
