"""Orders that renew a term, put a line on a tier, or change what a vendor provides."""

import datetime
import unittest

from broadband import BroadbandTest
from harness import unique
from vendors import VendorTest

DAY = datetime.timedelta(days=1)


class RenewalTest(BroadbandTest):
    def setUp(self):
        super().setUp()
        self.today = datetime.date.fromisoformat(self.database().value("select platform_today()::text"))

    def day(self, ahead):
        return (self.today + ahead * DAY).isoformat()

    def draft(self, *items, status=201, code=None):
        return self.expect(self.owner.post("/v1/orders", {"items": list(items)}), status, code)

    def placed(self, *items):
        return self.expect(self.owner.post(f"/v1/orders/{self.draft(*items)['id']}/place"), 200)

    def now(self, resource):
        return self.expect(self.owner.get(f"/v1/resources/{resource['id']}"), 200)

    def item(self, **fields):
        offer = self.catalog()["broadband"]
        return {"action": "rent_broadband", "offering_id": offer["offering"]["id"], "plan_id": offer["plan"]["id"],
                "name": "专线", **fields}


class TestRenewals(RenewalTest):
    def test_a_term_by_an_order(self):
        [made] = self.placed(self.item(broadband={
            "line": unique("line"), "access_technology": "gpon", "maximum_downstream_kbit": 100000,
            "maximum_upstream_kbit": 20000}, rented_until=self.day(20)))["items"][0]["resources"]
        self.act(made, "provision")
        self.act(made, "activate")
        self.assertEqual(self.now(made)["rented_until"], self.day(20))
        renew = {"action": "renew", "resource_id": made["id"], "rented_until": self.day(400)}
        order = self.draft(renew)
        quote = self.expect(self.owner.post("/v1/orders/quote", {"items": [renew]}), 200)
        self.assertEqual((quote["one_off"]["amount"], quote["recurring"]["amount"]), ("0.00", "100.00"))
        # The first bill of it begins with the day after the term.
        begins = self.today + 21 * DAY
        following = (begins.replace(day=1) + 32 * DAY).replace(day=1)
        days = (following - begins.replace(day=1)).days
        left = (following - begins).days
        self.assertEqual(quote["first_bill"]["net"]["amount"], f"{(10000 * left * 2 + days) // (2 * days) / 100:.2f}")
        done = self.expect(self.owner.post(f"/v1/orders/{order['id']}/place"), 200)
        self.assertEqual((done["state"], done["items"][0]["state"]), ("completed", "completed"))
        self.assertEqual(self.now(made)["rented_until"], self.day(400))
        latest = self.owner.all(f"/v1/resources/{made['id']}/history")[0]
        self.assertEqual((latest["action"], latest["reason"]), ("renew", order["id"]))
        self.assertEqual([each["kind"] for each in self.platform.all("/v1/work-orders", {"tenant": self.renter["id"]})],
                         ["install"])

    def test_what_is_refused(self):
        line = self.line(self.owner)
        self.draft({"action": "renew", "resource_id": line["id"], "rented_until": self.day(9)}, status=422, code="term_refused")
        asked = self.request_resource(self.owner, "software", rented_until=self.day(9))
        self.draft({"action": "renew", "resource_id": asked["id"], "rented_until": self.day(90)}, status=409,
                   code="state_conflict")
        self.draft(self.item(broadband={"line": "x", "access_technology": "gpon"}), status=422, code="value_refused")
        self.draft(self.item(broadband={"line": "x", "access_technology": "gpon", "maximum_downstream_kbit": 1,
                                        "maximum_upstream_kbit": 1}, rented_until=self.day(-1)), status=422, code="term_refused")
        self.draft({"action": "change", "resource_id": asked["id"], "broadband": {"tier_id": self.tier()["id"]}},
                   status=422, code="change_refused")
        self.draft({"action": "change", "resource_id": line["id"], "broadband": {"tier_id": self.tier()["id"]}},
                   status=403, code="forbidden")


class TestTiers(RenewalTest):
    def test_a_line_on_a_tier_and_another_from_next_month(self):
        tier, other, point = self.tier(), self.tier(self_service=True), self.access_point()
        [made] = self.placed(self.item(broadband={
            "line": unique("line"), "access_technology": "gpon", "tier_id": tier["id"],
            "access_point_id": point["id"]}))["items"][0]["resources"]
        self.act(made, "provision")
        self.act(made, "activate")
        shown = self.now(made)["broadband"]
        self.assertEqual((shown["tier_id"], shown["maximum_downstream_kbit"], shown["access_point_id"]),
                         (tier["id"], 300000, point["id"]))
        order = self.placed({"action": "change", "resource_id": made["id"], "broadband": {"tier_id": other["id"]},
                             "effective": "period_end"})
        self.assertEqual(order["state"], "completed")
        shown = self.now(made)["broadband"]
        self.assertEqual((shown["tier_id"], shown["next_tier"]["tier_id"]), (tier["id"], other["id"]))


class TestVendors(VendorTest):
    def change(self, made, **fields):
        order = self.expect(self.owner.post("/v1/orders", {"items": [
            {"action": "change", "resource_id": made["id"], "software": {"seats": 8}, **fields}]}), 201)
        return self.expect(self.owner.post(f"/v1/orders/{order['id']}/place"), 200)

    def ended(self, order):
        return self.eventually(lambda: (found := self.expect(self.owner.get(f"/v1/orders/{order['id']}"), 200))
                               ["ended_at"] and found)

    def test_a_change_ends_with_the_vendors_word(self):
        made = self.subscribed()
        self.vendor.moods["PATCH"] = ["asynchronous"]
        order = self.change(made)
        self.assertEqual((order["state"], order["items"][0]["state"]), ("in_progress", "in_progress"))
        self.assertEqual(self.ended(order)["state"], "completed")
        self.assertEqual(self.now(made)["software"]["seats"], 8)
        self.vendor.moods["PATCH"] = ["unsupported"]
        order = self.ended(self.change(made, software={"seats": 9}))
        item = order["items"][0]
        self.assertEqual((order["state"], item["state"], item["failure"]["code"]), ("cancelled", "failed", "vendor_rejected"))
        self.assertIn("Over the quota", item["failure"]["detail"])
        self.assertEqual(self.now(made)["software"]["seats"], 8)


if __name__ == "__main__":
    unittest.main()
