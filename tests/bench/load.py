"""Load from wrk: a generator that takes little of the machine that it measures."""

import json
import os
import subprocess

SCRIPTS = os.path.dirname(os.path.abspath(__file__))
MARGIN = 60  # seconds that wrk may take beyond its time


def wrk(port, path, seconds, connections, script="rate.lua", arguments=(), key=None, delay=0):
    """What it counted: requests, errors, microseconds, p99 (of an answer, in microseconds)."""
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration",
               f"{seconds}s", "--timeout", "30s", "--script", os.path.join(SCRIPTS, script)]
    if key is not None:
        command += ["--header", f"Authorization: Bearer {key}"]
    command += [f"https://localhost:{port}{path}", "--", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          timeout=seconds + MARGIN,
                          env={**os.environ, "BENCH_SCRIPTS": SCRIPTS, "BENCH_DELAY": str(delay)})
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    counted = json.loads(done.stdout.rpartition("\nCOUNTED ")[2])
    if counted["errors"]:
        raise AssertionError(f"{path}: {counted['errors']} of {counted['requests']} failed")
    return counted


def rate(*arguments, **options):
    """Answers a second."""
    counted = wrk(*arguments, **options)
    return counted["requests"] * 1e6 / counted["microseconds"]
