"""tls_floor: the least that a request costs."""

import wire
from load import rate
from measuring import compare
from nginx import Nginx
from world import running

CONNECTIONS = 32


def measure(plan):
    with running(workers=1) as daemon:
        with Nginx(daemon, 1, wire.answer(daemon.port, "/livez")) as nginx:
            return [compare(
                "tls_floor", "requests/s", "nginx, one worker", plan.rounds,
                lambda: rate(nginx.port, "/livez", plan.seconds, CONNECTIONS),
                lambda: rate(daemon.port, "/livez", plan.seconds, CONNECTIONS))]
