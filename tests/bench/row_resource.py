"""resource_get: one row by its key, through row-level security."""

import re
import subprocess

from load import rate
from measuring import compare
from world import World, running

CONNECTIONS = 16
ACCOUNTS_SCALE = 10  # of pgbench: 1,000,000 rows


def pgbench(world, *arguments):
    done = subprocess.run(["pgbench", "-h", world.database.socket_directory(), "-U", "bccd_admin",
                           *arguments, "bench"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"pgbench {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def transactions(world, seconds):
    shown = pgbench(world, "-n", "-S", "-M", "prepared", "-c", str(CONNECTIONS), "-j", "1", "-T",
                    str(seconds))
    return float(re.search(r"^tps = ([0-9.]+)", shown, re.MULTILINE).group(1))


def measure(plan):
    with running() as daemon:
        world = World(daemon)
        tenant = world.tenants(1, 1)[0]
        world.database.execute("create database bench")
        pgbench(world, "-i", "-q", "-s", str(ACCOUNTS_SCALE))
        path = f"/v1/resources/{tenant['resources'][0]}"
        return [compare("resource_get", "requests/s", "pgbench -S -M prepared", plan.rounds,
                        lambda: transactions(world, plan.seconds),
                        lambda: rate(daemon.port, path, plan.seconds, CONNECTIONS,
                                     key=tenant["key"]))]
