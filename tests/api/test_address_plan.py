"""The address plan: prefixes, the next free address however many ask at once, quarantine, history."""

import ipaddress
import os
import random
import subprocess
import tempfile
import time
import unittest

from broadband import BroadbandTest, network6_of, network_of
from database import PSQL
from harness import unique

CROWD, LEFT = 200, 50
STEPS = 120  # of the property test
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


class AddressTest(BroadbandTest):
    def states(self, pool):
        """How many addresses of a pool are in which state."""
        return {row["state"]: row["count"] for row in self.database().rows(
            f"select state, count(*) from addresses where pool_id = '{pool['id']}' group by 1")}

    def rest_is_over(self, pool):
        self.database().execute(
            "update addresses set quarantined_until = quarantined_until - interval '400 days' "
            f"where pool_id = '{pool['id']}' and state = 'quarantined'")

    def tearDown(self):
        self.check_addresses()


class TestPlan(AddressTest):
    def test_pools_are_read_changed_and_retired(self):
        point = self.access_point()
        pool = self.pool(code=unique("static"), access_point_id=point["id"])
        self.assertEqual((pool["quarantine_hours"], pool["access_point_id"]), (168, point["id"]))
        path = f"/v1/address-pools/{pool['id']}"
        answer = self.platform.get(path)
        self.assertEqual(self.expect(answer, 200), pool)
        self.assertEqual(self.platform.all("/v1/address-pools", {
            "code": pool["code"], "family": 4, "state": "active"}), [pool])
        changed = self.expect(self.platform.patch(path, {"quarantine_hours": 1}, if_match=answer.etag), 200)
        self.assertEqual(changed["quarantine_hours"], 1)
        self.expect(self.platform.patch(path, {"name": "x"}, if_match=answer.etag), 412)
        self.assertEqual(self.expect(self.platform.post(f"{path}/retire"), 200)["state"], "retired")
        self.expect(self.platform.post(f"{path}/prefixes", {"prefix": str(network_of())}), 409)
        self.assertEqual(self.expect(self.platform.post(f"{path}/reopen"), 200)["state"], "active")
        self.expect(self.owner.get(path), 403)
        self.expect(self.platform.post("/v1/address-pools", {
            "code": unique("pool"), "name": "x", "family": 5, "purpose": "static"}), 422)

    def test_a_prefix_brings_its_addresses(self):
        pool, prefix, network = self.plan(29, code=unique("small"))
        self.assertEqual(self.states(pool), {"free": 6, "reserved": 2})
        path = f"/v1/address-pools/{pool['id']}/prefixes"
        self.assertEqual(self.expect(self.platform.get(f"{path}/{prefix['id']}"), 200), prefix)
        self.assertEqual(self.platform.all(path), [prefix])
        for length, states in ((31, {"free": 2}), (32, {"free": 1})):
            self.assertEqual(self.states(self.plan(length)[0]), states)
        gated = self.pool()
        network = network_of(24)
        self.prefix(gated, network, gateway=str(network[1]))
        self.assertEqual(self.states(gated), {"free": 253, "reserved": 3})

    def test_what_a_prefix_must_be(self):
        four, six = self.pool(), self.pool(6)
        path = "/v1/address-pools/{}/prefixes"
        network = network_of()
        for pool, body in ((four, {"prefix": "2001:db8::/48", "delegated_length": 56}),
                           (four, {"prefix": f"{network[1]}/24"}),
                           (four, {"prefix": "100.0.0.0/15"}),
                           (four, {"prefix": str(network), "delegated_length": 32}),
                           (four, {"prefix": str(network), "gateway": "192.0.2.1"}),
                           (six, {"prefix": "2001:db8::/48"}),
                           (six, {"prefix": "2001:db8::/48", "delegated_length": 47}),
                           (six, {"prefix": "2001:db8::/39", "delegated_length": 56})):
            self.expect(self.platform.post(path.format(pool["id"]), body), 422, "value_refused")
        self.expect(self.platform.post(path.format("apl_01k8x7g0v8e2v9m3b1q4t5y6z7"),
                                       {"prefix": str(network)}), 404)

    def test_no_two_overlap_across_pools(self):
        _, _, network = self.plan()
        other = self.pool()
        path = f"/v1/address-pools/{other['id']}/prefixes"
        for each in (network, next(network.subnets(new_prefix=30)), network.supernet(new_prefix=23)):
            self.expect(self.platform.post(path, {"prefix": str(each)}), 409, "conflict_unique")

    def test_prefixes_that_overlap_added_at_once(self):
        network = network_of(20)
        pools = [self.pool() for _ in range(4)]
        wanted = list(network.subnets(new_prefix=22)) + list(network.subnets(new_prefix=21)) + [network] * 2

        def add(number):
            return self.platform.post(f"/v1/address-pools/{pools[number % 4]['id']}/prefixes",
                                      {"prefix": str(wanted[number])})

        answers = self.at_once(len(wanted), add)
        self.assertEqual({answer.status for answer in answers} - {201, 409}, set())
        added = [ipaddress.ip_network(answer.json["prefix"]) for answer in answers if answer.status == 201]
        self.assertGreater(len(added), 0)
        self.assertFalse(any(a.overlaps(b) for a in added for b in added if a is not b))

    def test_ipv6_is_delegated_in_prefixes(self):
        network = network6_of(48)
        pool = self.pool(6)
        self.prefix(pool, network, delegated_length=56, gateway=str(network[1]))
        self.assertEqual(self.states(pool), {"free": 255, "reserved": 1})
        line = self.line()
        expected = [str(each) for each in list(network.subnets(new_prefix=56))[1:3]]
        self.assertEqual([self.give(line, pool_id=pool["id"])["address"] for _ in range(2)], expected)
        named = str(list(network.subnets(new_prefix=56))[200])
        self.assertEqual(self.give(line, address=named)["address"], named)
        self.give(line, address=str(network[5]), status=409, code="address_unavailable")
        found = self.platform.all("/v1/address-assignments", {
            "address": str(ipaddress.ip_network(expected[0])[77])})
        self.assertEqual([each["resource_id"] for each in found], [line["id"]])

    def test_the_largest_prefixes(self):
        high, pool = ipaddress.ip_network("fd00:ffff:ffff::/48"), self.pool(6)
        self.prefix(pool, high, delegated_length=64)
        self.assertEqual(self.states(pool), {"free": 65536})
        last = list(high.subnets(new_prefix=64))[-1]
        self.assertEqual(self.give(self.line(), address=str(last))["address"], str(last))

    def test_a_prefix_is_withdrawn_when_nothing_is_assigned(self):
        pool, prefix, network = self.plan(30)
        line = self.line()
        given = self.give(line, pool_id=pool["id"])
        path = f"/v1/address-pools/{pool['id']}/prefixes/{prefix['id']}/withdraw"
        self.expect(self.platform.post(path), 409, "state_conflict")
        self.take(line, given)
        withdrawn = self.expect(self.platform.post(path), 200)
        self.assertEqual(withdrawn["state"], "withdrawn")
        self.assertEqual(self.states(pool), {})
        self.expect(self.platform.post(path), 409, "state_conflict")
        self.give(line, pool_id=pool["id"], status=409, code="addresses_exhausted")
        again = self.prefix(pool, network)
        self.assertNotEqual(again["id"], prefix["id"])
        self.assertEqual([each["state"] for each in self.platform.all(
            f"/v1/address-pools/{pool['id']}/prefixes")], ["active", "withdrawn"])

    def test_what_lines_have_of_a_new_prefix_stays_theirs(self):
        network = network_of(29)
        line = self.line()
        self.change(line, static_address=str(network[3]))
        self.assertIsNone(self.shown(line)["addresses"][0]["pool_id"])
        pool = self.pool()
        self.prefix(pool, network)
        self.assertEqual(self.states(pool), {"free": 5, "reserved": 2, "assigned": 1})
        self.assertEqual(self.shown(line)["addresses"][0]["pool_id"], pool["id"])


class TestLines(AddressTest):
    def test_the_lowest_free_one_first(self):
        pool, _, network = self.plan(29)
        line = self.line()
        given = [self.give(line, pool_id=pool["id"]) for _ in range(3)]
        self.assertEqual([each["address"] for each in given], [str(network[each]) for each in (1, 2, 3)])
        shown = self.shown(line)["addresses"]
        self.assertEqual([each["address"] for each in shown], [each["address"] for each in given])
        path = f"/v1/resources/{line['id']}/addresses"
        self.assertEqual(self.owner.all(path), given[::-1])
        self.assertEqual(self.owner.all(path, {"ended": True}), [])
        self.assertEqual(self.expect(self.platform.get(f"{path}/{given[0]['id']}"), 200), given[0])

    def test_an_address_rests_before_it_is_taken_again(self):
        pool, _, network = self.plan(30)
        line, other = self.line(), self.line()
        first, second = (self.give(line, pool_id=pool["id"]) for _ in "12")
        ended = self.take(line, first)
        self.assertIsNotNone(ended["ended_at"])
        self.assertEqual(self.states(pool), {"assigned": 1, "quarantined": 1, "reserved": 2})
        refused = self.give(other, pool_id=pool["id"], status=409, code="addresses_exhausted")
        self.assertIn(pool["id"], refused["detail"])
        self.assertIn(pool["code"], refused["detail"])
        self.give(other, address=first["address"], status=409, code="address_unavailable")
        self.rest_is_over(pool)
        self.assertEqual(self.give(other, pool_id=pool["id"])["address"], first["address"])
        self.assertEqual(self.take(line, second)["address"], str(network[2]))

    def test_rested_ones_come_last(self):
        pool, _, network = self.plan(29)
        line = self.line()
        first = self.give(line, pool_id=pool["id"])
        self.take(line, first)
        self.rest_is_over(pool)
        given = [self.give(line, pool_id=pool["id"])["address"] for _ in range(6)]
        self.assertEqual(given, [str(network[each]) for each in (2, 3, 4, 5, 6, 1)])

    def test_without_quarantine_it_is_there_at_once(self):
        pool, _, _ = self.plan(32, quarantine_hours=0)
        line = self.line()
        first = self.give(line, pool_id=pool["id"])
        self.take(line, first)
        self.assertEqual(self.give(line, pool_id=pool["id"])["address"], first["address"])

    def test_a_static_address_comes_from_the_plan(self):
        pool, _, network = self.plan(29)
        line = self.line(self.platform, static_address=str(network[5]))
        self.assertEqual(line["broadband"]["static_address"], str(network[5]))
        self.assertEqual([each["address"] for each in line["broadband"]["addresses"]], [str(network[5])])
        other = self.line()
        self.change(other, static_address=str(network[5]), status=409, code="address_unavailable")
        self.change(other, static_address=str(network[0]), status=409, code="address_unavailable")
        self.request_line(self.platform, static_address=str(network[5]), status=409, code="address_unavailable")
        self.change(line, static_address=str(network[5]))
        self.change(line, static_address=str(network[4]))
        self.assertEqual(self.states(pool), {"free": 4, "reserved": 2, "assigned": 1, "quarantined": 1})
        gone = self.change(line, static_address=None)["broadband"]
        self.assertEqual((gone["static_address"], gone["addresses"]), (None, []))
        self.assertEqual(self.states(pool)["quarantined"], 2)

    def test_one_that_it_has_becomes_the_static_one(self):
        pool, _, network = self.plan(29)
        line = self.line()
        given = self.give(line, pool_id=pool["id"])
        changed = self.change(line, static_address=given["address"])["broadband"]
        self.assertEqual([each["id"] for each in changed["addresses"]], [given["id"]])
        self.take(line, given)
        self.assertEqual((self.shown(line)["static_address"], self.shown(line)["addresses"]), (None, []))
        self.assertEqual(str(network[1]), given["address"])

    def test_outside_of_the_plan_it_is_as_ever(self):
        line, other = self.line(), self.line()
        address = str(network_of()[9])
        self.change(line, static_address=address)
        self.change(other, static_address=address, status=409, code="conflict_unique")
        self.give(other, address=address, status=422, code="reference_unknown")
        self.change(line, static_address=None)
        self.change(other, static_address=address)

    def test_what_a_line_cannot_have(self):
        pool, prefix, network = self.plan(29)
        dynamic, _, there = self.plan(29, purpose="dynamic")
        line = self.line()
        self.give(line, pool_id=dynamic["id"], status=409, code="address_unavailable")
        self.change(line, static_address=str(there[1]), status=409, code="address_unavailable")
        self.give(line, pool_id="apl_01k8x7g0v8e2v9m3b1q4t5y6z7", status=422, code="reference_unknown")
        self.give(line, pool_id=pool["id"], address=str(network[1]), status=422, code="value_refused")
        software = self.request_resource(self.owner, "software")
        self.give(software, pool_id=pool["id"], status=404)
        self.expect(self.owner.post(f"/v1/resources/{line['id']}/addresses", {"pool_id": pool["id"]}), 403)
        self.expect(self.platform.post(f"/v1/address-pools/{pool['id']}/retire"), 200)
        self.give(line, pool_id=pool["id"], status=409, code="address_unavailable")
        self.act(line, "terminate")
        self.give(line, pool_id=pool["id"], status=409, code="state_conflict")
        self.assertEqual(prefix["pool_id"], pool["id"])

    def test_a_line_has_sixteen_at_most(self):
        pool, _, _ = self.plan(27)
        line = self.line()
        given = [self.give(line, pool_id=pool["id"]) for _ in range(16)]
        self.give(line, pool_id=pool["id"], status=409, code="line_addresses_limit")
        self.take(line, given[3])
        self.give(line, pool_id=pool["id"])
        self.assertEqual(self.states(pool)["assigned"], 16)

    def test_what_ends_gives_back(self):
        pool, _, network = self.plan(29)
        line = self.line(self.platform, static_address=str(network[1]))
        self.give(line, pool_id=pool["id"])
        self.act(line, "terminate")
        self.assertEqual(self.states(pool)["assigned"], 2)
        self.assertEqual(self.act(line, "terminate")["broadband"]["addresses"], [])
        rejected = self.request_line(self.platform, static_address=str(network[3]))
        self.act(rejected, "reject")
        withdrawn = self.request_line(self.platform, static_address=str(network[4]))
        self.act(withdrawn, "terminate", client=self.owner)
        self.assertEqual(self.states(pool), {"free": 2, "reserved": 2, "quarantined": 4})

    def test_taking_one_away(self):
        pool, _, _ = self.plan(29)
        line = self.line()
        given = self.give(line, pool_id=pool["id"])
        path = f"/v1/resources/{line['id']}/addresses/{given['id']}"
        etag = self.platform.get(path).etag
        self.expect(self.platform.delete(path), 428)
        self.expect(self.owner.delete(path, if_match=etag), 403)
        resource = self.platform.get(f"/v1/resources/{line['id']}").etag
        ended = self.platform.delete(path, if_match=etag)
        self.expect(ended, 200)
        self.assertNotEqual(self.platform.get(f"/v1/resources/{line['id']}").etag, resource)
        self.expect(self.platform.delete(path, if_match=etag), 412)
        again = self.platform.delete(path, if_match=ended.etag)
        self.assertEqual((again.json, again.etag), (ended.json, ended.etag))

    def test_who_had_it_when(self):
        pool, _, _ = self.plan(32, quarantine_hours=0)
        first, second = self.line(), self.line()
        earlier = self.take(first, self.give(first, pool_id=pool["id"]))
        later = self.give(second, pool_id=pool["id"])
        where = {"address": later["address"]}
        self.assertEqual(self.platform.all("/v1/address-assignments", where), [later, earlier])
        self.assertEqual(self.platform.all("/v1/address-assignments", {
            **where, "at": earlier["assigned_at"]}), [earlier])
        self.assertEqual(self.platform.all("/v1/address-assignments", {
            **where, "at": later["assigned_at"]}), [later])
        self.assertEqual(self.platform.all("/v1/address-assignments", {
            "resource_id": first["id"], "tenant": self.renter["id"]}), [earlier])
        self.expect(self.owner.get("/v1/address-assignments"), 403)


class TestCrowd(AddressTest):
    def test_the_last_addresses_are_given_once(self):
        pool, prefix, network = self.plan(26)
        holder = self.line(self.platform)
        for each in range(1, 13):
            self.give(holder, address=str(network[each]))
        self.assertEqual(self.states(pool)["free"], LEFT)
        lines = [self.line(self.platform) for _ in range(25)]

        def ask(number):
            return self.platform.post(f"/v1/resources/{lines[number % len(lines)]['id']}/addresses",
                                      {"pool_id": pool["id"]})

        answers = self.at_once(CROWD, ask)
        given = [answer.json["address"] for answer in answers if answer.status == 201]
        refused = [answer for answer in answers if answer.status != 201]
        self.assertEqual(len(given), LEFT)
        self.assertEqual(set(given), {str(network[each]) for each in range(13, 63)})
        self.assertEqual({(answer.status, answer.code) for answer in refused}, {(409, "addresses_exhausted")})
        self.assertTrue(all(pool["id"] in answer.json["detail"] for answer in refused))
        self.assertNotIn("40P01", self.daemon.log())
        self.assertEqual(prefix["state"], "active")

    def test_bug_0097_who_passes_by_holds_nothing(self):
        """Two that found no free address waited for one another: each held what it had passed by."""
        pool, _, _ = self.plan(26)
        database = self.database()
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            script.write(f"""
                begin;
                with taken as materialized (select next_address('{pool["id"]}') as address)
                update addresses d set state = 'reserved' from taken t where d.address = t.address;
                select pg_sleep(0.002);
                commit;""")
            script.flush()
            for _ in range(3):
                database.execute(f"update addresses set state = 'free' where pool_id = '{pool['id']}'")
                done = subprocess.run(
                    [os.path.join(os.path.dirname(PSQL), "pgbench"), "-n", "-c", "60", "-t", "2", "-f", script.name, "-h",
                     database.socket_directory(), "-U", database.role, "bccd"],
                    check=False, capture_output=True, text=True, timeout=120)
                self.assertIn("number of failed transactions: 0 ", done.stdout, done.stdout + done.stderr)
        self.assertEqual(self.states(pool), {"reserved": 64})

    def test_who_lets_go_leaves_it_to_who_waits(self):
        """The last address is being taken, and then not; whoever came meanwhile has it."""
        pool, _, network = self.plan(32)
        line = self.line()
        [answer] = self.behind(
            f"select from addresses where address = '{network[0]}' for update", "line_address_add",
            lambda: self.platform.post(f"/v1/resources/{line['id']}/addresses", {"pool_id": pool["id"]}))
        self.assertEqual(self.expect(answer, 201)["address"], str(network[0]))

    def test_ends_and_takes_at_once(self):
        """Lines that end, lines that take: in every order the plan stays whole and nobody waits for ever."""
        point = self.access_point(capacity=100)
        pool, _, _ = self.plan(28, quarantine_hours=0, access_point_id=point["id"])
        lines = [self.line(self.platform, access_point_id=point["id"]) for _ in range(10)]
        for line in lines:
            self.give(line, pool_id=pool["id"])
        for line in lines[:5]:
            self.act(line, "terminate")

        def run(number):
            if number < 5:
                return self.platform.post(f"/v1/resources/{lines[number]['id']}/terminate", {})
            if number < 10:
                return self.platform.post(f"/v1/resources/{lines[number]['id']}/addresses",
                                          {"pool_id": pool["id"]})
            return self.platform.post("/v1/resources", {
                **self.order(access_point_id=point["id"]), "tenant": self.renter["id"]})

        answers = self.at_once(20, run)
        self.assertLessEqual({answer.status for answer in answers}, {200, 201, 409})
        self.check_places()
        self.assertNotIn("40P01", self.daemon.log())


class TestProperty(AddressTest):
    """Any sequence of what can be done: what the plan should be is what it is."""

    def test_any_sequence(self):
        seed = random.randrange(2**32)
        print("seed", seed)
        choose = random.Random(seed)
        pool, _, network = self.plan(29, quarantine_hours=0)
        lines = [self.line(self.platform) for _ in range(3)]
        has = {line["id"]: {} for line in lines}  # address: assignment
        free, rested = [str(each) for each in network.hosts()], []
        for _ in range(STEPS):
            line = choose.choice(lines)
            mine = has[line["id"]]
            if choose.random() < 0.5:
                left = free or rested
                if left:
                    given = self.give(line, pool_id=pool["id"])
                    self.assertEqual(given["address"], left.pop(0))
                    mine[given["address"]] = given
                else:
                    self.give(line, pool_id=pool["id"], status=409, code="addresses_exhausted")
            elif mine:
                address = choose.choice(sorted(mine))
                self.take(line, mine.pop(address))
                rested.append(address)
            self.assertEqual({each["address"] for each in self.shown(line)["addresses"]}, set(mine))
        self.check_addresses()
        self.assertEqual(self.states(pool).get("free", 0), len(free))

    def test_what_a_prefix_is_divided_into(self):
        """As Python divides it."""
        choose = random.Random(20261127)
        for _ in range(40):
            if choose.random() < 0.5:
                length = choose.randrange(22, 33)
                prefix = ipaddress.ip_network((choose.getrandbits(32), 32)).supernet(new_prefix=length)
                delegated, expected = "null", [str(each) for each in prefix]
            else:
                delegated = choose.randrange(8, 65)
                length = choose.randrange(max(delegated - 8, 1), delegated + 1)
                prefix = ipaddress.ip_network((choose.getrandbits(128), 128)).supernet(new_prefix=length)
                expected = [str(each) for each in prefix.subnets(new_prefix=delegated)]
            rows = self.database().rows(
                f"select address_text(a) as text from addresses_of('{prefix}', {delegated}) a order by a")
            self.assertEqual([row["text"] for row in rows], expected)

    def test_ids_that_the_schema_makes(self):
        """TypeIDs over UUIDv7, as the daemon's."""
        rows = self.database().rows("select make_identifier('adr') as id from generate_series(1, 2000)")
        now = time.time() * 1000
        for row in rows:
            prefix, _, text = row["id"].partition("_")
            bits = 0
            for letter in text:
                bits = bits * 32 + ALPHABET.index(letter)
            self.assertEqual((prefix, len(text)), ("adr", 26))
            self.assertEqual((bits >> 76 & 0xf, bits >> 62 & 3), (7, 2))
            self.assertLess(abs((bits >> 80) - now), 120_000)
        self.assertEqual(len({row["id"] for row in rows}), len(rows))


if __name__ == "__main__":
    unittest.main()
