"""idle_connection, memory_at_rest, start_to_ready: what it takes to be there."""

import contextlib
import os
import resource
import time

import memory
import wire
from measuring import compare, say
from nginx import Nginx
from processes import kill_supervisor, named, supervisor
from world import running

CONNECTIONS = 1000
SETTLE_TIME = 2.0  # seconds
START_TIME = 60.0  # seconds


def connection_cost(process, port, path):
    """KiB that each of many idle connections adds to a process; all have asked once."""
    before = memory.status(process, "VmRSS")
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS):
            wire.ask(stack.enter_context(wire.connect(port)), path)
        return (memory.status(process, "VmRSS") - before) / CONNECTIONS


def measure_connections(plan):
    """Each round has processes of its own: freed memory that is used again would cost nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2 * CONNECTIONS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(2 * CONNECTIONS, hard), hard))

    with running(workers=1) as daemon:
        def of_nginx():
            with Nginx(daemon, 1) as nginx:
                wire.answer(nginx.port)
                return connection_cost(memory.family(nginx.process.pid)[1], nginx.port, "/")

        def of_bccd():
            kill_supervisor(daemon)
            daemon.start()
            wire.answer(daemon.port, "/livez")
            return connection_cost(worker(daemon), daemon.port, "/livez")

        return [compare("idle_connection", "KiB", "nginx, one worker", plan.rounds, of_nginx,
                        of_bccd)]


def worker(daemon):
    return next(process for name, process in named(daemon).items() if "worker" in name)


def measure_memory(plan):
    workers = os.cpu_count()
    with running(workers=workers) as daemon:
        def of_nginx():
            with Nginx(daemon, workers) as nginx:
                return memory.resident(memory.family(nginx.process.pid)) / 1024

        def of_bccd():
            return memory.resident(memory.family(supervisor(daemon), ("postgres",))) / 1024

        time.sleep(SETTLE_TIME)
        return [compare("memory_at_rest", "MiB", f"nginx, {workers} workers", plan.rounds, of_nginx,
                        of_bccd)]


def measure_start(plan):
    with running(workers=os.cpu_count()) as daemon, Nginx(daemon, os.cpu_count()) as nginx:
        nginx.stop()

        def of_nginx():
            started = time.monotonic()
            nginx.start()
            took = time.monotonic() - started
            nginx.stop()
            return 1000 * took

        def of_bccd():
            kill_supervisor(daemon)
            started = time.monotonic()
            daemon.launch()
            wire.wait_until_answered(daemon.port, "/readyz", START_TIME, daemon.process)
            return 1000 * (time.monotonic() - started)

        return [compare("start_to_ready", "ms", "nginx, its first answer", plan.rounds, of_nginx,
                        of_bccd)]
