"""The processes of a running bccd, found in /proc."""

import os
import signal
import subprocess
import time

PATIENCE = 60.0  # seconds; only what never comes is waited for so long
CHILDREN = {"worker-1", "worker-2", "hasher", "jobs", "jobs-periodic", "courier"}


def read(process, name):
    try:
        with open(f"/proc/{process}/{name}", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def children(parent):
    """Living children by number."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        state = read(entry, "stat").rpartition(")")[2].split()
        if state and state[0] not in "ZX" and int(state[1]) == parent:
            found.append(int(entry))
    return found


def supervisor(daemon):
    with open(os.path.join(daemon.state, "bccd.pid"), encoding="utf-8") as file:
        return int(file.read())


def named(daemon):
    """The supervisor's children by their names."""
    return {read(child, "comm").strip(): child for child in children(supervisor(daemon))}


def postmaster(daemon):
    """None while there is none."""
    path = os.path.join(daemon.state, "postgresql", "data", "postmaster.pid")
    try:
        with open(path, encoding="utf-8") as file:
            process = int(file.readline())
    except (OSError, ValueError):
        return None
    return process if is_living(process) else None


def all_of_postgresql(daemon):
    parent = postmaster(daemon)
    return [parent, *children(parent)]


def backends(daemon):
    """Those that serve bccd; none while there is no PostgreSQL."""
    parent = postmaster(daemon)
    return [child for child in ([] if parent is None else children(parent))
            if read(child, "cmdline").startswith("postgres: bccd: bccd_")]


def all_serve(daemon):
    """True when it is ready and has all its children."""
    return daemon.is_ready() and CHILDREN <= set(named(daemon))


def find(daemon, name, seconds=PATIENCE):
    """Waits for a process of that name."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if name == "supervisor":
            return supervisor(daemon)
        process = postmaster(daemon) if name == "postmaster" else named(daemon).get(name)
        if process is not None:
            return process
        time.sleep(0.02)
    raise AssertionError(f"there is no process {name}: {named(daemon)}")


def is_living(process):
    return read(process, "stat").rpartition(")")[2].split()[:1] not in ([], ["Z"], ["X"])


def wait_gone(victims, seconds=PATIENCE):
    """What was killed may still be seen for as long as the kernel takes its memory back."""
    deadline = time.monotonic() + seconds
    while any(map(is_living, victims)):
        if time.monotonic() > deadline:
            raise AssertionError(f"they live on: {victims}")
        time.sleep(0.02)


def signal_all(targets, number):
    """To each that is still there: a process may end by itself after it was found."""
    for target in targets:
        try:
            os.kill(target, number)
        except ProcessLookupError:
            pass


def kill(process):
    """With SIGKILL; it is gone when this comes back, so that the next look finds its successor."""
    os.kill(process, signal.SIGKILL)
    wait_gone([process])


def kill_supervisor(daemon):
    """With SIGKILL; all its children go with it, and PostgreSQL stays."""
    parent = supervisor(daemon)
    orphans = children(parent)
    os.kill(parent, signal.SIGKILL)
    daemon.process.wait()
    wait_gone([orphan for orphan in orphans if read(orphan, "comm") != "postgres\n"])


def memory(process):
    """Bytes that are resident."""
    for line in read(process, "status").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {process} is gone")


def descriptors(process):
    """The highest that it has open, and the limit that it has."""
    [limit] = [line.split()[3] for line in read(process, "limits").splitlines()
               if line.startswith("Max open files")]
    return max(map(int, os.listdir(f"/proc/{process}/fd"))), int(limit)


def limit_descriptors(process, limit):
    """As its own user, who alone may always do that."""
    user, group = (int(line.split()[1]) for line in read(process, "status").splitlines()
                   if line.startswith(("Uid:", "Gid:")))
    subprocess.run(["prlimit", "--pid", str(process), f"--nofile={limit}:"], check=True, user=user,
                   group=group)


def processor_time(process):
    """Seconds that it has computed, in itself and in the kernel."""
    fields = read(process, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
