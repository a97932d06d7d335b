"""Orders: what a cart costs, who approves it, and what becomes of what was ordered."""

import calendar
import concurrent.futures
import datetime
import decimal
import unittest

from harness import ApiTest, unique

SHANGHAI = datetime.timezone(datetime.timedelta(hours=8))
CENT = decimal.Decimal("0.01")
SETUP = {"code": "setup", "name": "开通费", "name_en": "Installation", "kind": "one_off",
         "price": {"model": "flat", "amount": "200.00"}}
LINE_TAX, LEASE_TAX, SERVICE_TAX = (decimal.Decimal(rate) for rate in ("0.09", "0.13", "0.06"))


def flat(code, amount, **fields):
    return {"code": code, "name": code, "kind": "recurring",
            "price": {"model": "flat", "amount": amount}, **fields}


def cents(amount):
    return amount.quantize(CENT, decimal.ROUND_HALF_UP)


def spell(amount):
    return {"amount": str(cents(amount)), "currency": "CNY"}


def month_left(begins=None):
    """Days that are left of the month of a day, today if none is named, and the month's own."""
    day = begins or datetime.datetime.now(SHANGHAI).date()
    days = calendar.monthrange(day.year, day.month)[1]
    return days - day.day + 1, days


class OrderTest(ApiTest):
    def setUp(self):
        self.renter, self.owner = self.tenant()
        self.code = self.renter["code"]

    # ---- Items ----

    def offers(self):
        return self.shared.once("order offers", lambda: {
            "software": self.offer("software", {
                "code": "seats", "name": "席位", "kind": "usage", "meter": "seat-days",
                "price": {"model": "unit", "unit_amount": "0.50"}}),
            "broadband": self.offer("broadband", SETUP, flat("line", "310.00")),
            "terminal": self.offer("terminal", flat("rent", "62.00"))})

    def rent(self, kind, **fields):
        offer = self.offers()[kind]
        part = {"software": {"seats": 4}, "terminal": {"model": "ThinkCentre M70q"},
                "broadband": {"line": unique("line"), "access_technology": "gpon",
                              "maximum_downstream_kbit": 100000, "maximum_upstream_kbit": 20000}}
        return {"action": f"rent_{kind}", "offering_id": offer["offering"]["id"],
                "plan_id": offer["plan"]["id"], "name": unique(kind), kind: part[kind], **fields}

    def draft(self, *items, client=None, **fields):
        return self.expect((client or self.owner).post("/v1/orders", {"items": list(items), **fields}), 201)

    def do(self, order, action, body=None, client=None, status=200, code=None):
        answer = (client or self.owner).post(f"/v1/orders/{order['id']}/{action}", body)
        return self.expect(answer, status, code)

    def placed(self, *items, **fields):
        return self.do(self.draft(*items, **fields), "place")

    def seen(self, order):
        return self.expect(self.owner.get(f"/v1/orders/{order['id']}"), 200)

    def resources(self, order):
        return [each for item in order["items"] for each in item["resources"]]

    def install(self, resource, kind):
        self.act(resource, "provision")
        if kind == "terminal":
            terminal = self.terminal()
            self.expect(self.platform.post(f"/v1/terminals/{terminal['id']}/check-out",
                                           {"resource_id": resource["id"]}), 200)
        return self.act(resource, "activate")

    def rule(self, *steps, **fields):
        """A rule that holds during the test."""
        rule = self.expect(self.platform.post("/v1/approval-rules", {
            "name": unique("rule"), "steps": [{"side": side, "roles": list(roles)} for side, *roles in steps],
            **fields}), 201)
        self.addCleanup(self.retire, rule)
        return rule

    def retire(self, rule):
        path = f"/v1/approval-rules/{rule['id']}"
        self.expect(self.platform.patch(path, {"state": "retired"},
                                        headers={"If-Match": self.platform.get(path).etag}), 200)


class TestLife(OrderTest):
    def test_from_the_cart_to_use(self):
        order = self.draft(self.rent("software"), self.rent("broadband"),
                           self.rent("terminal", count=3, name="终端"), note="12 月入职")
        self.assertEqual((order["state"], order["actions"], order["quote"], order["steps"]),
                         ("draft", ["cancel", "place"], None, []))
        self.assertEqual([(each["state"], each["resources"]) for each in order["items"]],
                         [("waiting", [])] * 3)
        self.assertEqual(self.owner.get("/v1/resources").json["data"], [])
        order = self.do(order, "place")
        self.assertEqual((order["state"], order["actions"]), ("in_progress", ["cancel"]))
        self.assertEqual([each["name"] for each in order["items"][2]["resources"]],
                         ["终端 1", "终端 2", "终端 3"])
        self.assertEqual({each["state"] for each in self.resources(order)}, {"approved"})
        for item, kind in zip(order["items"], ("software", "broadband", "terminal")):
            for resource in item["resources"]:
                self.assertEqual(self.seen(order)["state"], "in_progress")
                self.install(resource, kind)
        order = self.seen(order)
        self.assertEqual((order["state"], order["actions"]), ("completed", []))
        self.assertEqual({each["state"] for each in order["items"]}, {"completed"})
        self.assertIsNotNone(order["ended_at"])
        history = self.owner.all(f"/v1/orders/{order['id']}/history", query={"limit": 3})
        self.assertEqual([(each["event"], each["item"]) for each in reversed(history)], [
            ("create", None), ("place", None), ("begin", 1), ("begin", 2), ("begin", 3),
            ("complete", 1), ("complete", 2), ("complete", 3), ("end", None)])
        transitions = self.owner.all(f"/v1/resources/{self.resources(order)[0]['id']}/history")
        self.assertEqual([each["reason"] for each in transitions[-2:]], [order["id"]] * 2)

    def test_a_draft_is_changed(self):
        order = self.draft(self.rent("terminal", count=2), external_id=unique("po"))
        path = f"/v1/orders/{order['id']}"
        etag = self.owner.get(path).etag
        answer = self.owner.patch(path, {"items": [self.rent("software")], "note": "改",
                                         "external_id": None, "metadata": {"a": "b"}},
                                  headers={"If-Match": etag})
        changed = self.expect(answer, 200)
        self.assertEqual([each["request"]["action"] for each in changed["items"]], ["rent_software"])
        self.assertEqual((changed["note"], changed["external_id"], changed["metadata"]),
                         ("改", None, {"a": "b"}))
        self.expect(self.owner.patch(path, {"note": "x"}, headers={"If-Match": etag}), 412)
        self.do(order, "place")
        answer = self.owner.patch(path, {"items": [self.rent("software")]}, headers={"If-Match": "*"})
        self.expect(answer, 409, "state_conflict")
        self.expect(self.owner.patch(path, {"note": "y"}, headers={"If-Match": "*"}), 200)
        self.do(order, "place", status=409, code="state_conflict")

    def test_what_is_changed_and_given_back(self):
        software = self.resource(self.owner, "software")
        plan = self.expect(self.platform.post("/v1/plans", {
            "offering_id": software["offering_id"], "code": unique("plan"), "name": "高级",
            "charges": [flat("seat", "90.00")]}), 201)
        self.expect(self.platform.post(f"/v1/plans/{plan['id']}/publish"), 200)
        line = self.resource(self.owner, "broadband")
        other = self.resource(self.owner, "software")
        order = self.placed(
            {"action": "change", "resource_id": software["id"], "plan_id": plan["id"], "software": {"seats": 9}},
            {"action": "return", "resource_id": line["id"]}, {"action": "return", "resource_id": other["id"]})
        self.assertEqual([each["state"] for each in order["items"]], ["completed", "in_progress", "completed"])
        now = self.expect(self.owner.get(f"/v1/resources/{software['id']}"), 200)
        self.assertEqual((now["plan_id"], now["software"]["seats"]), (plan["id"], 9))
        self.assertEqual(self.resources(order)[1]["state"], "terminating")
        self.act(line, "terminate")
        self.assertEqual(self.seen(order)["state"], "completed")

    def test_an_operator_orders_for_a_tenant(self):
        order = self.draft(self.rent("software"), client=self.platform, tenant=self.renter["id"])
        self.assertEqual(order["tenant_id"], self.renter["id"])
        self.do(order, "place", client=self.platform)
        found = self.platform.get("/v1/orders", query={"tenant": self.renter["id"], "state": "in_progress"})
        self.assertEqual([each["id"] for each in self.expect(found, 200)["data"]], [order["id"]])
        self.expect(self.platform.post("/v1/orders", {"items": [self.rent("software")]}), 422, "reference_unknown")

    def test_bug_0095_what_changed_without_its_version_is_sent(self):
        order = self.placed(self.rent("broadband"))
        [work] = self.owner.all("/v1/work-orders", {"order_id": order["id"]})
        paths = [f"/v1/orders/{order['id']}", f"/v1/work-orders/{work['id']}"]
        seen = [self.owner.get(path).etag for path in paths]
        self.act(self.resources(order)[0], "provision")
        for path, etag, find in zip(paths, seen, (self.resources, lambda now: now["resources"])):
            now = self.expect(self.owner.get(path, headers={"If-None-Match": etag}), 200)
            self.assertEqual(find(now)[0]["state"], "provisioning")

    def test_one_item_fails_alone(self):
        taken = self.rent("broadband")
        self.placed(taken)
        order = self.placed({**taken, "name": "again"}, self.rent("software"))
        failed, good = order["items"]
        self.assertEqual((failed["state"], failed["failure"]["code"], failed["resources"]),
                         ("failed", "conflict_unique", []))
        self.assertEqual(good["state"], "in_progress")
        self.install(good["resources"][0], "software")
        self.assertEqual(self.seen(order)["state"], "partially_completed")
        order = self.placed({**taken, "name": "and again"})
        self.assertEqual(order["state"], "cancelled")

    def test_a_failed_installation_is_retried(self):
        order = self.placed(self.rent("software"))
        resource = self.resources(order)[0]
        self.act(resource, "provision")
        self.act(resource, "fail", {"code": "no-signal", "retryable": True})
        self.assertEqual(self.seen(order)["items"][0]["state"], "in_progress")
        self.act(resource, "retry")
        self.act(resource, "activate")
        self.assertEqual(self.seen(order)["state"], "completed")


class TestCart(OrderTest):
    def refused(self, *items, status=422, code="reference_unknown", client=None, **fields):
        client = client or self.owner
        self.expect(client.post("/v1/orders", {"items": list(items), **fields}), status, code)
        self.expect(client.post("/v1/orders/quote", {"items": list(items), **fields}), status, code)

    def test_what_cannot_be_asked_for(self):
        plan = self.rent("terminal")["plan_id"]
        self.refused(self.rent("software", plan_id=plan), code="plan_unavailable")
        self.refused(self.rent("software", offering_id=self.rent("terminal")["offering_id"]))
        foreign = self.resource(self.tenant()[1], "software")
        self.refused({"action": "return", "resource_id": foreign["id"]})
        line = self.request_resource(self.owner, "broadband")
        self.refused({"action": "change", "resource_id": line["id"], "software": {"seats": 2}}, code="change_refused")
        self.refused({"action": "change", "resource_id": line["id"], "plan_id": plan}, code="plan_unavailable")
        self.act(line, "reject")
        self.refused({"action": "return", "resource_id": line["id"]}, status=409, code="state_conflict")
        self.refused({"action": "change", "resource_id": line["id"]}, code="validation_failed")
        self.refused(self.rent("broadband", count=2), code="validation_failed")
        self.refused(*[self.rent("terminal", count=100)] * 2, self.rent("software"), code="order_too_large")

    def test_a_resource_stands_once(self):
        resource = self.resource(self.owner, "software")
        items = [{"action": "return", "resource_id": resource["id"]},
                 {"action": "change", "resource_id": resource["id"], "software": {"seats": 1}}]
        self.expect(self.owner.post("/v1/orders", {"items": items}), 422, "item_repeated")

    def test_a_closed_tenant_orders_nothing(self):
        self.expect(self.platform.post(f"/v1/tenants/{self.renter['id']}/suspend"), 200)
        answer = self.platform.post("/v1/orders", {"tenant": self.renter["id"], "items": [self.rent("software")]})
        self.expect(answer, 409, "state_conflict")


class TestPrice(OrderTest):
    def quote(self, *items):
        quote = self.expect(self.owner.post("/v1/orders/quote", {"items": list(items)}), 200)
        order = self.draft(*items)
        kept = self.expect(self.owner.get(f"/v1/orders/{order['id']}/quote"), 200)
        self.assertEqual({**kept, "as_of": None}, {**quote, "as_of": None})
        return order, quote

    def test_the_most_seats_are_no_sum_over_days(self):
        offer = self.shared.once("offer of most seats", lambda: self.offer("software", {
            "code": "peak", "name": "峰值", "kind": "usage", "meter": "seat-high-water",
            "price": {"model": "unit", "unit_amount": "20.00"}}))
        _, quote = self.quote({**self.rent("software"), "offering_id": offer["offering"]["id"],
                               "plan_id": offer["plan"]["id"]})
        self.assertEqual((quote["recurring"], quote["first_bill"]["net"]),
                         (spell(decimal.Decimal(80)), spell(decimal.Decimal(80))))

    def test_what_a_cart_costs(self):
        order, quote = self.quote(self.rent("software"), self.rent("broadband"), self.rent("terminal", count=3))
        left, days = month_left()
        share = decimal.Decimal(left) / days
        parts = [(decimal.Decimal("0.50") * 4 * left, 1, SERVICE_TAX), (decimal.Decimal(200), 1, LINE_TAX),
                 (cents(310 * share), 1, LINE_TAX), (cents(62 * share), 3, LEASE_TAX)]
        net = sum(amount * count for amount, count, _ in parts)
        tax = sum(cents(amount * rate) * count for amount, count, rate in parts)
        self.assertEqual(quote["one_off"], spell(decimal.Decimal(200)))
        self.assertEqual(quote["recurring"], spell(decimal.Decimal(310 + 3 * 62) + 2 * days))
        self.assertEqual(quote["first_bill"], {"net": spell(net), "tax": spell(tax), "total": spell(net + tax)})
        self.assertEqual(sum(decimal.Decimal(each["net"]["amount"]) for each in quote["lines"]
                             if each["part"] == "first_bill"), net)
        placed = self.do(order, "place", {"first_bill_total": quote["first_bill"]["total"]["amount"]})
        self.assertEqual({**placed["quote"], "as_of": None}, {**quote, "as_of": None})
        self.assertEqual(self.expect(self.owner.get(f"/v1/orders/{order['id']}/quote"), 200), placed["quote"])

    def test_another_price_places_nothing(self):
        order = self.draft(self.rent("terminal"))
        self.do(order, "place", {"first_bill_total": "1.00"}, status=409, code="price_changed")
        self.assertEqual(self.seen(order)["state"], "draft")

    def test_it_begins_later(self):
        first = (datetime.datetime.now(SHANGHAI).date().replace(day=1) + datetime.timedelta(days=70)).replace(day=16)
        _, quote = self.quote(self.rent("broadband", starts_on=first.isoformat()))
        left, days = month_left(first)
        self.assertEqual(quote["first_bill"]["net"], spell(200 + cents(decimal.Decimal(310) * left / days)))

    def test_what_a_change_and_a_return_cost(self):
        dear = self.offers()["terminal"]
        resource = self.expect(self.owner.post("/v1/resources", {
            "kind": "terminal", "offering_id": dear["offering"]["id"], "plan_id": dear["plan"]["id"], "name": "a"}), 201)
        plan = self.expect(self.platform.post("/v1/plans", {
            "offering_id": dear["offering"]["id"], "code": unique("plan"), "name": "经济",
            "charges": [SETUP, flat("rent", "31.00")]}), 201)
        self.expect(self.platform.post(f"/v1/plans/{plan['id']}/publish"), 200)
        _, quote = self.quote({"action": "change", "resource_id": resource["id"], "plan_id": plan["id"]})
        left, days = month_left()
        dearer, cheaper = (cents(decimal.Decimal(amount) * left / days) for amount in (62, 31))
        self.assertEqual((quote["one_off"], quote["recurring"]), (spell(decimal.Decimal(0)), spell(decimal.Decimal(-31))))
        self.assertEqual(quote["first_bill"]["net"], spell(cheaper - dearer))
        _, quote = self.quote({"action": "return", "resource_id": resource["id"]})
        rest = cents(decimal.Decimal(62) * (left - 1) / days)
        self.assertEqual((quote["recurring"], quote["first_bill"]["net"]), (spell(decimal.Decimal(-62)), spell(-rest)))

    def test_fixed_thirty_and_none(self):
        offer = self.offer("terminal", flat("thirty", "30.00", proration="fixed_30"), flat("whole", "10.00", proration="none"))
        begins = datetime.date(2028, 2, 20)  # of a leap year: 29 days
        item = {**self.rent("terminal", starts_on=begins.isoformat()), "offering_id": offer["offering"]["id"],
                "plan_id": offer["plan"]["id"]}
        _, quote = self.quote(item)
        self.assertEqual(quote["recurring"], spell(decimal.Decimal(40)))
        self.assertEqual(quote["first_bill"]["net"], spell(decimal.Decimal(30) * 11 / 30 + 10))

    def test_usage_alone_costs_nothing_yet(self):
        meter = self.expect(self.platform.post("/v1/meters", {
            "code": unique("calls"), "name": "调用", "event_type": unique("type"), "aggregation": "count",
            "unit": "calls"}), 201)
        offer = self.offer("software", {"code": "calls", "name": "调用", "kind": "usage", "meter": meter["code"],
                                        "price": {"model": "unit", "unit_amount": "1"}})
        _, quote = self.quote({**self.rent("software"), "offering_id": offer["offering"]["id"],
                               "plan_id": offer["plan"]["id"]})
        self.assertEqual((quote["lines"], quote["first_bill"]["total"]), ([], spell(decimal.Decimal(0))))

    def test_what_is_charged_once(self):
        last = datetime.datetime.now(SHANGHAI).date().replace(day=1) - datetime.timedelta(days=1)
        since = f"{last.strftime('%Y-%m')}-05T00:00:00+08:00"
        offer = self.offers()["broadband"]
        resource = self.expect(self.platform.post("/v1/resources", {
            "kind": "broadband", "tenant": self.renter["id"], "offering_id": offer["offering"]["id"],
            "plan_id": offer["plan"]["id"], "name": "专线", "effective_at": since,
            "broadband": self.rent("broadband")["broadband"]}), 201)
        for action, at in (("approve", since), ("provision", since), ("activate", since), ("suspend", None), ("resume", None)):
            self.act(resource, action, {} if at is None else {"effective_at": at})
        self.bill(last.strftime("%Y-%m"), self.renter)
        self.bill(datetime.datetime.now(SHANGHAI).strftime("%Y-%m"), self.renter)
        invoices = {each["period"]: each for each in self.platform.all("/v1/invoices", query={"tenant": self.renter["id"]})}
        lines = {period: self.platform.all(f"/v1/invoices/{invoice['id']}/lines") for period, invoice in invoices.items()}
        once = [each for each in lines[last.strftime("%Y-%m")] if each["kind"] == "one_off"]
        self.assertEqual([(each["net"], each["quantity"], each["unit"]) for each in once],
                         [(spell(decimal.Decimal(200)), "1", "Units")])
        self.assertEqual([each["kind"] for each in lines[datetime.datetime.now(SHANGHAI).strftime("%Y-%m")]], ["recurring"])


class TestApproval(OrderTest):
    def test_steps_one_after_the_other(self):
        self.rule(("tenant", "billing"), ("operator", "operator"), actions=["rent_broadband"], place=1)
        self.rule(("operator", "finance"), actions=["rent_broadband"], place=2)
        admin, billing = (self.client_of(role, self.renter) for role in ("admin", "billing"))
        operator, finance = self.operator("operator"), self.operator("finance")
        order = self.do(self.draft(self.rent("broadband"), client=admin), "place", client=admin)
        self.assertEqual((order["state"], order["actions"]), ("pending_approval", ["approve", "cancel", "reject"]))
        self.assertEqual([(each["side"], each["roles"]) for each in order["steps"]],
                         [("tenant", ["billing"]), ("operator", ["operator"]), ("operator", ["finance"])])
        self.do(order, "approve", client=operator, status=403, code="forbidden")
        self.do(order, "approve", client=admin, status=403, code="forbidden")
        order = self.do(order, "approve", {"reason": "ok"}, client=billing)
        self.assertEqual((order["steps"][0]["state"], order["steps"][0]["reason"]), ("approved", "ok"))
        self.do(order, "approve", client=finance, status=403, code="forbidden")
        self.do(order, "approve", client=billing, status=403, code="forbidden")
        self.do(order, "approve", client=operator)
        self.assertEqual(self.resources(self.seen(order)), [])
        order = self.do(order, "approve", client=finance)
        self.assertEqual(order["state"], "in_progress")
        self.assertEqual(self.resources(order)[0]["state"], "approved")
        self.do(order, "approve", client=finance, status=409, code="state_conflict")

    def test_nobody_approves_what_is_his(self):
        self.rule(("tenant", "owner"))
        order = self.placed(self.rent("software"))
        self.do(order, "approve", status=403, code="forbidden")
        other = self.client_of("owner", self.renter)
        self.assertEqual(self.do(order, "approve", client=other)["state"], "in_progress")

    def test_which_orders_a_rule_is_for(self):
        self.rule(("operator", "finance"), minimum_amount={"amount": "500.00", "currency": "CNY"},
                  requester_roles=["admin"], actions=["rent_terminal", "rent_broadband"])
        admin = self.client_of("admin", self.renter)

        def waits(item, client):
            return self.do(self.draft(item, client=client), "place", client=client)["state"] == "pending_approval"

        self.assertTrue(waits(self.rent("broadband"), admin))              # 200 once and 310 a month
        self.assertFalse(waits(self.rent("broadband"), self.owner))        # another role
        self.assertFalse(waits(self.rent("terminal", count=8), admin))     # 496 a month
        self.assertTrue(waits(self.rent("terminal", count=9), admin))
        self.assertFalse(waits(self.rent("software", software={"seats": 1000}), admin))  # another kind

    def test_bug_0094_a_rule_for_any_amount_is_for_less_than_nothing(self):
        """What made the bill smaller fell under no rule, whatever else stood in the cart."""
        dear = self.placed(self.rent("terminal", count=9))
        self.rule(("operator", "finance"), actions=["rent_broadband", "return"])
        self.assertEqual(self.placed(*({"action": "return", "resource_id": each["id"]}
                                       for each in self.resources(dear)))["state"], "pending_approval")
        other = self.placed(self.rent("terminal", count=9))
        order = self.placed(self.rent("broadband"), *({"action": "change", **self.other_plan(each)}
                                                      for each in self.resources(other)))
        self.assertTrue(order["quote"]["recurring"]["amount"].startswith("-"))
        self.assertEqual(order["state"], "pending_approval")

    def other_plan(self, resource):
        """One that costs nothing."""
        def make():
            plan = self.expect(self.platform.post("/v1/plans", {
                "offering_id": self.offers()["terminal"]["offering"]["id"], "code": unique("free"),
                "name": "免费", "charges": [flat("rent", "0.00")]}), 201)
            self.expect(self.platform.post(f"/v1/plans/{plan['id']}/publish"), 200)
            return plan
        return {"resource_id": resource["id"], "plan_id": self.shared.once("free plan", make)["id"]}

    def test_rejected(self):
        self.rule(("operator", "operator"), actions=["rent_software"])
        order = self.placed(self.rent("software"))
        order = self.do(order, "reject", {"reason": "预算未通过"}, client=self.operator("operator"))
        self.assertEqual((order["state"], order["reason"], order["steps"][0]["state"], order["items"][0]["state"]),
                         ("rejected", "预算未通过", "rejected", "cancelled"))
        self.assertEqual(self.owner.get("/v1/resources").json["data"], [])

    def test_expired(self):
        self.rule(("operator", "operator"), actions=["rent_software"], expiry_hours=1)
        order = self.placed(self.rent("software"))
        later = datetime.datetime.fromisoformat(order["placed_at"].replace("Z", "+00:00")) + datetime.timedelta(hours=1)
        expires = datetime.datetime.fromisoformat(order["expires_at"].replace("Z", "+00:00"))
        self.assertLess(abs((expires - later).total_seconds()), 60)
        self.database().execute(f"update orders set expires_at = now() - interval '1 second' where id = '{order['id']}'")
        self.do(order, "approve", client=self.platform, status=409, code="state_conflict")
        self.database().execute("update operations set not_before = now() where kind = 'expire_orders'; notify bccd_jobs")
        order = self.eventually(lambda: (lambda seen: seen if seen["state"] == "expired" else None)(self.seen(order)))
        self.assertEqual((order["items"][0]["state"], order["expires_at"]), ("cancelled", None))

    def test_rules_are_kept(self):
        rule = self.rule(("tenant", "billing", "owner"), ("operator", "finance"), actions=["return"],
                         minimum_amount={"amount": "12.5", "currency": "CNY"}, expiry_hours=24, place=7)
        path = f"/v1/approval-rules/{rule['id']}"
        self.assertEqual(self.expect(self.platform.get(path), 200), rule)
        changed = self.expect(self.platform.patch(path, {"actions": None, "minimum_amount": None, "requester_roles": ["member"]},
                                                  headers={"If-Match": self.platform.get(path).etag}), 200)
        self.assertEqual((changed["actions"], changed["minimum_amount"], changed["requester_roles"], changed["place"]),
                         (None, None, ["member"], 7))
        self.expect(self.platform.patch(path, {"name": "x"}, headers={"If-Match": '"1"'}), 412)
        self.expect(self.owner.get(path), 403)
        found = self.platform.all("/v1/approval-rules", query={"state": "active"})
        self.assertIn(rule["id"], [each["id"] for each in found])
        self.expect(self.platform.patch(path, {"requester_roles": ["auditor"]}, headers={"If-Match": "*"}), 422)


class TestCancelling(OrderTest):
    def test_before_it_begins(self):
        draft = self.do(self.draft(self.rent("software")), "cancel", {"reason": "错"})
        self.assertEqual((draft["state"], draft["reason"], draft["items"][0]["state"]), ("cancelled", "错", "cancelled"))
        self.rule(("operator", "operator"), actions=["rent_software"])
        self.assertEqual(self.do(self.placed(self.rent("software")), "cancel")["state"], "cancelled")
        self.do(draft, "cancel", status=409, code="state_conflict")

    def test_what_is_under_way_is_taken_back(self):
        line = self.rent("broadband")
        order = self.placed(line, self.rent("software"), self.rent("terminal", count=2))
        order = self.do(order, "cancel", {"reason": "搬迁"})
        self.assertEqual(order["state"], "cancelled")
        self.assertEqual({each["state"] for each in self.resources(order)}, {"rejected"})
        # Its login is free again.
        self.assertEqual(self.placed(line)["items"][0]["state"], "in_progress")

    def test_what_is_in_use_stays(self):
        order = self.placed(self.rent("software"), self.rent("broadband"))
        software, line = self.resources(order)
        self.install(software, "software")
        self.act(line, "provision")
        order = self.do(order, "cancel")
        self.assertEqual((order["state"], [each["state"] for each in order["items"]]),
                         ("cancelling", ["completed", "cancelling"]))
        self.act(line, "terminate")
        self.assertEqual(self.seen(order)["state"], "partially_completed")
        self.assertEqual(self.expect(self.owner.get(f"/v1/resources/{software['id']}"), 200)["state"], "active")

    def test_all_of_it_goes(self):
        order = self.placed(self.rent("software"), self.rent("broadband"))
        self.install(self.resources(order)[0], "software")
        order = self.do(order, "cancel", {"include_completed": True})
        self.assertEqual(order["state"], "cancelled")
        self.assertEqual([each["state"] for each in self.resources(order)], ["terminated", "rejected"])

    def test_bug_0092_it_goes_on_until_all_of_it_has_gone(self):
        """It ended when its first item had gone, before the one in use was taken back."""
        order = self.placed(self.rent("broadband"), self.rent("terminal", count=2), self.rent("software"),
                            self.rent("broadband"))
        _, used, _, software, line = self.resources(order)
        for resource, kind in ((used, "terminal"), (software, "software"), (line, "broadband")):
            self.install(resource, kind)
        device = self.expect(self.owner.get(f"/v1/resources/{used['id']}"), 200)["terminal"]["terminal"]
        order = self.do(order, "cancel", {"include_completed": True})
        self.assertEqual((order["state"], order["ended_at"], [each["state"] for each in order["items"]]),
                         ("cancelling", None, ["cancelled", "cancelling", "cancelled", "cancelling"]))
        self.assertEqual([each["state"] for each in self.resources(order)],
                         ["rejected", "terminating", "rejected", "terminated", "terminating"])
        self.act(line, "terminate")
        self.expect(self.platform.post(f"/v1/terminals/{device['id']}/check-in", {"condition": "good"}), 200)
        self.act(used, "terminate")
        order = self.seen(order)
        self.assertEqual((order["state"], {each["state"] for each in order["items"]}),
                         ("cancelled", {"cancelled"}))
        events = self.owner.all(f"/v1/orders/{order['id']}/history")
        self.assertEqual([each["event"] for each in events].count("end"), 1)

    def test_one_item(self):
        order = self.placed(self.rent("software"), self.rent("broadband"))
        self.do(order, "cancel", {"item": 3}, status=422, code="reference_unknown")
        order = self.do(order, "cancel", {"item": 2, "reason": "不要了"})
        self.assertEqual((order["state"], [each["state"] for each in order["items"]]),
                         ("in_progress", ["in_progress", "cancelled"]))
        self.install(self.resources(order)[0], "software")
        self.assertEqual(self.seen(order)["state"], "partially_completed")
        self.do(self.draft(self.rent("software")), "cancel", {"item": 1}, status=409, code="state_conflict")

    def reserved(self):
        order = self.placed(self.rent("terminal"))
        terminal = self.terminal()
        self.expect(self.platform.post(f"/v1/terminals/{terminal['id']}/reserve",
                                       {"resource_id": self.resources(order)[0]["id"]}), 200)
        return order, terminal

    def test_a_reserved_device_is_released(self):
        order, terminal = self.reserved()
        self.assertEqual(self.do(order, "cancel", client=self.platform)["state"], "cancelled")
        found = self.expect(self.platform.get(f"/v1/terminals/{terminal['id']}"), 200)
        self.assertEqual((found["state"], found["resource_id"]), ("in_stock", None))

    def test_a_tenant_waits_for_a_device_to_be_released(self):
        order, terminal = self.reserved()
        order = self.do(order, "cancel")
        self.assertEqual((order["state"], self.resources(order)[0]["state"]), ("cancelling", "terminating"))
        self.expect(self.platform.post(f"/v1/terminals/{terminal['id']}/release"), 200)
        self.act(self.resources(order)[0], "terminate")
        self.assertEqual(self.seen(order)["state"], "cancelled")


class TestConcurrency(OrderTest):
    def test_it_is_placed_once(self):
        order = self.draft(self.rent("terminal", count=5))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            statuses = [each.status for each in pool.map(
                lambda _: self.owner.post(f"/v1/orders/{order['id']}/place"), range(8))]
        self.assertEqual(sorted(set(statuses) - {409, 412}), [200])
        self.assertEqual(statuses.count(200), 1)
        self.assertEqual(len(self.resources(self.seen(order))), 5)

    def test_what_was_priced_is_what_is_placed(self):
        order = self.draft(self.rent("terminal"))
        etag = self.owner.get(f"/v1/orders/{order['id']}").etag
        place, change = self.behind(
            f"select from orders where id = '{order['id']}' for update", "order_",
            lambda: self.owner.post(f"/v1/orders/{order['id']}/place"),
            lambda: self.owner.patch(f"/v1/orders/{order['id']}", {"items": [self.rent("terminal", count=9)]},
                                     headers={"If-Match": etag}))
        self.assertIn((place.status, change.status), ((200, 412), (412, 200)))
        seen = self.seen(order)
        self.assertEqual((seen["state"], seen["items"][0]["count"]),
                         ("in_progress", 1) if place.status == 200 else ("draft", 9))

    def test_cancelled_while_it_is_installed(self):
        for _ in range(5):
            order = self.placed(self.rent("software"), self.rent("terminal", count=4), self.rent("software"))
            resources = self.resources(order)
            calls = [lambda: self.owner.post(f"/v1/orders/{order['id']}/cancel", {"include_completed": True})]
            calls += [lambda each=each: self.platform.post(f"/v1/resources/{each['id']}/provision") for each in resources]
            with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
                answers = list(pool.map(lambda call: call(), calls))
            self.assertEqual(answers[0].status, 200, answers[0])
            self.assertLessEqual({each.status for each in answers}, {200, 409})
            for each in self.resources(self.seen(order)):
                if each["state"] == "terminating":
                    self.act(each, "terminate")
            self.assertEqual(self.seen(order)["state"], "cancelled")


if __name__ == "__main__":
    unittest.main()
