"""rate_one: a price turns a quantity into an amount."""

import os
import subprocess

from measuring import compare

WANTED = 5.0  # microseconds


def rate():
    """Microseconds a line; the program is made beside bccd."""
    program = os.path.join(os.path.dirname(os.environ["BCCD"]), "rate-one")
    if not os.path.exists(program):
        raise AssertionError(f"{program} is not there: run `make rate-one` where BCCD was made")
    return float(subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True).stdout)


def measure(plan):
    return [compare("rate_one", "us", "5 us, which it should be under", plan.rounds, lambda: WANTED, rate)]
