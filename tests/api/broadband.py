"""What tests of broadband share: tiers, access points, pools and lines; and many clients at once."""

import concurrent.futures
import ipaddress
import itertools
import threading

from harness import ApiTest, unique

# Of documentation (RFC 5737, 3849) there is too little for tests that must not overlap.
networks = itertools.count(0)
lock = threading.Lock()


def network_of(length=24):
    """An IPv4 network that no other test has."""
    with lock:
        return ipaddress.ip_network(f"10.{next(networks)}.0.0/{length}")


def network6_of(length=48):
    with lock:
        return ipaddress.ip_network(f"2001:db8:{next(networks) + 1:x}::/{length}")


class BroadbandTest(ApiTest):
    def setUp(self):
        self.renter, self.owner = self.tenant()

    # ---- What there is ----

    def make(self, path, body):
        return self.expect(self.platform.post(path, body), 201)

    def access_point(self, **fields):
        return self.make("/v1/access-points", {"code": unique("acp"), "name": "机房", "capacity": 10,
                                               "access_technology": "gpon", **fields})

    def point(self, access_point):
        """An access point as it is now."""
        return self.expect(self.platform.get(f"/v1/access-points/{access_point['id']}"), 200)

    def pool(self, family=4, **fields):
        return self.make("/v1/address-pools", {"code": unique("pool"), "name": "固定", "family": family,
                                               "purpose": "static", **fields})

    def prefix(self, pool, prefix, **fields):
        return self.make(f"/v1/address-pools/{pool['id']}/prefixes", {"prefix": str(prefix), **fields})

    def plan(self, length=24, **fields):
        """A pool with one IPv4 prefix: both, and the network."""
        network = network_of(length)
        pool = self.pool(**fields)
        return pool, self.prefix(pool, network), network

    def tier(self, **fields):
        return self.make("/v1/broadband-tiers", {
            "code": unique("tier"), "name": "档位", "maximum_downstream_kbit": 300000,
            "maximum_upstream_kbit": 30000, **fields})

    def order(self, **line):
        chosen = self.catalog()["broadband"]
        rates = {} if "tier_id" in line else {"maximum_downstream_kbit": 100000,
                                              "maximum_upstream_kbit": 50000}
        return {"kind": "broadband", "offering_id": chosen["offering"]["id"],
                "plan_id": chosen["plan"]["id"], "name": "专线",
                "broadband": {"line": unique("line"), "access_technology": "gpon", **rates, **line}}

    def request_line(self, client=None, status=201, code=None, **line):
        body = self.order(**line)
        if client is self.platform:
            body["tenant"] = self.renter["id"]
        return self.expect((client or self.owner).post("/v1/resources", body), status, code)

    def line(self, client=None, **line):
        """An active one."""
        resource = self.request_line(client, **line)
        for action in ("approve", "provision", "activate"):
            resource = self.act(resource, action)
        return resource

    def shown(self, line, client=None):
        """The broadband part as it is kept now."""
        return self.expect((client or self.owner).get(f"/v1/resources/{line['id']}"), 200)["broadband"]

    def change(self, line, status=200, code=None, client=None, body=None, **part):
        sent = {**({"broadband": part} if part else {}), **(body or {})}
        return self.expect((client or self.platform).post(f"/v1/resources/{line['id']}/change", sent),
                           status, code)

    def give(self, line, status=201, code=None, **body):
        return self.expect(self.platform.post(f"/v1/resources/{line['id']}/addresses", body), status, code)

    def take(self, line, assignment):
        path = f"/v1/resources/{line['id']}/addresses/{assignment['id']}"
        return self.expect(self.platform.delete(path, if_match=self.platform.get(path).etag), 200)

    def end(self, line):
        for _ in range(2):
            line = self.act(line, "terminate")
        return line

    # ---- What holds whatever was done ----

    def check_addresses(self):
        """The plan, the lines' own records and the history say the same."""
        self.assertEqual(self.database().rows("""
            select d.address from addresses d
            left join address_assignments a on a.address = d.address and a.ended_at is null
            where (d.state = 'assigned') <> (a.id is not null)
               or a.resource_id is distinct from d.resource_id
               or a.pool_id is not null and a.pool_id <> d.pool_id"""), [])
        self.assertEqual(self.database().rows("""
            select a.id from address_assignments a join address_assignments b
              on a.address = b.address and a.id < b.id
             and tstzrange(a.assigned_at, a.ended_at) && tstzrange(b.assigned_at, b.ended_at)"""), [])
        self.assertEqual(self.database().rows("""
            select l.resource_id from broadband_lines l
            where l.released_at is null and l.static_address is not null and not exists (
                select from address_assignments a
                where a.resource_id = l.resource_id and a.address = l.static_address and a.ended_at is null)
            """), [])
        self.assertEqual(self.database().rows("""
            select a.id from address_assignments a join broadband_lines l on l.resource_id = a.resource_id
            where a.ended_at is null and l.released_at is not null"""), [])

    def check_places(self):
        """Every access point has as many lines as lines name it."""
        self.assertEqual(self.database().rows("""
            select a.id from access_points a
            where a.lines <> (select count(*) from broadband_lines l
                              where l.access_point_id = a.id and l.released_at is null)
               or a.lines > a.capacity"""), [])

    def at_once(self, clients, call):
        """The answers of so many clients that all send at the same instant, each on a connection
        that was open before."""
        barrier = threading.Barrier(clients)

        def run(number):
            self.expect(self.platform.get("/v1/me"), 200)
            barrier.wait()
            answer = call(number)
            self.platform.close()
            return answer

        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            return list(pool.map(run, range(clients)))
