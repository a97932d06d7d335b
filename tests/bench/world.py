"""A bccd as it is shipped, and what the rows need in it: tenants, keys, resources."""

import contextlib

from client import Client
from daemon import Daemon
from database import Database

# No limit is measured here, and no yardstick writes a line of log a request.
SETTINGS = {"log_level": "warning", "connections_address": 10000, "idle_timeout": 600000,
            "requests_rate": 1000000, "requests_burst": 1000000}


class NoContract:
    """The tests hold answers against the contract; here nothing stands between."""

    def check(self, *_):
        pass


class World:
    def __init__(self, daemon):
        self.daemon = daemon
        self.database = Database(daemon)
        key = daemon.create_operator("bench@operator.example", "platform_admin")["api_key"]
        self.root = self.client(key)

    def client(self, key):
        return Client(NoContract(), self.daemon.port, self.daemon.authority, key)

    def post(self, path, body=None):
        answer = self.root.post(path, body)
        if answer.status >= 300:
            raise AssertionError(repr(answer))
        return answer.json

    def offer(self):
        """A published plan of software, with its offering."""
        offering = self.post("/v1/offerings", {
            "code": "bench", "kind": "software", "name": "协同办公", "name_en": "Office suite",
            "tax_category": "information_service"})
        plan = self.post("/v1/plans", {
            "offering_id": offering["id"], "code": "bench-plan", "name": "标准版", "charges": [
                {"code": "seat", "name": "月租", "kind": "recurring",
                 "price": {"model": "flat", "amount": "30.00"}}]})
        self.post(f"/v1/plans/{plan['id']}/publish")
        return offering, plan

    def tenants(self, count, resources):
        """So many tenants with so many resources each: id, secret of a key, the resources."""
        park = self.post("/v1/parks", {"code": "bench", "name": "高新区服务外包园"})
        offering, plan = self.offer()
        return [self.tenant(number, park, offering, plan, resources) for number in range(count)]

    def tenant(self, number, park, offering, plan, resources):
        tenant = self.post("/v1/tenants", {"park_id": park["id"], "code": f"bench-{number}",
                                           "name": f"蓝海软件{number}"})["id"]
        key = self.post("/v1/api-keys", {"name": "bench", "role": "owner", "tenant": tenant})
        rented = [self.post("/v1/resources", {
            "kind": "software", "tenant": tenant, "offering_id": offering["id"],
            "plan_id": plan["id"], "name": f"office {number}-{place}", "software": {"seats": 5}})
            for place in range(resources)]
        return {"id": tenant, "key": key["secret"], "resources": [each["id"] for each in rented],
                "offering": offering["id"], "plan": plan["id"]}


@contextlib.contextmanager
def running(**settings):
    """A daemon, ended afterwards."""
    daemon = Daemon({**SETTINGS, **settings})
    try:
        yield daemon.start()
    finally:
        daemon.stop()
    problems = daemon.problems()
    if problems:
        raise AssertionError("the daemon's log shows:\n" + "\n".join(problems[:20]))
