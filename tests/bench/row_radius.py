"""radius_authorize: sign-ins a second through FreeRADIUS, which asks bccd."""

import os
import re
import subprocess
import time

import freeradius
from freeradius import SECRET, FreeRadius
from measuring import compare
from world import World, running

LINES = 200
PARALLEL = 64  # questions under way
BATCH = 20000  # questions of one run of radclient at most
PASSWORD = "kT9-wes-31q"
WARMING = 500  # questions before the first that count
ANSWER_TIME = 10  # seconds

# In the place of rest: what bccd answers, known beforehand.
CONSTANT_AUTHORIZE = f"""
		update control {{
			&Cleartext-Password := "{PASSWORD}"
		}}
		update reply {{
			&Acct-Interim-Interval := 300
			&Mikrotik-Rate-Limit := "20000k/100000k"
			&Filter-Id := "bench-line"
		}}
"""


class Constant(FreeRadius):
    """The shipped configuration, but that nobody is asked."""

    def configure(self):
        super().configure()
        path = self.path("raddb", "sites-enabled", "bccd")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        parts = re.split(r"\n\t\trest\n", text)
        assert len(parts) == 4, "the shipped configuration asks bccd elsewhere now"
        with open(path, "w", encoding="utf-8") as file:
            file.write(parts[0] + CONSTANT_AUTHORIZE + parts[1] + "\n" + parts[2] + "\n\t\trest\n" + parts[3])


def lines(world):
    """Logins of active lines."""
    park = world.post("/v1/parks", {"code": "bench", "name": "高新区服务外包园"})
    tenant = world.post("/v1/tenants", {"park_id": park["id"], "code": "bench", "name": "蓝海软件"})
    offering = world.post("/v1/offerings", {"code": "bench", "kind": "broadband", "name": "光纤宽带",
                                            "tax_category": "broadband_access"})
    plan = world.post("/v1/plans", {
        "offering_id": offering["id"], "code": "bench-line", "name": "标准", "charges": [
            {"code": "line", "name": "月租", "kind": "recurring",
             "price": {"model": "flat", "amount": "100.00"}}]})
    world.post(f"/v1/plans/{plan['id']}/publish")
    return [line(world, tenant, offering, plan, number) for number in range(LINES)]


def line(world, tenant, offering, plan, number):
    made = world.post("/v1/resources", {
        "kind": "broadband", "tenant": tenant["id"], "offering_id": offering["id"], "plan_id": plan["id"],
        "name": f"line {number}", "broadband": {
            "line": f"line-{number}", "access_technology": "gpon", "password": PASSWORD,
            "maximum_downstream_kbit": 100000, "maximum_upstream_kbit": 20000}})
    for action in ("approve", "provision", "activate"):
        world.post(f"/v1/resources/{made['id']}/{action}", {})
    return made["broadband"]["login"]


def write_questions(path, logins):
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n\n".join(
            f"User-Name = '{login}'\nUser-Password = '{PASSWORD}'\nNAS-IP-Address = 192.0.2.1\n"
            "NAS-Identifier = 'bras-1'\nMessage-Authenticator = 0x00" for login in logins) + "\n")


def ask(server, questions, times):
    """How long FreeRADIUS took to accept each question so many times."""
    started = time.monotonic()
    done = subprocess.run(
        ["radclient", "-q", "-s", "-d", server.path("raddb"), "-p", str(PARALLEL), "-c", str(times), "-r", "1",
         "-t", str(ANSWER_TIME), "-f", questions, f"127.0.0.1:{server.authorization}", "auth", SECRET],
        capture_output=True, text=True, check=False)
    taken = time.monotonic() - started
    accepted = re.search(r"^\s*Accepted\s*:\s*(\d+)", done.stdout, re.MULTILINE)
    if not accepted or int(accepted[1]) != LINES * times:
        raise AssertionError(f"not all were accepted: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return taken


def rate(server, questions, seconds):
    """Sign-ins a second, over about so many seconds."""
    taken = ask(server, questions, max(WARMING // LINES, 1))
    times = max(int(seconds * (WARMING // LINES) / taken), 1)
    times = min(times, BATCH // LINES * seconds)
    return LINES * times / ask(server, questions, times)


def measure(plan):
    freeradius.PATIENCE = "5.0"
    with running() as daemon:
        questions = os.path.join(plan.directory, "questions")
        write_questions(questions, lines(World(daemon)))
        servers = [Constant(daemon), FreeRadius(daemon)]
        try:
            constant, asking = (server.start() for server in servers)
            return [compare("radius_authorize", "sign-ins/s", "FreeRADIUS, a constant answer", plan.rounds,
                            lambda: rate(constant, questions, plan.seconds),
                            lambda: rate(asking, questions, plan.seconds))]
        finally:
            for server in servers:
                server.stop()
