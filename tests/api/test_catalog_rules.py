"""The catalog's rules: families, add-ons, what requires or excludes what, who may order, how much there is."""

import concurrent.futures
import datetime
import threading
import unittest

from harness import OFFERINGS, ApiTest, unique

CROWD = 50


class CatalogRulesTest(ApiTest):
    def setUp(self):
        self.renter, self.owner = self.tenant()

    # ---- What there is ----

    def create(self, kind="software", status=201, code=None, **fields):
        return self.expect(self.platform.post("/v1/offerings", {
            "code": unique(kind), "kind": kind, "name": fields.pop("name", unique(kind)),
            "tax_category": OFFERINGS[kind][0], **fields}), status, code)

    def offered(self, kind="software", **fields):
        """A new offering, with the id of a published plan under "plan"."""
        offering = self.create(kind, **fields)
        plan = self.expect(self.platform.post("/v1/plans", {
            "offering_id": offering["id"], "code": unique("plan"), "name": kind,
            "charges": [OFFERINGS[kind][1]]}), 201)
        self.expect(self.platform.post(f"/v1/plans/{plan['id']}/publish"), 200)
        return {**offering, "plan": plan["id"]}

    def change(self, offering, status=200, code=None, **fields):
        return self.expect(self.platform.patch(f"/v1/offerings/{offering['id']}", fields, if_match="*"), status, code)

    def part(self, kind, seats=1):
        return {"software": {"seats": seats}, "terminal": {},
                "broadband": {"line": unique("line"), "access_technology": "gpon",
                              "maximum_downstream_kbit": 100000, "maximum_upstream_kbit": 20000}}[kind]

    def body(self, offering, seats=1, **fields):
        kind = offering["kind"]
        return {"kind": kind, "offering_id": offering["id"], "plan_id": offering["plan"], "name": unique(kind),
                kind: self.part(kind, seats), **fields}

    def rent(self, offering, client=None, status=201, code=None, **fields):
        return self.expect((client or self.owner).post("/v1/resources", self.body(offering, **fields)), status, code)

    def approved(self, offering, **fields):
        resource = self.rent(offering, **fields)
        return self.act(resource, "approve")

    def item(self, offering, **fields):
        body = self.body(offering)
        return {"action": f"rent_{body.pop('kind')}", **body, **fields}

    def cart(self, *items, client=None, status=201, code=None, **fields):
        return self.expect((client or self.owner).post("/v1/orders", {"items": list(items), **fields}), status, code)

    def place(self, *items):
        order = self.cart(*items)
        return self.expect(self.owner.post(f"/v1/orders/{order['id']}/place"), 200)

    def shown(self, resource):
        return self.expect(self.owner.get(f"/v1/resources/{resource['id']}"), 200)

    def add_ons(self, resource, client=None):
        return (client or self.owner).all(f"/v1/resources/{resource['id']}/add-ons")

    def at_once(self, calls):
        barrier = threading.Barrier(len(calls))

        def run(call):
            barrier.wait()
            return call()

        with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(run, calls))


class TestFamilies(CatalogRulesTest):
    def family(self, **fields):
        return self.expect(self.platform.post("/v1/offering-families", {
            "code": unique("family"), "name": "办公", **fields}), 201)

    def test_what_is_written_is_read(self):
        family = self.family(name_en="Office", description="文档与邮件", place=7)
        self.assertEqual((family["name"], family["name_en"], family["description"], family["place"], family["state"]),
                         ("办公", "Office", "文档与邮件", 7, "active"))
        path = f"/v1/offering-families/{family['id']}"
        for role in ("owner", "member", "billing"):
            answer = self.client_of(role, self.renter).get(path)
            self.assertEqual(self.expect(answer, 200), family)
        changed = self.expect(self.platform.patch(path, {"name": "协作", "place": 3}, if_match=answer.etag), 200)
        self.assertEqual((changed["name"], changed["place"], changed["description"]), ("协作", 3, "文档与邮件"))
        self.expect(self.platform.patch(path, {"name": "x"}, if_match=answer.etag), 412)
        self.expect(self.platform.patch(path, {"name": "x"}), 428)
        self.expect(self.owner.patch(path, {"name": "x"}, if_match="*"), 403)
        self.expect(self.owner.post("/v1/offering-families", {"code": unique("f"), "name": "x"}), 403)
        self.expect(self.platform.post("/v1/offering-families", {"code": family["code"], "name": "x"}),
                    409, "conflict_unique")
        self.assertEqual(self.owner.all("/v1/offering-families", {"code": family["code"]}), [changed])

    def test_offerings_of_a_family(self):
        family = self.family()
        offering = self.create(family_id=family["id"])
        self.create()
        self.assertEqual(offering["family_id"], family["id"])
        self.assertEqual(self.owner.all("/v1/offerings", {"family_id": family["id"]}), [offering])
        path = f"/v1/offering-families/{family['id']}"
        self.assertEqual(self.expect(self.platform.post(f"{path}/retire"), 200)["state"], "retired")
        self.expect(self.platform.post(f"{path}/retire"), 409, "state_conflict")
        self.create(family_id=family["id"], status=422, code="reference_unknown")
        self.assertEqual(self.platform.get(f"/v1/offerings/{offering['id']}").json["family_id"], family["id"])
        self.assertIsNone(self.change(offering, family_id=None)["family_id"])


class TestRules(CatalogRulesTest):
    def test_what_is_written_is_read(self):
        base, other = self.create(), self.create()
        offering = self.create(add_on=True, requires_offering_ids=[base["id"]], excludes_offering_ids=[other["id"]])
        self.assertEqual((offering["add_on"], offering["requires_offering_ids"], offering["excludes_offering_ids"]),
                         (True, [base["id"]], [other["id"]]))
        changed = self.change(offering, requires_offering_ids=[other["id"], base["id"]], excludes_offering_ids=[])
        self.assertEqual((changed["requires_offering_ids"], changed["excludes_offering_ids"]),
                         (sorted([base["id"], other["id"]]), []))
        self.assertEqual(self.expect(self.owner.get(f"/v1/offerings/{offering['id']}"), 200), changed)
        self.assertEqual(self.change(offering, name="改")["requires_offering_ids"], changed["requires_offering_ids"])

    def test_rules_that_nobody_could_keep(self):
        offering, other = self.create(), self.create()
        none = "off_01k8x7g0v8e2v9m3b1q4t5y6z7"
        for rule in ("requires_offering_ids", "excludes_offering_ids"):
            self.change(offering, 422, "value_refused", **{rule: [offering["id"]]})
            self.change(offering, 422, "reference_unknown", **{rule: [none]})
            self.change(offering, 422, "validation_failed", **{rule: [none] * 21})
        self.change(offering, 422, "value_refused", requires_offering_ids=[other["id"]], excludes_offering_ids=[other["id"]])
        self.change(other, excludes_offering_ids=[offering["id"]])
        self.change(offering, 422, "value_refused", requires_offering_ids=[other["id"]])
        self.create(add_on=True, status=422, code="value_refused")
        add_on = self.create(add_on=True, requires_offering_ids=[other["id"]])
        self.change(add_on, 422, "value_refused", requires_offering_ids=[])
        self.change(add_on, 422, "validation_failed", add_on=False)
        self.create("broadband", seat_limit=3, status=422, code="value_refused")
        self.create(eligibility={"park_ids": ["prk_01k8x7g0v8e2v9m3b1q4t5y6z7"]}, status=422, code="reference_unknown")

    def test_what_is_required(self):
        one, two = self.offered(name="甲"), self.offered(name="乙")
        offering = self.offered(name="丙", requires_offering_ids=[one["id"], two["id"]])
        problem = self.rent(offering, status=409, code="offering_requires")
        self.assertEqual(problem["detail"], "丙 wants one of these to be rented: 甲, 乙.")
        base = self.rent(two)
        self.rent(offering, status=409, code="offering_requires")
        self.act(base, "approve")
        rented = self.rent(offering)
        self.act(base, "terminate")
        self.assertEqual(self.shown(rented)["state"], "requested")
        self.rent(offering, status=409, code="offering_requires")
        self.assertEqual(self.add_ons(base), [])

    def test_what_is_excluded_both_ways(self):
        one = self.offered(name="甲")
        two = self.offered(name="乙", excludes_offering_ids=[one["id"]])
        first = self.rent(one)
        problem = self.rent(two, status=409, code="offering_excludes")
        self.assertEqual(problem["detail"], "乙 cannot be rented together with 甲.")
        self.act(first, "reject")
        second = self.rent(two)
        problem = self.rent(one, status=409, code="offering_excludes")
        self.assertEqual(problem["detail"], "甲 cannot be rented together with 乙.")
        self.rent(one, client=self.tenant()[1])
        self.act(second, "terminate")
        self.rent(one)

    def test_of_two_that_exclude_each_other_one_is_rented(self):
        one = self.offered()
        two = self.offered(excludes_offering_ids=[one["id"]])
        answers = self.at_once([
            lambda offering=offering: self.owner.post("/v1/resources", self.body(offering))
            for offering in (one, two) * (CROWD // 2)])
        rented = {answer.json["offering_id"] for answer in answers if answer.status == 201}
        self.assertEqual(len(rented), 1)
        refused = [answer for answer in answers if answer.status != 201]
        self.assertEqual(len(refused), CROWD // 2)
        self.assertEqual({(answer.status, answer.code) for answer in refused}, {(409, "offering_excludes")})

    def test_a_cart_is_told(self):
        one = self.offered(name="甲")
        two = self.offered(name="乙", excludes_offering_ids=[one["id"]])
        three = self.offered(name="丙", requires_offering_ids=[one["id"]])
        problem = self.cart(self.item(two), self.item(one), status=409, code="offering_excludes")
        self.assertEqual(problem["detail"], "items/0: 乙 cannot be rented together with 甲.")
        problem = self.cart(self.item(two), self.item(three), status=409, code="offering_requires")
        self.assertEqual(problem["detail"], "items/1: 丙 wants one of these to be rented: 甲.")
        answer = self.owner.post("/v1/orders/quote", {"items": [self.item(three)]})
        self.expect(answer, 409, "offering_requires")
        self.expect(self.owner.post("/v1/orders/quote", {"items": [self.item(three), self.item(one)]}), 200)

    def test_an_order_with_both_is_fine_in_any_order(self):
        one = self.offered()
        two = self.offered(requires_offering_ids=[one["id"]])
        order = self.place(self.item(two), self.item(one))
        self.assertEqual([item["state"] for item in order["items"]], ["in_progress"] * 2)
        self.assertEqual([item["resources"][0]["state"] for item in order["items"]], ["approved"] * 2)

    def test_what_was_rented_after_the_cart_fails_the_item_alone(self):
        one = self.offered()
        two, three = self.offered(excludes_offering_ids=[one["id"]]), self.offered()
        order = self.cart(self.item(two), self.item(three))
        self.rent(one)
        order = self.expect(self.owner.post(f"/v1/orders/{order['id']}/place"), 200)
        self.assertEqual([item["state"] for item in order["items"]], ["failed", "in_progress"])
        self.assertEqual(order["items"][0]["failure"]["code"], "offering_excludes")


class TestAddOns(CatalogRulesTest):
    def setUp(self):
        super().setUp()
        self.line = self.offered("broadband", name="光纤")
        self.extra = self.offered(name="防火墙", add_on=True, requires_offering_ids=[self.line["id"]])

    def test_it_names_its_base(self):
        base = self.approved(self.line)
        problem = self.rent(self.extra, status=422, code="base_refused")
        self.assertEqual(problem["detail"], "防火墙 is added to a resource of one of these: 光纤; name that.")
        added = self.rent(self.extra, base_resource_id=base["id"])
        self.assertEqual(self.add_ons(base), [{"id": added["id"], "name": added["name"],
                                               "offering_id": self.extra["id"], "state": "requested"}])
        self.assertEqual(self.add_ons(added), [])
        self.rent(self.line, status=422, code="base_refused", base_resource_id=base["id"])
        software = self.approved(self.offered())
        self.rent(self.extra, status=422, code="base_refused", base_resource_id=software["id"])
        stranger, theirs = self.tenant()
        foreign = self.rent(self.line, client=theirs)
        self.act(foreign, "approve")
        for other in (foreign["id"], "res_01k8x7g0v8e2v9m3b1q4t5y6z7"):
            problem = self.rent(self.extra, status=422, code="reference_unknown", base_resource_id=other)
            self.assertEqual(problem["detail"], "base_resource_id must name a resource of the tenant.")
        self.expect(theirs.get(f"/v1/resources/{base['id']}/add-ons"), 404)
        self.assertEqual(self.add_ons(base, self.platform)[0]["id"], added["id"])
        self.assertNotEqual(stranger["id"], self.renter["id"])

    def test_it_ends_with_its_base(self):
        base = self.resource(self.owner, "broadband", offering_id=self.line["id"], plan_id=self.line["plan"])
        above = self.offered(name="日志", add_on=True, requires_offering_ids=[self.extra["id"]])
        one = self.approved(self.extra, base_resource_id=base["id"])
        two = self.approved(above, base_resource_id=one["id"])
        requested = self.rent(self.extra, base_resource_id=base["id"])
        gone = self.rent(self.extra, base_resource_id=base["id"])
        self.act(gone, "reject")
        self.act(base, "suspend", client=self.owner)
        self.assertEqual(self.shown(one)["state"], "approved")
        self.act(base, "terminate", client=self.owner)
        self.assertEqual([self.shown(each)["state"] for each in (base, one, two, requested, gone)],
                         ["terminating", "terminated", "terminated", "terminated", "rejected"])
        last = {each["id"]: self.owner.all(f"/v1/resources/{each['id']}/history")[0] for each in (base, one, two)}
        self.assertEqual(last[one["id"]]["reason"], f"{base['id']} has ended.")
        self.assertEqual(last[two["id"]]["reason"], f"{one['id']} has ended.")
        self.assertEqual(last[one["id"]]["effective_at"], last[base["id"]]["effective_at"])
        self.act(base, "terminate")
        self.rent(self.extra, status=409, code="state_conflict", base_resource_id=base["id"])

    def test_a_base_that_has_ended_takes_none(self):
        base, other = self.approved(self.line), self.approved(self.line)
        self.act(base, "terminate")
        self.rent(self.extra, status=409, code="state_conflict", base_resource_id=base["id"])
        self.rent(self.extra, base_resource_id=other["id"])

    def test_one_is_added_while_its_base_ends(self):
        """Whichever comes first, no add-on is open whose base has ended."""
        bases = [self.approved(self.line) for _ in range(10)]
        calls = []
        for base in bases:
            calls += [lambda base=base: self.owner.post("/v1/resources", self.body(self.extra, base_resource_id=base["id"])),
                      lambda base=base: self.owner.post(f"/v1/resources/{base['id']}/terminate")]
        answers = self.at_once(calls)
        self.assertEqual({answer.status for answer in answers[1::2]}, {200})
        self.assertLessEqual({answer.status for answer in answers[::2]}, {201, 409})
        for base in bases:
            self.assertEqual([each for each in self.add_ons(base) if each["state"] != "terminated"], [])

    def test_in_one_order(self):
        order = self.place(self.item(self.line), self.item(self.extra, base_item=1))
        line, extra = (item["resources"][0] for item in order["items"])
        self.assertEqual([line["state"], extra["state"]], ["approved", "approved"])
        self.assertEqual([each["id"] for each in self.add_ons(line)], [extra["id"]])
        later = self.place(self.item(self.extra, base_resource_id=line["id"]))
        self.assertEqual([each["id"] for each in self.add_ons(line)],
                         [later["items"][0]["resources"][0]["id"], extra["id"]])
        self.act(line, "terminate")
        self.assertEqual([self.expect(self.owner.get(f"/v1/orders/{each['id']}"), 200)["state"] for each in (order, later)],
                         ["cancelled", "cancelled"])

    def test_both_are_given_back_in_one_order(self):
        order = self.place(self.item(self.line), self.item(self.extra, base_item=1))
        line, extra = (item["resources"][0]["id"] for item in order["items"])
        returned = self.place({"action": "return", "resource_id": line}, {"action": "return", "resource_id": extra})
        self.assertEqual([item["failure"] for item in returned["items"]], [None, None])
        self.assertEqual(returned["state"], "completed")

    def test_items_whose_base_is_none(self):
        line, extra = self.item(self.line), self.item(self.extra)
        base = self.approved(self.line)
        terminal = self.offered("terminal")
        for place, items in (
                (0, [{**extra, "base_item": 2}, line]),                                    # not an earlier one
                (1, [line, extra]),                                                        # none
                (1, [line, {**line, "base_item": 1}]),                                     # no add-on
                (1, [line, {**extra, "base_item": 1, "base_resource_id": base["id"]}]),    # both
                (1, [self.item(terminal, count=2), {**extra, "base_item": 1}]),            # two of them
                (1, [self.item(terminal), {**extra, "base_item": 1}]),                     # of another offering
                (1, [{"action": "return", "resource_id": base["id"]}, {**extra, "base_item": 1}])):
            with self.subTest(items=[sorted(each) for each in items]):
                problem = self.cart(*items, status=422, code="base_refused")
                self.assertTrue(problem["detail"].startswith(f"items/{place}: "), problem)
        problem = self.cart({**extra, "base_resource_id": "res_01k8x7g0v8e2v9m3b1q4t5y6z7"}, status=422,
                            code="reference_unknown")
        self.assertEqual(problem["detail"], "items/0: base_resource_id must name a resource of the tenant.")

    def test_the_base_of_an_item_fails(self):
        other = self.offered("broadband", excludes_offering_ids=[self.line["id"]])
        draft = self.cart(self.item(self.line), self.item(self.extra, base_item=1))
        self.rent(other)
        order = self.expect(self.owner.post(f"/v1/orders/{draft['id']}/place"), 200)
        self.assertEqual([item["failure"]["code"] for item in order["items"]], ["offering_excludes", "reference_unknown"])
        self.assertEqual(order["state"], "cancelled")


class TestWhoMayOrder(CatalogRulesTest):
    def certificate(self, **fields):
        return self.expect(self.platform.post(f"/v1/tenants/{self.renter['id']}/certificates", {
            "code": "iso_27001", "name": "信息安全", "valid_from": "2026-01-01", **fields}), 201)

    def remove(self, certificate):
        path = f"/v1/tenants/{self.renter['id']}/certificates/{certificate['id']}"
        return self.expect(self.platform.delete(path, if_match="*"), 204)

    def today(self, days=0):
        text = self.database().value("select (clock_timestamp() at time zone time_zone)::date from platform")
        return str(datetime.date.fromisoformat(text) + datetime.timedelta(days))

    def test_certificates(self):
        certificate = self.certificate(valid_until="2028-12-31")
        self.assertEqual((certificate["code"], certificate["valid_from"], certificate["valid_until"]),
                         ("iso_27001", "2026-01-01", "2028-12-31"))
        path = f"/v1/tenants/{self.renter['id']}/certificates"
        self.assertEqual(self.owner.all(path), [certificate])
        self.assertEqual(self.expect(self.owner.get(f"{path}/{certificate['id']}"), 200), certificate)
        body = {"code": "cmmi_3", "name": "x", "valid_from": "2026-01-01"}
        self.expect(self.owner.post(path, body), 403)
        self.expect(self.owner.delete(f"{path}/{certificate['id']}", if_match="*"), 403)
        self.expect(self.platform.post(path, {**body, "valid_until": "2025-12-31"}), 422, "value_refused")
        self.expect(self.tenant()[1].get(path), 404)
        self.expect(self.platform.delete(f"{path}/{certificate['id']}"), 428)
        self.expect(self.platform.delete(f"{path}/{certificate['id']}", if_match='"7"'), 412)
        self.remove(certificate)
        self.assertEqual(self.owner.all(path), [])
        self.expect(self.owner.get(f"{path}/{certificate['id']}"), 404)

    def test_by_certificate(self):
        offering = self.offered(name="托管", eligibility={"certificates": ["iso_27001", "cmmi_3"]})
        self.assertEqual(offering["eligibility"], {"park_ids": None, "sizes": None, "certificates": ["iso_27001", "cmmi_3"]})
        refusal = "托管 is not for this tenant: it wants one of the certificates iso_27001, cmmi_3, in force today."
        problem = self.rent(offering, status=409, code="offering_not_for_you")
        self.assertEqual(problem["detail"], refusal)
        self.rent(offering, client=self.platform, tenant=self.renter["id"], status=409, code="offering_not_for_you")
        problem = self.cart(self.item(offering), status=409, code="offering_not_for_you")
        self.assertEqual(problem["detail"], f"items/0: {refusal}")
        for fields in ({"code": "iso_9001"}, {"valid_from": self.today(1)}, {"valid_until": self.today(-1)}):
            self.certificate(**fields)
            self.rent(offering, status=409, code="offering_not_for_you")
        good = self.certificate(valid_from=self.today(), valid_until=self.today())
        self.rent(offering)
        self.remove(good)
        self.rent(offering, status=409, code="offering_not_for_you")
        self.change(offering, eligibility={})
        self.rent(offering)

    def test_by_size_and_park(self):
        offering = self.offered(name="补贴", eligibility={"sizes": ["micro", "small"], "park_ids": [self.renter["park_id"]]})
        problem = self.rent(offering, status=409, code="offering_not_for_you")
        self.assertEqual(problem["detail"], "补贴 is not for this tenant: it is for tenants of the size micro, small.")
        path = f"/v1/tenants/{self.renter['id']}"
        tenant = self.expect(self.platform.patch(path, {"size": "small"}, if_match="*"), 200)
        self.assertEqual((tenant["size"], self.renter["size"]), ("small", None))
        self.expect(self.platform.patch(path, {"size": "huge"}, if_match="*"), 422, "validation_failed")
        self.rent(offering)
        park = self.expect(self.platform.post("/v1/parks", {"code": unique("park"), "name": "别处"}), 201)
        other = self.expect(self.platform.post("/v1/tenants", {
            "park_id": park["id"], "code": unique("t"), "name": "别处公司", "size": "micro"}), 201)
        self.assertEqual(other["size"], "micro")
        problem = self.rent(offering, client=self.client_of("owner", other), status=409, code="offering_not_for_you")
        self.assertEqual(problem["detail"], "补贴 is not for this tenant: it is for tenants of other parks.")

    def test_what_a_tenant_may_order(self):
        family = self.expect(self.platform.post("/v1/offering-families", {"code": unique("f"), "name": "x"}), 201)["id"]
        plain = self.offered(family_id=family)
        unplanned = self.create(family_id=family)
        excluded = self.offered(family_id=family, excludes_offering_ids=[plain["id"]])
        wants = self.offered(family_id=family, requires_offering_ids=[plain["id"]])
        large = self.offered(family_id=family, eligibility={"sizes": ["large"]})
        retired = self.offered(family_id=family)
        self.change(retired, state="retired")

        def orderable(client, **query):
            return {each["id"] for each in client.all("/v1/offerings", {"family_id": family, "orderable": "true", **query})}

        self.assertEqual(orderable(self.owner), {plain["id"], excluded["id"]})
        rented = self.approved(plain)
        self.assertEqual(orderable(self.owner), {plain["id"], wants["id"]})
        self.assertEqual(orderable(self.platform, tenant=self.renter["id"]), {plain["id"], wants["id"]})
        self.expect(self.platform.patch(f"/v1/tenants/{self.renter['id']}", {"size": "large"}, if_match="*"), 200)
        self.assertEqual(orderable(self.owner), {plain["id"], wants["id"], large["id"]})
        self.act(rented, "terminate")
        self.assertEqual(orderable(self.owner), {plain["id"], excluded["id"], large["id"]})
        self.expect(self.platform.get("/v1/offerings", query={"orderable": "true", "family_id": family}),
                    422, "reference_unknown")
        everything = {each["id"] for each in self.owner.all("/v1/offerings", {"family_id": family})}
        self.assertEqual(everything, {each["id"] for each in (plain, unplanned, excluded, wants, large, retired)})


class TestWhatThereIs(CatalogRulesTest):
    def availability(self, offering, client=None, **query):
        return self.expect((client or self.owner).get(f"/v1/offerings/{offering['id']}/availability", query=query), 200)

    def seats(self, offering):
        found = self.availability(offering)["seats"]
        return found["limit"], found["rented"], found["free"]

    def test_software_without_a_limit(self):
        offering = self.create()
        self.assertEqual(self.availability(offering), {
            "offering_id": offering["id"], "kind": "software", "unlimited": True, "seats": None,
            "access_points": None, "terminal_models": None})

    def test_seats(self):
        offering = self.offered(name="协同", seat_limit=10)
        self.assertEqual(self.seats(offering), (10, 0, 10))
        one = self.approved(offering, seats=6)
        two = self.rent(offering, client=self.tenant()[1], seats=2)
        self.assertEqual(self.seats(offering), (10, 8, 2))
        problem = self.rent(offering, seats=3, status=409, code="offering_sold_out")
        self.assertEqual(problem["detail"], "There are 10 seats of 协同; 2 are free.")
        answer = self.owner.post(f"/v1/resources/{one['id']}/change", {"software": {"seats": 9}})
        self.assertEqual(self.expect(answer, 409, "offering_sold_out")["detail"], "There are 10 seats of 协同; 2 are free.")
        self.act(one, "change", {"software": {"seats": 8}}, client=self.owner)
        self.assertEqual(self.seats(offering), (10, 10, 0))
        self.act(two, "reject")
        self.assertEqual(self.seats(offering), (10, 8, 2))
        self.change(offering, seat_limit=5)
        self.assertEqual(self.seats(offering), (5, 8, 0))
        self.act(one, "change", {"software": {"seats": 7}}, client=self.owner)
        answer = self.owner.post(f"/v1/resources/{one['id']}/change", {"software": {"seats": 8}})
        self.expect(answer, 409, "offering_sold_out")
        self.change(offering, seat_limit=None)
        self.act(one, "change", {"software": {"seats": 800}}, client=self.owner)
        self.assertTrue(self.availability(offering)["unlimited"])

    def test_the_last_seats_are_rented_once(self):
        offering = self.offered(seat_limit=20)
        owners = [self.owner, self.tenant()[1]]
        answers = self.at_once([lambda owner=owner: owner.post("/v1/resources", self.body(offering))
                                for owner in owners * (CROWD // 2)])
        self.assertEqual(sum(answer.status == 201 for answer in answers), 20)
        refused = {(answer.status, answer.code) for answer in answers if answer.status != 201}
        self.assertEqual(refused, {(409, "offering_sold_out")})
        self.assertEqual(self.seats(offering), (20, 20, 0))

    def test_orders_that_want_the_same_seats_in_another_order(self):
        limited = [self.offered(seat_limit=1000) for _ in range(2)]
        orders = [self.cart(*(self.item(each) for each in items)) for items in (limited, limited[::-1]) * 10]
        answers = self.at_once([lambda order=order: self.owner.post(f"/v1/orders/{order['id']}/place") for order in orders])
        self.assertEqual({answer.status for answer in answers}, {200})
        self.assertEqual([self.seats(each)[1] for each in limited], [20, 20])
        self.assertNotIn("40P01", self.daemon.log())

    def test_places_at_access_points(self):
        offering = self.offered("broadband")
        park = self.expect(self.platform.post("/v1/parks", {"code": unique("park"), "name": "别处"}), 201)
        near, foreign = (self.expect(self.platform.post("/v1/access-points", {
            "code": unique("acp"), "name": "机房", "capacity": 3, "access_technology": "gpon", "park_id": each}), 201)
            for each in (self.renter["park_id"], park["id"]))
        self.rent(offering, broadband={**self.part("broadband"), "access_point_id": near["id"]})
        expected = {"id": near["id"], "code": near["code"], "name": "机房", "name_en": "", "capacity": 3, "used": 1, "free": 2}
        self.assertIn(expected, self.availability(offering)["access_points"])
        for client, query in ((self.owner, {}), (self.platform, {}), (self.platform, {"tenant": self.renter["id"]})):
            found = self.availability(offering, client, access_point_id=near["id"], **query)["access_points"]
            self.assertEqual(found, [expected])
        self.assertEqual(self.availability(offering, access_point_id=foreign["id"])["access_points"], [])
        found = self.availability(offering, self.platform, access_point_id=foreign["id"], tenant=self.renter["id"])
        self.assertEqual(found["access_points"], [])
        self.assertEqual(len(self.availability(offering, self.platform, access_point_id=foreign["id"])["access_points"]), 1)

    def model(self, devices=0):
        model = self.expect(self.platform.post("/v1/terminal-models", {"name": unique("model")}), 201)
        terminals = [self.expect(self.platform.post("/v1/terminals", {
            "asset_tag": unique("PC"), "serial": unique("SN"), "model": model["name"]}), 201) for _ in range(devices)]
        return model, terminals

    def test_devices_of_its_models(self):
        model, [one, other] = self.model(2)
        strange, [stranger] = self.model(1)
        offering = self.offered("terminal", terminal_model_ids=[model["id"]])
        self.assertEqual(offering["terminal_model_ids"], [model["id"]])
        self.create(terminal_model_ids=[model["id"]], status=422, code="value_refused")
        self.change(offering, 422, "reference_unknown", terminal_model_ids=["mdl_01k8x7g0v8e2v9m3b1q4t5y6z7"])
        resource = self.approved(offering)
        for action in ("reserve", "check-out"):
            answer = self.platform.post(f"/v1/terminals/{stranger['id']}/{action}", {"resource_id": resource["id"]})
            problem = self.expect(answer, 409, "model_not_offered")
            self.assertEqual(problem["detail"], f"{strange['name']} is none of the models of what is rented: {model['name']}.")
        answer = self.platform.post("/v1/terminals/reserve-any", {"resource_id": resource["id"], "model": strange["name"]})
        self.expect(answer, 409, "model_not_offered")
        shown = {"id": model["id"], "name": model["name"], "available": True, "free": 2, "reserved": 0, "total": 2}
        self.assertEqual(self.availability(offering, self.platform)["terminal_models"], [shown])
        self.expect(self.platform.post(f"/v1/terminals/{one['id']}/reserve", {"resource_id": resource["id"]}), 200)
        self.assertEqual(self.availability(offering, self.platform)["terminal_models"],
                         [{**shown, "free": 1, "reserved": 1}])
        hidden = {**shown, "free": None, "reserved": None, "total": None}
        self.assertEqual(self.availability(offering)["terminal_models"], [hidden])
        self.assertEqual(self.availability(offering, self.operator("park_manager"))["terminal_models"], [hidden])
        self.expect(self.platform.post(f"/v1/terminals/{other['id']}/retire"), 200)
        self.assertEqual(self.availability(offering)["terminal_models"], [{**hidden, "available": False}])
        self.change(offering, terminal_model_ids=[])
        self.assertEqual(self.availability(offering)["terminal_models"], [])
        names = {each["name"] for each in self.availability(offering, self.platform)["terminal_models"]}
        self.assertLessEqual({model["name"], strange["name"]}, names)


if __name__ == "__main__":
    unittest.main()
