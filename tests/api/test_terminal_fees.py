"""What is owed for terminals beside their rent: days overdue, loss and damage, and how a fee is disputed."""

import datetime
import decimal
import unittest

from database import quote
from harness import unique
from inventory import TerminalTest

DAY = datetime.timedelta(days=1)


def cny(amount):
    return {"amount": amount, "currency": "CNY"}


class FeeTest(TerminalTest):
    def setUp(self):
        self.renter, self.owner = self.tenant()
        self.day = self.today()

    def device(self, **fields):
        """One of a model of its own that is worth 2,400 when it is half depreciated."""
        terms = {"purchase_price": cny("4800.00"), "depreciation_months": 48, "overdue_day_rate": cny("5.50"),
                 "lost_after_days": 30, **fields}
        bought = (self.day.replace(day=1) - 730 * DAY).replace(day=1)
        return self.add(model=self.model(**terms)["name"], purchased_on=bought.isoformat())

    def out(self, terminal=None, due=7, **fields):
        """Rented by a resource, due in so many days; both."""
        terminal = terminal or self.device(**fields)
        resource = self.rented(self.renter)
        self.act(terminal, "check-out", {"resource_id": resource["id"], "due_on": (self.day + due * DAY).isoformat()})
        return terminal, self.expect(self.platform.post(f"/v1/resources/{resource['id']}/activate"), 200)

    def ago(self, days, *resources):
        """What was agreed for them until now was agreed so many days earlier."""
        names = ", ".join(quote(each["id"]) for each in resources)
        self.database().execute(f"""
            set session_replication_role = replica;
            update terminal_loans set starts_at = starts_at - interval '{days} days', ends_at = ends_at - interval '{days} days',
                                      due_on = due_on - {days}, lost_on = lost_on - {days}
            where resource_id in ({names});
            update terminals set due_on = due_on - {days} where resource_id in ({names});
            delete from resource_documents where resource_id in ({names})""")

    def run_job(self):
        self.database().execute(
            "update operations set not_before = now() where kind = 'terminal_fees' and state = 'queued'")

    def charged(self, resource, period=None, client=None):
        """What the bill under way charges for devices of a resource."""
        body = {"period": period or self.day.strftime("%Y-%m")}
        if client is not None:
            body["tenant"] = self.renter["id"]
        lines = self.expect((client or self.owner).post("/v1/invoices/preview", body), 200)["lines"]
        return [line for line in lines if line["kind"] == "fee" and line["resource_id"] == resource["id"]]

    def fees(self, resource, client=None):
        return (client or self.platform).all("/v1/terminal-fees", query={"resource_id": resource["id"]})

    def fee(self, fee, client=None):
        return self.expect((client or self.owner).get(f"/v1/terminal-fees/{fee['id']}"), 200)

    def do(self, fee, action, body, client=None, status=200, code=None):
        return self.expect((client or self.owner).post(f"/v1/terminal-fees/{fee['id']}/{action}", body), status, code)

    def days_of_month(self, days):
        """How many of the last days, today included, are of this month."""
        return min(days, self.day.day)


class TestDaysOverdue(FeeTest):
    def overdue(self, resource):
        return [(line["charge_code"], line["quantity"], line["unit"], line["unit_amount"])
                for line in self.charged(resource)]

    def expected(self, *days):
        return [("overdue", str(self.days_of_month(each)), "Days", "5.5") for each in days]

    def test_they_are_charged_by_the_day(self):
        terminal, resource = self.out()
        self.assertEqual(self.charged(resource), [])
        self.ago(7, resource)
        self.assertEqual(self.charged(resource), [])  # it is due today
        self.ago(3, resource)
        self.assertEqual(self.overdue(resource), self.expected(3))
        line = self.charged(resource)[0]
        self.assertEqual(decimal.Decimal(line["exact_amount"]), decimal.Decimal("5.5") * self.days_of_month(3))
        self.assertIn(terminal["asset_tag"], line["description_en"])
        self.assertEqual(self.charged(resource, client=self.platform)[0]["exact_amount"], line["exact_amount"])
        # The day that it comes back is one of them, and the last.
        self.act(terminal, "check-in", {"condition": "good"})
        self.assertEqual(self.overdue(resource), self.expected(3))

    def test_a_day_on_which_it_is_extended_is_none(self):
        terminal, resource = self.out()
        self.ago(9, resource)
        self.assertEqual(self.overdue(resource), self.expected(2))
        self.act(terminal, "extend", {"due_on": (self.day + 5 * DAY).isoformat()})
        line = self.overdue(resource)
        self.assertEqual(line, self.expected(1) if self.day.day > 1 else [])
        if line:
            self.assertEqual(line[0][1], "1")

    def test_a_swap_doubles_no_day(self):
        terminal, resource = self.out()
        self.ago(9, resource)
        other = self.add(model=terminal["model"])
        self.act(terminal, "swap", {"replacement_id": other["id"], "outcome": "stock", "condition": "good"})
        self.assertEqual(sum(int(each[1]) for each in self.overdue(resource)), self.days_of_month(2))

    def test_what_was_agreed_stays(self):
        terminal, resource = self.out()
        self.ago(9, resource)
        found = self.platform.get("/v1/terminal-models", query={"name": terminal["model"]}).json["data"][0]
        path = f"/v1/terminal-models/{found['id']}"
        self.expect(self.platform.patch(path, {"overdue_day_rate": cny("99.00"), "lost_after_days": 1},
                                        headers={"If-Match": self.platform.get(path).etag}), 200)
        self.assertEqual(self.overdue(resource), self.expected(2))

    def test_the_end_of_a_term_is_when_it_is_due(self):
        terminal = self.device()
        resource = self.rented(self.renter)
        self.act(terminal, "check-out", {"resource_id": resource["id"]})
        self.expect(self.platform.post(f"/v1/resources/{resource['id']}/activate"), 200)
        renewed = (self.day + 3 * DAY).isoformat()
        self.expect(self.platform.post(f"/v1/resources/{resource['id']}/renew", {"rented_until": renewed}), 200)
        self.assertEqual(self.shown(terminal)["due_on"], renewed)
        self.ago(5, resource)
        self.assertEqual(self.overdue(resource), self.expected(2))

    def test_a_rate_in_another_currency_is_refused(self):
        terminal = self.device(overdue_day_rate={"amount": "1.00", "currency": "USD"})
        body = {"resource_id": self.rented(self.renter)["id"]}
        problem = self.act(terminal, "check-out", body, 409, "state_conflict")
        self.assertIn("USD", problem["detail"])


class TestLoss(FeeTest):
    def test_it_costs_what_the_device_was_worth(self):
        terminal, resource = self.out()
        self.act(terminal, "lose", {"note": "搬家时遗失"})
        fee, = self.fees(resource)
        worth = self.database().value(
            f"select terminal_book_value(4800, '{terminal['purchased_on']}', 48, 0, platform_today())::text")
        self.assertEqual((fee["cause"], fee["state"], fee["asked"], fee["reason"]),
                         ("loss", "open", cny(f"{decimal.Decimal(worth):.2f}"), "搬家时遗失"))
        self.assertEqual(fee["valuation"]["replacement"], "4800")
        self.assertEqual(fee["disputable_until"], (self.day + 13 * DAY).isoformat())
        self.assertEqual((fee["actions"], self.fee(fee)["actions"]), (["decide", "dispute"], ["dispute"]))
        self.assertEqual(self.charged(resource), [])
        # Found again, it costs nothing.
        self.act(terminal, "restock", {"condition": "good"})
        fee = self.fee(fee)
        self.assertEqual((fee["state"], fee["amount"], fee["decision"]["reason"]), ("waived", cny("0.00"), "found"))

    def test_what_is_claimed_of_the_deposit_comes_off(self):
        terminal, resource = self.out(deposit=cny("500.00"), depreciation_months=None)
        self.act(terminal, "lose", {"claim": {**cny("500.00"), "reason": "遗失"}})
        fee, = self.fees(resource)
        self.assertEqual((fee["asked"], fee["valuation"]["claimed"]), (cny("4300.00"), "500.00"))

    def test_the_operator_may_say_what_it_costs(self):
        terminal, resource = self.out()
        self.act(terminal, "lose", {"compensation": cny("0")})
        self.assertEqual(self.fees(resource), [])
        terminal, resource = self.out()
        for wrong in (cny("1.234"), {"amount": "1.00", "currency": "USD"}):
            self.act(terminal, "lose", {"compensation": wrong}, 422, "value_refused")
        other = self.add(model=terminal["model"])
        self.act(terminal, "swap", {"replacement_id": other["id"], "outcome": "lost", "compensation": cny("100.00")})
        fee, = self.fees(resource)
        self.assertEqual((fee["terminal_id"], fee["asked"], fee["valuation"]), (terminal["id"], cny("100.00"), None))

    def test_what_moves_money_takes_a_key(self):
        terminal, resource = self.out()
        for action in ("lose", "check-in", "extend", "swap", "restock", "check-out"):
            answer = self.platform.post(f"/v1/terminals/{terminal['id']}/{action}", {}, headers={"Idempotency-Key": None},
                                        check=False)
            self.assertEqual((answer.status, answer.code), (400, "idempotency_key_missing"), action)
        path, key = f"/v1/terminals/{terminal['id']}/lose", {"Idempotency-Key": unique("key")}
        lost = self.expect(self.platform.post(path, {}, headers=key), 200)
        again = self.platform.post(path, {}, headers=key)
        self.assertEqual((again.json, again.header("Idempotency-Replayed")), (lost, "true"))
        self.assertEqual(len(self.fees(resource)), 1)

    def test_what_is_not_known_to_be_worth_something_costs_nothing(self):
        terminal, resource = self.out(purchase_price=None)
        self.act(terminal, "lose")
        self.assertEqual(self.fees(resource), [])

    def test_without_days_to_dispute_it_is_due_at_once(self):
        terminal, resource = self.out(dispute_days=0)
        self.act(terminal, "lose")
        fee, = self.fees(resource)
        self.assertEqual((fee["state"], fee["period"], fee["due_on"], fee["actions"]),
                         ("due", self.day.strftime("%Y-%m"), self.day.isoformat(), []))
        line, = self.charged(resource)
        self.assertEqual((line["charge_code"], line["quantity"], line["net"]), ("loss", "1", fee["amount"]))
        worth = fee["valuation"]
        self.assertEqual(decimal.Decimal(worth["replacement"]) - decimal.Decimal(worth["depreciation"]),
                         decimal.Decimal(worth["value"]))
        # It is found before the bill is final.
        self.act(terminal, "restock")
        self.assertEqual(self.charged(resource), [])

    def test_what_is_not_given_back_is_lost(self):
        terminal, resource = self.out(deposit=cny("300.00"), depreciation_months=None)
        kept, other = self.out()
        self.ago(7 + 31, resource)
        self.ago(7 + 30, other)  # today is its last day
        self.run_job()
        self.eventually(lambda: self.shown(terminal)["state"] == "lost", 90)
        fee, = self.fees(resource)
        self.assertEqual((fee["asked"], fee["created_by"].partition("_")[0]), (cny("4500.00"), "op"))
        held = self.platform.all("/v1/deposits", query={"resource_id": resource["id"]})
        self.assertEqual([(each["kind"], each["amount"]["amount"]) for each in held],
                         [("claim", "300.00"), ("hold", "300.00")])
        ended = self.expect(self.platform.get(f"/v1/resources/{resource['id']}"), 200)
        self.assertEqual(ended["state"], "terminated")
        last = self.platform.all(f"/v1/resources/{resource['id']}/history")[0]
        self.assertEqual((last["action"], last["reason"]), ("terminate", "terminal_lost"))
        self.assertEqual(self.shown(kept)["state"], "rented")
        # Days overdue end with the last before it was lost.
        overdue = [line for line in self.charged(resource) if line["charge_code"] == "overdue"]
        self.assertEqual(sum(int(line["quantity"]) for line in overdue), min(30, self.day.day - 1))


    def test_nobody_goes_to_fetch_what_is_lost(self):
        terminal, resource = self.out()
        order = self.expect(self.owner.post("/v1/orders", {"items": [
            {"action": "return", "resource_id": resource["id"]}]}), 201)
        self.expect(self.owner.post(f"/v1/orders/{order['id']}/place"), 200)
        work, = self.platform.all("/v1/work-orders", query={"order_id": order["id"]})
        self.ago(7 + 31, resource)
        self.run_job()
        self.eventually(lambda: self.shown(terminal)["state"] == "lost", 90)
        self.assertEqual(self.expect(self.owner.get(f"/v1/orders/{order['id']}"), 200)["state"], "completed")
        work = self.expect(self.platform.get(f"/v1/work-orders/{work['id']}"), 200)
        self.assertEqual(work["state"], "cancelled")


class TestDispute(FeeTest):
    def damaged(self, **fields):
        terminal, resource = self.out(**fields)
        self.act(terminal, "check-in", {"condition": "damaged", "damage": {**cny("450.00"), "reason": "屏幕破裂"}})
        fee, = self.fees(resource)
        return terminal, resource, fee

    def test_the_operator_decides(self):
        _, resource, fee = self.damaged()
        self.assertEqual((fee["cause"], fee["asked"], fee["reason"]), ("damage", cny("450.00"), "屏幕破裂"))
        disputed = self.do(fee, "dispute", {"reason": "归还时完好"})
        self.assertEqual((disputed["state"], disputed["dispute"]["reason"], disputed["actions"]),
                         ("disputed", "归还时完好", []))
        self.do(fee, "dispute", {"reason": "再次"}, status=409, code="state_conflict")
        decision = {"amount": cny("450.01"), "reason": "报价"}
        self.do(fee, "decide", decision, client=self.owner, status=403, code="forbidden")
        self.do(fee, "decide", decision, client=self.platform, status=422, code="value_refused")
        decided = self.do(fee, "decide", {"amount": cny("200.00"), "reason": "报价"}, client=self.platform)
        self.assertEqual((decided["state"], decided["asked"], decided["amount"], decided["decision"]["reason"]),
                         ("due", cny("450.00"), cny("200.00"), "报价"))
        line, = self.charged(resource)
        self.assertEqual((line["charge_code"], line["net"]), ("damage", cny("200.00")))
        self.do(fee, "decide", decision, client=self.platform, status=409, code="state_conflict")

    def test_it_is_waived(self):
        _, resource, fee = self.damaged()
        waived = self.do(fee, "decide", {"amount": cny("0"), "reason": "正常磨损"}, client=self.platform)
        self.assertEqual((waived["state"], waived["period"]), ("waived", None))
        self.assertEqual(self.charged(resource), [])

    def test_who_says_nothing_pays(self):
        _, resource, fee = self.damaged()
        last_month = self.day.replace(day=1) - DAY
        self.database().execute(
            f"update terminal_fees set disputable_until = '{last_month.replace(day=14)}' where id = {quote(fee['id'])}")
        self.do(fee, "dispute", {"reason": "太晚"}, status=409, code="state_conflict")
        self.run_job()
        self.eventually(lambda: self.fee(fee)["state"] == "due", 90)
        due, period = self.fee(fee), last_month.strftime("%Y-%m")
        self.assertEqual((due["due_on"], due["period"], due["invoice_id"]),
                         (last_month.replace(day=15).isoformat(), period, None))
        self.assertEqual(self.bill(period, tenant=self.renter, finalize=True)["state"], "succeeded")
        invoice = self.fee(fee)["invoice_id"]
        line, = self.expect(self.owner.get(f"/v1/invoices/{invoice}/lines"), 200)["data"]
        self.assertEqual((line["kind"], line["net"], line["tax"]), ("fee", cny("450.00"), cny("58.50")))
        self.assertEqual(line["description"].split(" · ")[0], "损坏赔偿")
        explained = self.expect(self.owner.get(f"/v1/invoices/{invoice}/lines/1/explanation"), 200)
        self.assertEqual([(step["step"], step.get("fee_id")) for step in explained["steps"]],
                         [("damage", fee["id"]), ("unit", None)])
        with self.assertRaisesRegex(Exception, "final"):
            self.database().execute(f"update terminal_fees set amount = 1 where id = {quote(fee['id'])}")

    def test_damage_that_is_found_later(self):
        terminal, resource = self.out()
        self.act(terminal, "check-in", {"condition": "good"})
        body = {"terminal_id": terminal["id"], "resource_id": resource["id"], "cause": "damage",
                "amount": cny("80.00"), "reason": "缺电源"}
        answer = self.platform.post("/v1/terminal-fees", body)
        fee = self.expect(answer, 201)
        self.assertEqual(answer.header("Location"), f"/v1/terminal-fees/{fee['id']}")
        self.assertEqual(self.fees(resource, self.owner)[0]["asked"], cny("80.00"))
        self.expect(self.platform.post("/v1/terminal-fees", {**body, "terminal_id": self.add()["id"]}), 422, "reference_unknown")
        self.expect(self.owner.post("/v1/terminal-fees", body), 403, "forbidden")
        self.expect(self.platform.post("/v1/terminal-fees", {**body, "amount": cny("0")}), 422)

    def test_another_tenant_sees_nothing(self):
        _, _, fee = self.damaged()
        _, other = self.tenant(unique("other"))
        self.expect(other.get(f"/v1/terminal-fees/{fee['id']}"), 404, "not_found")
        self.do(fee, "dispute", {"reason": "x"}, client=other, status=404, code="not_found")
        self.assertEqual(other.all("/v1/terminal-fees"), [])


if __name__ == "__main__":
    unittest.main()
