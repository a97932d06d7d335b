"""Terms: until which day a resource is rented, how that is made longer, and what happens when it is over."""

import datetime
import unittest

from harness import ApiTest
from vendors import VendorTest

DAY = datetime.timedelta(days=1)


class TermTest(ApiTest):
    def setUp(self):
        super().setUp()
        self.tenant_made, self.owner = self.tenant()
        self.today = datetime.date.fromisoformat(self.database().value("select platform_today()::text"))

    def day(self, ahead):
        return (self.today + ahead * DAY).isoformat()

    def now(self, resource):
        return self.expect(self.platform.get(f"/v1/resources/{resource['id']}"), 200)

    def renew(self, resource, until, status=200, code=None, client=None):
        return self.expect((client or self.owner).post(f"/v1/resources/{resource['id']}/renew", {"rented_until": until}),
                           status, code)

    def over(self, *resources):
        """The last day of their terms was the day before yesterday."""
        names = ", ".join(f"'{each['id']}'" for each in resources)
        self.database().execute(f"update resources set rented_until = platform_today() - 2 where id in ({names}); "
                                "update operations set not_before = now() where kind = 'expire_resources' and state = 'queued'")

    def ended(self, resource, state):
        return self.eventually(lambda: (found := self.now(resource))["state"] == state and found)

    def last(self, resource):
        return self.platform.all(f"/v1/resources/{resource['id']}/history")[0]


class TestRenewing(TermTest):
    def test_a_term_is_made_longer(self):
        line = self.resource(self.owner, "broadband", rented_until=self.day(30))
        self.assertEqual(line["rented_until"], self.day(30))
        self.assertIn("renew", line["actions"])
        self.assertEqual(self.renew(line, self.day(60))["rented_until"], self.day(60))
        self.assertEqual(self.last(line)["action"], "renew")
        self.renew(line, self.day(60), 422, "term_refused")
        self.renew(line, self.day(59), 422, "term_refused")
        self.renew(line, self.day(5000), 422, "term_refused")
        self.assertEqual(self.renew(line, self.day(40), client=self.platform)["rented_until"], self.day(40))
        self.renew(line, self.day(-1), 422, "term_refused", client=self.platform)
        self.assertIsNone(self.renew(line, None)["rented_until"])
        self.renew(line, self.day(90), 422, "term_refused")
        self.assertEqual(self.renew(line, self.day(1), client=self.platform)["rented_until"], self.day(1))

    def test_what_is_refused_at_the_beginning(self):
        for wrong in (self.day(-1), self.day(5000)):
            offer = self.catalog()["software"]
            self.expect(self.owner.post("/v1/resources", {
                "kind": "software", "offering_id": offer["offering"]["id"], "plan_id": offer["plan"]["id"],
                "name": "x", "software": {"seats": 1}, "rented_until": wrong}), 422, "term_refused")
        made = self.request_resource(self.owner, "software", rented_until=self.day(0))
        self.renew(made, self.day(9), 409, "state_conflict")

    def test_those_that_end_soon(self):
        soon, late = (self.resource(self.owner, "software", rented_until=self.day(each)) for each in (3, 300))
        self.resource(self.owner, "software")
        self.assertEqual([each["id"] for each in self.owner.all("/v1/resources", {"rented_until[lte]": self.day(30)})],
                         [soon["id"]])
        self.assertEqual({each["id"] for each in self.owner.all("/v1/resources", {"rented_until[lte]": self.day(300)})},
                         {soon["id"], late["id"]})

    def test_a_device_is_due_with_it(self):
        rented = self.resource(self.owner, "terminal", rented_until=self.day(30))
        device = rented["terminal"]["terminal"]
        self.assertEqual(device["due_on"], self.day(30))
        self.assertEqual(self.renew(rented, self.day(45))["terminal"]["terminal"]["due_on"], self.day(45))
        found = self.expect(self.platform.get(f"/v1/terminals/{device['id']}"), 200)
        self.assertEqual(found["due_on"], self.day(45))
        self.assertIsNone(self.renew(rented, None)["terminal"]["terminal"]["due_on"])


class TestTheEnd(TermTest):
    def test_each_kind(self):
        software, line, rented = (self.resource(self.platform, kind, (self.today - 9 * DAY).isoformat() + "T04:00:00Z",
                                                tenant=self.tenant_made["id"], rented_until=self.day(5))
                                  for kind in ("software", "broadband", "terminal"))
        suspended = self.resource(self.owner, "software")
        self.act(suspended, "suspend", client=self.owner)
        asked = self.request_resource(self.owner, "terminal")
        running = self.resource(self.owner, "software", rented_until=self.day(0))
        self.over(software, line, rented, suspended, asked)
        self.ended(software, "terminated")
        self.ended(line, "terminating")
        self.ended(rented, "terminating")
        self.ended(suspended, "terminated")
        self.ended(asked, "terminated")
        self.assertEqual(self.now(running)["state"], "active")
        for each in (software, line, rented):
            last = self.last(each)
            self.assertEqual((last["action"], last["reason"], last["actor"].partition("_")[0]), ("terminate", "term_ended", "op"))
            self.assertEqual(last["effective_at"], self.database().value(
                "select instant_text((platform_today() - 1)::timestamp at time zone p.time_zone) from platform p"))
        # What has counted since is not undone.
        self.assertGreater(self.last(suspended)["effective_at"], self.last(software)["effective_at"])
        self.assertEqual(self.now(rented)["terminal"]["terminal"]["state"], "rented")


class TestVendorsEnd(VendorTest):
    def test_what_a_vendor_has(self):
        made = self.subscribed()
        self.database().execute(f"update resources set rented_until = platform_today() - 2 where id = '{made['id']}'; "
                                "update operations set not_before = now() where kind = 'expire_resources' and state = 'queued'")
        self.becomes(made, "terminated")
        self.assertEqual(self.vendor.instances, {})


if __name__ == "__main__":
    unittest.main()
