"""Static addresses as an add-on to a line: given when it is activated, as many as are rented, and gone with it."""

import unittest

from broadband import BroadbandTest
from harness import OFFERINGS, unique


class AddressAddOnTest(BroadbandTest):
    def setUp(self):
        super().setUp()
        self.addresses, _, _ = self.plan()
        self.base = self.line(self.owner)
        self.offering = self.add_on([self.addresses["id"]])

    def add_on(self, pools, status=201, code=None, **fields):
        return self.expect(self.platform.post("/v1/offerings", {
            "code": unique("address"), "kind": "software", "name": "固定 IP", "tax_category": "broadband_access", "add_on": True,
            "requires_offering_ids": [self.catalog()["broadband"]["offering"]["id"]], "address_pool_ids": pools, **fields}),
            status, code)

    def priced(self, offering):
        plan = self.expect(self.platform.post("/v1/plans", {
            "offering_id": offering["id"], "code": unique("plan"), "name": "固定 IP", "charges": [OFFERINGS["software"][1]]}), 201)
        self.expect(self.platform.post(f"/v1/plans/{plan['id']}/publish"), 200)
        return plan

    def rented(self, count, base=None, offering=None):
        """Addresses for a line, from the request to their use."""
        offering = offering or self.offering
        made = self.expect(self.owner.post("/v1/resources", {
            "kind": "software", "offering_id": offering["id"], "plan_id": self.priced(offering)["id"], "name": "固定 IP",
            "base_resource_id": (base or self.base)["id"], "software": {"seats": count}}), 201)
        for action in ("approve", "provision"):
            self.act(made, action)
        return made

    def given(self, base=None):
        return self.shown(base or self.base)["addresses"]

    def assignments(self, base=None):
        return self.platform.all(f"/v1/resources/{(base or self.base)['id']}/addresses")

    def seats(self, made, count, status=200, code=None):
        return self.expect(self.owner.post(f"/v1/resources/{made['id']}/change", {"software": {"seats": count}}), status, code)

    def test_as_many_as_are_rented(self):
        made = self.rented(2)
        self.assertEqual(self.given(), [])
        self.act(made, "activate")
        first = self.given()
        self.assertEqual((len(first), {each["pool_id"] for each in first}), (2, {self.addresses["id"]}))
        self.assertEqual({each["add_on_id"] for each in self.assignments()}, {made["id"]})
        self.seats(made, 3)
        self.assertEqual([each["id"] for each in self.given()][:2], [each["id"] for each in first])
        self.assertEqual(len(self.given()), 3)
        self.seats(made, 1)
        self.assertEqual(self.given(), first[:1])
        # What the operator gives besides is its own, and not the add-on's; and the other way round.
        self.give(self.base, pool_id=self.addresses["id"])
        path = f"/v1/resources/{self.base['id']}/addresses/{first[0]['id']}"
        self.expect(self.platform.delete(path, if_match=self.platform.get(path).etag), 409, "state_conflict")
        self.act(made, "suspend", client=self.owner)
        self.assertEqual(len(self.given()), 2)
        self.act(made, "terminate", client=self.owner)
        [left] = self.given()
        self.assertNotEqual(left["id"], first[0]["id"])

    def test_none_is_left(self):
        small, _, _ = self.plan(30)
        free = int(self.database().value(f"select count(*) from addresses where pool_id = '{small['id']}' and state = 'free'"))
        made = self.rented(free + 1, offering=self.add_on([small["id"]]))
        self.expect(self.platform.post(f"/v1/resources/{made['id']}/activate", {}), 409, "addresses_exhausted")
        self.assertEqual(self.given(), [])
        self.seats(made, free)
        self.act(made, "activate")
        self.assertEqual(len(self.given()), free)
        self.seats(made, free + 1, 409, "addresses_exhausted")
        self.assertEqual((len(self.given()), self.expect(self.owner.get(f"/v1/resources/{made['id']}"), 200)["quantity"]),
                         (free, str(free)))

    def test_the_line_takes_it_with_it(self):
        made = self.rented(2)
        self.act(made, "activate")
        self.act(self.base, "terminate", client=self.owner)
        self.assertEqual(self.expect(self.owner.get(f"/v1/resources/{made['id']}"), 200)["state"], "terminated")
        self.assertEqual(self.given(), [])
        self.assertEqual([each["ended_at"] is None for each in self.assignments()], [False, False])

    def test_a_line_that_moves_gets_others(self):
        here, there, nowhere = self.access_point(), self.access_point(), self.access_point()
        pools = [self.plan(access_point_id=each["id"])[0]["id"] for each in (here, there)]
        line = self.line(self.owner, access_point_id=here["id"])
        made = self.rented(2, line, self.add_on(pools))
        self.act(made, "activate")
        self.assertEqual({each["pool_id"] for each in self.given(line)}, {pools[0]})
        self.act(line, "move", {"access_point_id": there["id"]})
        self.assertEqual((len(self.given(line)), {each["pool_id"] for each in self.given(line)}), (2, {pools[1]}))
        self.expect(self.platform.post(f"/v1/resources/{line['id']}/move", {"access_point_id": nowhere["id"]}), 409,
                    "addresses_exhausted")
        self.assertEqual(len(self.given(line)), 2)

    def test_offerings(self):
        self.assertEqual(self.offering["address_pool_ids"], [self.addresses["id"]])
        path = f"/v1/offerings/{self.offering['id']}"
        self.assertEqual(self.expect(self.platform.patch(path, {"address_pool_ids": []}, if_match="*"), 200)["address_pool_ids"], [])
        self.add_on(["apl_01k8x7g0v8e2v9m3b1q4t5y6z7"], 422, "reference_unknown")
        self.add_on([self.addresses["id"]], 422, "value_refused", kind="terminal", tax_category="movable_leasing")
        self.add_on([self.addresses["id"]], 422, "value_refused", add_on=False)


if __name__ == "__main__":
    unittest.main()
