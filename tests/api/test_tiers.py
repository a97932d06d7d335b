"""Tiers: whose rates lines have, from when, and who may change them."""

import datetime
import unittest
import zoneinfo

from broadband import BroadbandTest
from harness import unique

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")


def ahead(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime(
        "%Y-%m-%dT%H:%M:%S.%fZ")


def next_month():
    """The start of the next calendar month where the platform is."""
    now = datetime.datetime.now(ZONE)
    first = datetime.datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=ZONE)
    return first.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class TierTest(BroadbandTest):
    def authorized(self, line):
        """What FreeRADIUS is answered for a line, by attribute."""
        answer = self.radius().post("/radius/v1/authorize", {
            "User-Name": {"type": "string", "value": [line["broadband"]["login"]]}}, check=False)
        return {name.partition(":")[2]: each["value"] for name, each in self.expect(answer, 200).items()}


class TestTiers(TierTest):
    def test_what_is_written_is_read(self):
        offering = self.catalog()["broadband"]["offering"]["id"]
        tier = self.tier(code=unique("m300"), offering_id=offering, name_en="300 Mbit/s",
                         committed_downstream_kbit=1000, session_timeout=86400, idle_timeout=None)
        self.assertEqual((tier["session_timeout"], tier["idle_timeout"], tier["self_service"], tier["state"],
                          tier["committed_upstream_kbit"]), (86400, None, False, "active", 0))
        path = f"/v1/broadband-tiers/{tier['id']}"
        answer = self.owner.get(path)
        self.assertEqual(self.expect(answer, 200), tier)
        self.assertEqual(self.owner.all("/v1/broadband-tiers", {
            "code": tier["code"], "offering_id": offering, "state": "active"}), [tier])
        changed = self.expect(self.platform.patch(path, {"name": "别名", "self_service": True},
                                                  if_match=answer.etag), 200)
        self.assertEqual((changed["name"], changed["self_service"]), ("别名", True))
        self.expect(self.platform.patch(path, {"name": "x"}, if_match=answer.etag), 412)
        self.expect(self.platform.patch(path, {"maximum_downstream_kbit": 1}, if_match="*"), 422)
        self.expect(self.owner.patch(path, {"name": "x"}, if_match="*"), 403)
        self.expect(self.platform.post("/v1/broadband-tiers", {
            "code": unique("t"), "name": "x", "maximum_downstream_kbit": 1, "maximum_upstream_kbit": 1,
            "committed_upstream_kbit": 2}), 422, "value_refused")
        self.expect(self.platform.post("/v1/broadband-tiers", {
            "code": unique("t"), "name": "x", "maximum_downstream_kbit": 1, "maximum_upstream_kbit": 1,
            "offering_id": self.catalog()["software"]["offering"]["id"]}), 422, "reference_unknown")

    def test_a_retired_one_takes_no_lines(self):
        tier = self.tier()
        line = self.line(tier_id=tier["id"])
        path = f"/v1/broadband-tiers/{tier['id']}"
        self.assertEqual(self.expect(self.platform.post(f"{path}/retire"), 200)["state"], "retired")
        self.expect(self.platform.post(f"{path}/retire"), 409, "state_conflict")
        self.request_line(tier_id=tier["id"], status=422, code="reference_unknown")
        self.assertEqual(self.shown(line)["tier_id"], tier["id"])
        self.assertEqual(self.expect(self.platform.post(f"{path}/reopen"), 200)["state"], "active")
        self.request_line(tier_id=tier["id"])

    def test_a_line_has_its_tiers_rates(self):
        tier = self.tier(committed_upstream_kbit=7, session_timeout=3600, idle_timeout=600)
        line = self.line(tier_id=tier["id"], password="kT9-wes-31q")
        part = line["broadband"]
        self.assertEqual({name: part[name] for name in part if name.endswith("kbit")},
                         {name: tier[name] for name in tier if name.endswith("kbit")})
        self.assertEqual((part["tier_id"], part["next_tier"]), (tier["id"], None))
        answer = self.authorized(line)
        self.assertEqual((answer["Mikrotik-Rate-Limit"], answer["Session-Timeout"], answer["Idle-Timeout"],
                          answer["Filter-Id"]), (["30000k/300000k"], [3600], [600], [tier["code"]]))
        self.change(line, status=422, code="change_refused", maximum_downstream_kbit=1)

    def test_without_a_tier_the_rates_are_said(self):
        order = self.order()
        for name in ("maximum_downstream_kbit", "maximum_upstream_kbit"):
            del order["broadband"][name]
        refused = self.expect(self.owner.post("/v1/resources", order), 422, "validation_failed")
        self.assertEqual([(each["pointer"], each["code"]) for each in refused["errors"]],
                         [("/broadband/maximum_downstream_kbit", "missing_field"),
                          ("/broadband/maximum_upstream_kbit", "missing_field")])
        chinese = self.owner.post("/v1/resources", order, headers={"Accept-Language": "zh-CN"})
        self.assertIn("tier_id", self.expect(chinese, 422)["errors"][0]["detail"])

    def test_of_another_offering(self):
        other = self.offer("broadband")["offering"]["id"]
        foreign, own = self.tier(offering_id=other), self.tier(
            offering_id=self.catalog()["broadband"]["offering"]["id"])
        self.request_line(tier_id=foreign["id"], status=422, code="reference_unknown")
        line = self.line(tier_id=own["id"])
        self.change(line, tier_id=foreign["id"], status=422, code="reference_unknown")

    def test_rates_ordered_beside_a_tier_are_the_tiers(self):
        tier = self.tier()
        line = self.request_line(tier_id=tier["id"], maximum_downstream_kbit=5)
        self.assertEqual(line["broadband"]["maximum_downstream_kbit"], 300000)


class TestChanges(TierTest):
    def test_now(self):
        slow, fast = self.tier(maximum_downstream_kbit=1000), self.tier()
        line = self.line(password="kT9-wes-31q")
        self.assertEqual(self.shown(line)["tier_id"], None)
        self.assertEqual(self.change(line, tier_id=slow["id"])["broadband"]["maximum_downstream_kbit"], 1000)
        changed = self.change(line, body={"effective": "now"}, tier_id=fast["id"])["broadband"]
        self.assertEqual((changed["tier_id"], changed["maximum_downstream_kbit"]), (fast["id"], 300000))
        self.assertEqual(self.authorized(line)["Mikrotik-Rate-Limit"], ["30000k/300000k"])

    def test_at_the_months_end(self):
        tier = self.tier()
        line = self.line()
        changed = self.change(line, body={"effective": "period_end"}, tier_id=tier["id"])["broadband"]
        self.assertEqual((changed["tier_id"], changed["maximum_downstream_kbit"]), (None, 100000))
        self.assertEqual(changed["next_tier"], {"tier_id": tier["id"], "starts_at": next_month()})
        plan = self.expect(self.owner.post(f"/v1/resources/{line['id']}/change", {
            "plan_id": line["plan_id"], "effective": "period_end"}), 200)
        self.assertEqual(plan["next_plan"]["starts_at"], next_month())
        now = self.change(line, tier_id=tier["id"])["broadband"]
        self.assertEqual((now["tier_id"], now["next_tier"]), (tier["id"], None))

    def test_what_cannot_wait(self):
        tier = self.tier()
        line = self.line()
        for part in ({"static_address": "198.51.100.9"}, {"password": "kT9-wes-31q"},
                     {"maximum_downstream_kbit": 5}):
            self.change(line, status=422, body={"effective": "period_end"}, **part)
        self.change(line, status=422, code="effective_at_refused", tier_id=tier["id"],
                    body={"effective": "now", "effective_at": ahead(60)})
        self.change(line, status=422, code="change_refused", tier_id=tier["id"], maximum_upstream_kbit=1)
        self.assertIsNone(self.shown(line)["next_tier"])

    def test_the_document_turns_at_the_instant(self):
        tier = self.tier()
        line = self.line(password="kT9-wes-31q")
        starts_at = ahead(4)
        self.change(line, tier_id=tier["id"], body={"effective_at": starts_at})
        before = self.shown(line)
        kept = self.database().value(
            f"select holds_until::text from resource_documents where resource_id = '{line['id']}' limit 1")
        self.assertNotEqual(kept, "infinity")
        if before["tier_id"] is None:
            self.assertEqual(before["maximum_downstream_kbit"], 100000)
        self.eventually(lambda: self.shown(line)["tier_id"] == tier["id"], 30)
        after = self.shown(line)
        self.assertEqual((after["maximum_downstream_kbit"], after["next_tier"]), (300000, None))
        self.assertGreaterEqual(datetime.datetime.now(datetime.timezone.utc).isoformat(), starts_at[:19])
        self.assertEqual(self.authorized(line)["Mikrotik-Rate-Limit"], ["30000k/300000k"])

    def test_bug_0093_what_was_to_come_ends_with_the_line(self):
        now, later = self.tier(), self.tier()
        line = self.line(tier_id=now["id"])
        self.change(line, tier_id=later["id"], body={"effective_at": ahead(86400)})
        self.assertEqual(self.shown(line)["next_tier"]["tier_id"], later["id"])
        self.act(line, "terminate")
        self.assertEqual([self.shown(line)[name] for name in ("tier_id", "next_tier")], [now["id"], None])
        self.assertEqual(self.database().rows(
            f"select number from line_tiers where resource_id = '{line['id']}' and ends_at is null"), [])

    def test_a_tenant_where_the_tier_allows_it(self):
        closed, free = self.tier(), self.tier(self_service=True)
        line = self.line()
        self.change(line, status=403, code="forbidden", client=self.owner, tier_id=closed["id"])
        self.change(line, status=403, code="forbidden", client=self.owner, tier_id=free["id"],
                    maximum_downstream_kbit=1)
        changed = self.change(line, client=self.owner, tier_id=free["id"], password="kT9-wes-31q")
        self.assertEqual((changed["broadband"]["tier_id"], changed["broadband"]["has_password"]),
                         (free["id"], True))
        later = self.change(line, client=self.owner, tier_id=free["id"], body={"effective_at": ahead(86400)})
        self.assertEqual(later["broadband"]["next_tier"]["tier_id"], free["id"])
        self.change(line, status=403, code="backdating_forbidden", client=self.owner, tier_id=free["id"],
                    body={"effective_at": ahead(-60)})

    def test_changes_at_once_leave_one_in_force(self):
        tiers = [self.tier(maximum_downstream_kbit=number + 1) for number in range(8)]
        line = self.line(self.platform)
        answers = self.at_once(16, lambda number: self.platform.post(
            f"/v1/resources/{line['id']}/change", {"broadband": {"tier_id": tiers[number % 8]["id"]}}))
        self.assertEqual({answer.status for answer in answers}, {200})
        rows = self.database().rows(f"""
            select number, starts_at, ends_at, lead(starts_at) over (order by number) as next
            from line_tiers where resource_id = '{line['id']}' order by number""")
        self.assertEqual([row["ends_at"] for row in rows], [row["next"] for row in rows])
        self.assertEqual(self.shown(line)["maximum_downstream_kbit"], self.database().value(f"""
            select t.maximum_downstream_kbit from line_tiers x join broadband_tiers t on t.id = x.tier_id
            where x.resource_id = '{line['id']}' and x.ends_at is null"""))


if __name__ == "__main__":
    unittest.main()
