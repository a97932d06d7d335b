"""What is credited for missed service levels: by which rule, of what, on which bill, and only once."""

import csv
import datetime
import decimal
import io
import random
import unittest

from harness import ApiTest, unique

SHANGHAI = datetime.timezone(datetime.timedelta(hours=8))
MINUTE, HOUR = datetime.timedelta(minutes=1), datetime.timedelta(hours=1)
STEPS = ["measured", "rule", "base", "service_credit"]


def month(back):
    """The calendar month so many before this one, in Shanghai: its name and first instant."""
    today = datetime.datetime.now(SHANGHAI)
    index = today.year * 12 + today.month - 1 - back
    first = datetime.datetime(index // 12, index % 12 + 1, 1, tzinfo=SHANGHAI)
    return first.strftime("%Y-%m"), first


def spell(moment):
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def flat(amount, **fields):
    return {"code": "line", "name": "月租", "name_en": "Line", "kind": "recurring",
            "price": {"model": "flat", "amount": amount}, **fields}


def tiers(*pairs):
    return [{"over_minutes": minutes, "percent": percent} for minutes, percent in pairs]


class CreditTest(ApiTest):
    def setUp(self):
        self.renter, self.owner = self.tenant()
        self.last, self.first = month(1)

    # ---- Rules ----

    def rule(self, offer, *pairs, measure="interruption", **fields):
        return self.expect(self.platform.post("/v1/service-credit-rules", {
            "name": "中断赔付", "kind": offer["offering"]["kind"], "offering_id": offer["offering"]["id"],
            "measure": measure, "tiers": tiers(*pairs), "valid_from": month(5)[0], **fields}), 201)

    def change(self, rule, **fields):
        path = f"/v1/service-credit-rules/{rule['id']}"
        return self.expect(self.platform.patch(path, fields, if_match=self.platform.get(path).etag), 200)

    # ---- What is rented, and what goes wrong ----

    def line(self, offer, since, kind="broadband", reason=None):
        part = {"software": {"seats": 2}, "broadband": {
            "line": unique("line"), "access_technology": "gpon", "maximum_downstream_kbit": 100000,
            "maximum_upstream_kbit": 20000}}[kind]
        line = self.expect(self.platform.post("/v1/resources", {
            "kind": kind, "tenant": self.renter["id"], "offering_id": offer["offering"]["id"],
            "plan_id": offer["plan"]["id"], "name": "专线", kind: part, "effective_at": spell(since)}), 201)
        for action in ("approve", "provision", "activate"):
            body = {"effective_at": spell(since)}
            if action == "activate" and reason:
                body["reason"] = reason(line)
            self.act(line, action, body)
        return line

    def interrupt(self, line, starts, ends=None):
        ticket = self.expect(self.owner.post("/v1/tickets", {
            "resource_id": line["id"], "category": "no_service", "title": "断网", "interrupted_from": spell(starts)}), 201)
        acknowledged = self.expect(self.platform.post(f"/v1/tickets/{ticket['id']}/acknowledge"), 200)
        return acknowledged if ends is None else self.mend(ticket, ends)

    def mend(self, ticket, ends):
        return self.expect(self.platform.post(f"/v1/tickets/{ticket['id']}/resolve", {
            "note": "好了", "interrupted_until": spell(ends)}), 200)

    def last_longer(self, ticket, ends):
        self.expect(self.owner.post(f"/v1/tickets/{ticket['id']}/reopen", {"note": "没好"}), 200)
        return self.mend(ticket, ends)

    def maintain(self, offer, starts, ends, hours):
        """Maintenance that was announced so many hours before."""
        maintenance = self.expect(self.platform.post("/v1/maintenances", {
            "title": "割接", "starts_at": spell(starts), "ends_at": spell(ends),
            "offering_ids": [offer["offering"]["id"]]}), 201)
        self.expect(self.platform.post(f"/v1/maintenances/{maintenance['id']}/announce"), 200)
        self.database().execute(f"update maintenances set announced_at = starts_at - interval '{hours} hours' "
                                f"where id = '{maintenance['id']}'")
        return maintenance

    def late_work(self, due, done):
        """Of a line, before it is active: work that was promised for then and done then."""
        def make(line):
            work = self.expect(self.platform.post("/v1/work-orders", {
                "tenant": self.renter["id"], "kind": "install", "title": "装机", "resource_ids": [line["id"]]}), 201)
            self.database().execute(f"update work_orders set state = 'closed_complete', done_at = '{spell(done)}', "
                                    f"completion_due_at = '{spell(due)}' where id = '{work['id']}'")
            return work["id"]
        return make

    # ---- Bills ----

    def settle(self, period):
        run = self.bill(period, tenant=self.renter, finalize=True)
        self.assertEqual(run["state"], "succeeded", run)
        return self.expect(self.owner.get("/v1/invoices", query={"period": period}), 200)["data"][0]

    def lines(self, invoice):
        return self.owner.all(f"/v1/invoices/{invoice['id']}/lines")

    def credits_of(self, lines):
        return [(line["charge_code"], line["correction_of"], line["quantity"], line["exact_amount"],
                 line["net"]["amount"], line["tax"]["amount"]) for line in lines if line["kind"] == "service_credit"]

    def preview(self, period):
        return self.expect(self.owner.post("/v1/invoices/preview", {"period": period}), 200)

    def would(self, period, client=None, **query):
        found = self.expect((client or self.owner).get("/v1/service-credits", query={"period": period, **query}), 200)
        return found["data"]

    def explained(self, invoice, line):
        return self.expect(self.owner.get(f"/v1/invoices/{invoice['id']}/lines/{line}/explanation"), 200)


class TestInterruption(CreditTest):
    def test_overlapping_tickets_count_once(self):
        offer = self.offer("broadband", flat("100.01"))
        rule = self.rule(offer, (60, "5"), (239, "10.5"), (240, "50"))
        line = self.line(offer, self.first)
        day = self.first + 2 * 24 * HOUR
        tickets = [self.interrupt(line, day, day + 2 * HOUR), self.interrupt(line, day + HOUR, day + 3.5 * HOUR),
                   self.interrupt(line, day + 48 * HOUR, day + 48.5 * HOUR),
                   # Before the month, and none at all.
                   self.interrupt(line, self.first - 5 * HOUR, self.first), self.interrupt(line, day, day)]
        expected = ("service-credit-interruption", None, "240", "-10.50105", "-10.50", "-0.95")
        preview = self.preview(self.last)
        self.assertEqual(self.credits_of(preview["lines"]), [expected])
        self.assertEqual([preview[part]["amount"] for part in ("net", "tax", "total")], ["89.51", "8.05", "97.56"])
        would = self.would(self.last)
        self.assertEqual((would[0]["percent"], would[0]["minutes"], would[0]["net"]["amount"], would[0]["invoice_id"]),
                         ("10.5", 240, "-10.50", None))
        self.assertEqual(self.would(self.last, resource_id=line["id"]), would)
        self.assertEqual(self.would(self.last, resource_id="res_01k8x7g0v8e2v9m3b1q4t5y6z7"), [])

        invoice = self.settle(self.last)
        self.assertEqual([invoice[part]["amount"] for part in ("net", "tax", "total")], ["89.51", "8.05", "97.56"])
        found = self.lines(invoice)
        self.assertEqual(self.credits_of(found), [expected])
        credit = found[1]
        self.assertEqual((credit["resource_id"], credit["tax_rate"], credit["unit"], credit["unit_amount"]),
                         (line["id"], "0.09", "Minutes", None))
        self.assertEqual((credit["description"], credit["description_en"]),
                         ("服务等级赔付 · 业务中断 240 分钟 · 专线", "Service credit · interruption 240 minutes · 专线"))
        told = self.explained(invoice, 2)
        self.assertEqual((told["price"], told["meter"], told["usage"]), (None, None, []))
        measured, applied, base, amount = told["steps"]
        self.assertEqual([step["step"] for step in told["steps"]], STEPS)
        self.assertEqual(measured["intervals"], [
            {"from": spell(day), "until": spell(day + 3.5 * HOUR)},
            {"from": spell(day + 48 * HOUR), "until": spell(day + 48.5 * HOUR)}])
        self.assertEqual([each["id"] for each in measured["tickets"]], [each["id"] for each in tickets[:3]])
        self.assertEqual((applied["id"], applied["version"], applied["over_minutes"], applied["percent"]),
                         (rule["id"], 1, 239, "10.5"))
        self.assertEqual((base["lines"], base["amount"]),
                         ([{"line": 1, "charge_code": "line", "net": "100.01"}], "100.01"))
        self.assertEqual((amount["percent"], amount["of"], amount["amount"]), ("10.5", "100.01", "-10.50105"))
        # Whatever becomes of the rule, that is how it was.
        self.change(rule, tiers=tiers((0, "100")), valid_from=self.last)
        self.assertEqual(self.explained(invoice, 2), told)
        self.assertEqual([(each["line"], each["invoice_id"]) for each in self.would(self.last)], [(2, invoice["id"])])
        self.assertEqual(self.preview(self.last)["net"]["amount"], "89.51")

    def test_a_run_doubles_nothing(self):
        offer = self.offer("broadband", flat("100.00"))
        self.rule(offer, (0, "10"))
        line = self.line(offer, self.first)
        ticket = self.interrupt(line, self.first + HOUR, self.first + 2 * HOUR)
        for _ in range(2):
            self.assertEqual(self.bill(self.last, tenant=self.renter)["state"], "succeeded")
        drafted = self.platform.all("/v1/service-credits", query={"tenant": self.renter["id"]})
        self.assertEqual([each["net"]["amount"] for each in drafted], ["-10.00"])
        self.assertEqual(self.owner.all("/v1/service-credits"), [])  # a tenant sees no drafts
        invoice = self.settle(self.last)
        self.assertEqual(self.settle(self.last), invoice)
        self.assertEqual(len(self.owner.all("/v1/service-credits", query={"resource_id": line["id"]})), 1)
        self.assertEqual(self.owner.all("/v1/service-credits", query={"tenant": self.renter["id"]}),
                         self.platform.all("/v1/service-credits", query={"tenant": self.renter["id"]}))
        self.last_longer(ticket, self.first + 3 * HOUR)  # the same tier
        self.assertEqual(self.credits_of(self.preview(month(0)[0])["lines"]), [])
        for sql in ("delete from service_credits", "update service_credits set percent = 1"):
            with self.assertRaisesRegex(AssertionError, "immutable"):
                self.database().execute(f"{sql} where tenant_id = '{self.renter['id']}'")

    def test_what_lasts_counts_to_the_end(self):
        """And only while the line was active."""
        offer = self.offer("broadband", flat("100.00"))
        self.rule(offer, (0, "10"))
        line = self.line(offer, self.first)
        end = month(0)[1]
        self.act(line, "suspend", {"effective_at": spell(end - 5 * HOUR)})
        self.act(line, "resume", {"effective_at": spell(end - 3 * HOUR)})
        self.interrupt(line, end - 6 * HOUR)
        self.assertEqual(self.would(self.last)[0]["minutes"], 4 * 60)

    def test_what_nobody_acknowledged_does_not_count(self):
        offer = self.offer("broadband", flat("100.00"))
        self.rule(offer, (0, "10"))
        line = self.line(offer, self.first)
        ticket = self.expect(self.owner.post("/v1/tickets", {
            "resource_id": line["id"], "category": "no_service", "title": "断网", "interrupted_from": spell(self.first)}), 201)
        self.assertEqual(self.would(self.last), [])
        self.mend(ticket, self.first + HOUR)
        self.assertEqual(self.would(self.last)[0]["minutes"], 60)

    def test_maintenance_that_was_announced(self):
        offer = self.offer("broadband", flat("100.00"))
        self.rule(offer, (30, "10"))
        line = self.line(offer, self.first)
        day = self.first + 10 * 24 * HOUR
        self.interrupt(line, day, day + 4 * HOUR)
        announced = self.maintain(offer, day + HOUR, day + 2 * HOUR, 72)
        self.maintain(offer, day + 3 * HOUR, day + 4 * HOUR, 71)
        cancelled = self.maintain(offer, day, day + HOUR, 100)
        self.expect(self.platform.post(f"/v1/maintenances/{cancelled['id']}/cancel", {"reason": "x"}), 200)
        invoice = self.settle(self.last)
        measured = self.explained(invoice, 2)["steps"][0]
        self.assertEqual((measured["minutes"], [each["id"] for each in measured["maintenances"]]),
                         (180, [announced["id"]]))

    def test_days_are_credited_and_traffic_is_not(self):
        offer = self.offer("software", flat("10.00"), {"code": "once", "name": "开通费", "kind": "one_off",
                                                       "price": {"model": "flat", "amount": "500"}},
                           {"code": "seats", "name": "席位", "kind": "usage", "meter": "seat-days",
                            "price": {"model": "unit", "unit_amount": "0.5"}})
        self.rule(offer, (0, "100"))
        line = self.line(offer, self.first, "software")
        self.interrupt(line, self.first, self.first + HOUR)
        days = (month(0)[1] - self.first).days
        self.assertEqual(self.credits_of(self.preview(self.last)["lines"])[0][3], f"-{10 + days}")

    def test_a_rate_of_tax_each(self):
        """A plan of each half of the month, between which the rate changed."""
        offer = self.offer("software", flat("310.00"))
        self.rule(offer, (0, "50"))
        plan = self.expect(self.platform.post("/v1/plans", {
            "offering_id": offer["offering"]["id"], "code": unique("plan"), "name": "大", "charges": [flat("620.00")]}), 201)
        self.expect(self.platform.post(f"/v1/plans/{plan['id']}/publish"), 200)
        line = self.line(offer, self.first, "software")
        middle = self.first + 10 * 24 * HOUR
        self.act(line, "change", {"plan_id": plan["id"], "effective_at": spell(middle)})
        self.interrupt(line, self.first, self.first + HOUR)
        last_day = (month(0)[1] - HOUR).date()
        self.database().execute(f"insert into tax_rates values ('information_service', '{last_day}', 0.05, 'test')")
        try:
            bill = self.preview(self.last)["lines"]
        finally:
            self.database().execute(f"delete from tax_rates where valid_from = '{last_day}'")
        nets = [decimal.Decimal(each["net"]["amount"]) for each in bill]
        self.assertEqual([each["tax_rate"] for each in bill], ["0.06", "0.05"] * 2)
        self.assertEqual([each["plan_id"] for each in bill], [offer["plan"]["id"], plan["id"]] * 2)
        for charge, credit in zip(bill[:2], bill[2:]):
            half = decimal.Decimal(charge["net"]["amount"]) / 2
            self.assertEqual(decimal.Decimal(credit["exact_amount"]), -half)
        self.assertEqual(len(nets), 4)


class TestInstallation(CreditTest):
    def works(self, day):
        days = self.shared.once(f"business days {day.year}", lambda: {
            each["day"]: each["works"]
            for each in self.expect(self.platform.get(f"/v1/business-days/{day.year}"), 200)["days"]})
        return days.get(day.isoformat(), day.isoweekday() < 6)

    def business_minutes(self, since, until):
        return sum(self.works(moment.date()) and 9 <= moment.hour < 18
                   for moment in (since + n * MINUTE for n in range(int((until - since) / MINUTE))))

    def test_later_than_promised(self):
        offer = self.offer("broadband", flat("100.00"))
        done = self.first + 20 * 24 * HOUR + 15.5 * HOUR
        due = done - 9 * 24 * HOUR - 2.25 * HOUR
        late = self.business_minutes(due, done)
        self.rule(offer, (late - 1, "33.33"), (late, "90"), measure="installation")
        line = self.line(offer, done, reason=self.late_work(due, done))
        self.interrupt(line, done, done + HOUR)  # no rule for that
        days = (month(0)[1] - self.first).days
        net = (decimal.Decimal(100) * (days - 20) / days).quantize(decimal.Decimal("0.01"), decimal.ROUND_HALF_UP)
        invoice = self.settle(self.last)
        charge, credit = self.lines(invoice)
        self.assertEqual(charge["net"]["amount"], str(net))
        exact = net * decimal.Decimal("0.3333")
        self.assertEqual((credit["charge_code"], credit["quantity"], decimal.Decimal(credit["exact_amount"])),
                         ("service-credit-installation", str(late), -exact))
        measured = self.explained(invoice, 2)["steps"][0]
        self.assertEqual((measured["due_at"], measured["done_at"]), (spell(due), spell(done)))
        self.assertRegex(measured["work_order_id"], "^wor_")
        self.assertEqual(self.would(month(0)[0]), [])  # once, with the month in which it was installed

    def test_in_time_nothing_is_credited(self):
        offer = self.offer("broadband", flat("100.00"))
        self.rule(offer, (0, "50"), measure="installation")
        done = self.first + 20 * 24 * HOUR
        self.line(offer, done, reason=self.late_work(done, done))
        self.assertEqual(self.would(self.last), [])

    def test_both_are_at_most_the_whole(self):
        offer = self.offer("broadband", flat("99.99"))
        self.rule(offer, (0, "70.5"), measure="installation")
        self.rule(offer, (0, "20"), (120, "40"))
        work = self.late_work(self.first - 20 * 24 * HOUR, self.first)
        line = self.line(offer, self.first, reason=work)
        ticket = self.interrupt(line, self.first, self.first + HOUR)
        self.assertEqual([each[3] for each in self.credits_of(self.preview(self.last)["lines"])], ["-70.49295", "-19.998"])
        self.last_longer(ticket, self.first + 3 * HOUR)
        invoice = self.settle(self.last)
        self.assertEqual(self.credits_of(self.lines(invoice))[1][3:5], ("-29.49705", "-29.50"))
        self.assertEqual(invoice["net"]["amount"], "0.00")
        self.assertEqual([each["percent"] for each in self.would(self.last)], ["29.5", "70.5"])


class TestLater(CreditTest):
    def setUp(self):
        super().setUp()
        self.before, self.begins = month(2)

    def two_months(self, amount="100.00"):
        offer = self.offer("broadband", flat(amount))
        return offer, self.line(offer, self.begins)

    def test_the_difference_is_on_the_next_bill(self):
        offer, line = self.two_months()
        self.rule(offer, (0, "10"), (120, "25.55"), (600, "80"))
        ticket = self.interrupt(line, self.begins, self.begins + HOUR)
        invoice = self.settle(self.before)
        self.assertEqual(invoice["net"]["amount"], "90.00")
        self.last_longer(ticket, self.begins + 3 * HOUR)
        second = self.settle(self.last)
        expected = ("service-credit-interruption", self.before, "180", "-15.55", "-15.55", "-1.40")
        self.assertEqual(self.credits_of(self.lines(second)), [expected])
        credit = self.lines(second)[1]
        self.assertIn(self.before, credit["description"])
        self.assertIn(self.before, credit["description_en"])
        self.assertEqual(credit["service_starts_at"], spell(self.begins))
        told = self.explained(second, 2)["steps"]
        self.assertEqual([step["step"] for step in told], [*STEPS, "credited_before"])
        self.assertEqual((told[3]["amount"], told[4]["amount"]), ("-25.55", "10"))
        self.assertEqual(told[0]["invoice"], invoice["number"])
        self.assertEqual(self.expect(self.owner.get(f"/v1/invoices/{invoice['id']}"), 200), invoice)
        # Of what is shorter than it was told nothing is taken back; of what is longer the rest comes.
        current = month(0)[0]
        self.last_longer(ticket, self.begins + 0.5 * HOUR)
        self.assertEqual(self.would(current), [])
        self.last_longer(ticket, self.begins + 11 * HOUR)
        preview = self.expect(self.owner.post("/v1/invoices/preview", {"period": current}), 200)
        so_far = sum(decimal.Decimal(each["net"]["amount"]) for each in preview["lines"] if each["kind"] == "recurring")
        self.assertEqual([(each["correction_of"], decimal.Decimal(each["net"]["amount"])) for each in self.would(current)],
                         [(self.before, -min(decimal.Decimal("54.45"), so_far))])

    def test_what_is_reported_later(self):
        """By the rule as it was when the month was settled."""
        offer, line = self.two_months()
        rule = self.rule(offer, (0, "10"))
        self.settle(self.before)
        self.change(rule, tiers=tiers((0, "90")), valid_from=self.before)
        self.rule(offer, (0, "60"), place=1)
        self.interrupt(line, self.begins, self.begins + HOUR)
        self.interrupt(line, self.first, self.first + HOUR)
        self.assertEqual([(each["correction_of"], each["net"]["amount"], each["rule_version"]) for each in self.would(self.last)],
                         [(None, "-60.00", 1), (self.before, "-10.00", 1)])

    def test_maintenance_that_did_not_take_place(self):
        offer, line = self.two_months()
        self.rule(offer, (0, "10"))
        self.interrupt(line, self.begins, self.begins + HOUR)
        maintenance = self.maintain(offer, self.begins, self.begins + HOUR, 72)
        self.assertEqual(self.settle(self.before)["net"]["amount"], "100.00")
        self.expect(self.platform.post(f"/v1/maintenances/{maintenance['id']}/cancel", {"reason": "x"}), 200)
        self.assertEqual([each["net"]["amount"] for each in self.would(self.last)], ["-10.00"])

    def test_a_bill_goes_not_below_zero(self):
        """What the next bill cannot bear waits for the one after it."""
        offer, line = self.two_months("300.00")
        self.rule(offer, (0, "100"))
        self.settle(self.before)
        days = (month(0)[1] - self.first).days
        self.act(line, "suspend", {"effective_at": spell(self.first + 24 * HOUR)})
        self.act(line, "resume", {"effective_at": spell(month(0)[1])})
        self.interrupt(line, self.begins, self.begins + HOUR)
        charged = (decimal.Decimal(300) / days).quantize(decimal.Decimal("0.01"), decimal.ROUND_HALF_UP)
        invoice = self.settle(self.last)
        self.assertEqual([invoice[part]["amount"] for part in ("net", "tax", "total")], ["0.00", "0.00", "0.00"])
        told = self.explained(invoice, 2)["steps"]
        self.assertEqual((told[-1]["step"], decimal.Decimal(told[-1]["amount"])), ("left_for_later", 300 - charged))
        current = self.preview(month(0)[0])
        self.assertEqual((current["net"]["amount"], current["total"]["amount"]), ("0.00", "0.00"))

    def test_what_was_taken_back_is_not_credited(self):
        offer, line = self.two_months()
        self.rule(offer, (0, "50"))
        invoice = self.settle(self.before)
        self.expect(self.platform.post("/v1/credit-notes", {
            "invoice_id": invoice["id"], "reason": "误收", "lines": [{"line": 1, "net": "80"}]}), 201)
        self.interrupt(line, self.begins, self.begins + HOUR)
        self.assertEqual([each["net"]["amount"] for each in self.would(self.last)], ["-10.00"])

    def test_a_credit_can_be_taken_back(self):
        """By a credit note over the whole invoice, which comes to nothing then."""
        offer, line = self.two_months()
        self.rule(offer, (0, "50"))
        self.interrupt(line, self.begins, self.begins + HOUR)
        invoice = self.settle(self.before)
        note = self.expect(self.platform.post("/v1/credit-notes", {"invoice_id": invoice["id"], "reason": "误收"}), 201)
        self.assertEqual(note["net"]["amount"], "-50.00")
        found = self.owner.all(f"/v1/credit-notes/{note['id']}/lines")
        self.assertEqual([(each["kind"], each["net"]["amount"]) for each in found],
                         [("recurring", "-100.00"), ("service_credit", "50.00")])


class TestRules(CreditTest):
    def test_the_most_specific_applies(self):
        offer = self.offer("software", flat("100.00"))
        line = self.line(offer, self.first, "software")
        self.interrupt(line, self.first, self.first + HOUR)
        made = [self.rule(offer, (0, percent), **fields) for percent, fields in (
            ("1", {"offering_id": None, "place": 1}), ("2", {"place": 7}), ("3", {"place": 6}), ("4", {"place": 6}),
            ("5", {"measure": "installation", "place": 1}), ("6", {"place": 1, "valid_from": month(0)[0]}))]
        percents = []
        for retired in (made[2], made[3], made[1], made[0]):
            percents.append([each["percent"] for each in self.would(self.last)])
            self.change(retired, state="retired", valid_from=self.last)
        self.assertEqual(percents, [["3"], ["4"], ["2"], ["1"]])
        self.assertEqual(self.would(self.last), [])

    def test_a_change_makes_a_version(self):
        offer = self.offer("terminal")
        body = {"name": "x", "kind": "terminal", "measure": "interruption", "tiers": tiers((0, "1"))}
        key = {"Idempotency-Key": unique("key")}
        answer = self.platform.post("/v1/service-credit-rules", {**body, "offering_id": offer["offering"]["id"]}, headers=key)
        rule = self.expect(answer, 201)
        again = self.platform.post("/v1/service-credit-rules", {**body, "offering_id": offer["offering"]["id"]}, headers=key)
        self.assertEqual(self.expect(again, 201), rule)
        path = f"/v1/service-credit-rules/{rule['id']}"
        self.assertEqual(answer.header("Location"), path)
        self.assertEqual((rule["notice_hours"], rule["place"], rule["valid_from"], rule["version"], rule["state"]),
                         (72, 100, month(0)[0], 1, "active"))
        self.expect(self.platform.patch(path, {"place": 2}), 428)
        changed = self.expect(self.platform.patch(path, {"place": 2, "notice_hours": 0}, if_match=answer.etag), 200)
        self.assertEqual({**changed, "updated_at": None},
                         {**rule, "place": 2, "notice_hours": 0, "version": 2, "updated_at": None})
        self.expect(self.platform.patch(path, {"place": 3}, if_match=answer.etag), 412, "precondition_failed")
        self.assertEqual(self.expect(self.platform.get(path), 200), changed)
        retired = self.change(rule, state="retired")
        listed = self.platform.all("/v1/service-credit-rules", query={"state": "retired", "measure": "interruption"})
        self.assertIn(retired, listed)
        self.assertNotIn(rule["id"], [each["id"] for each in self.platform.all("/v1/service-credit-rules", query={"state": "active"})])
        self.expect(self.platform.get("/v1/service-credit-rules/scr_01k8x7g0v8e2v9m3b1q4t5y6z7"), 404)
        self.expect(self.platform.patch("/v1/service-credit-rules/scr_01k8x7g0v8e2v9m3b1q4t5y6z7", {}, if_match="*"), 404)

    def test_at_once_one_changes_it(self):
        rule = self.rule(self.offer("terminal"), (0, "1"))
        path = f"/v1/service-credit-rules/{rule['id']}"
        answers = self.behind(f"select lock_period_exclusive('{month(0)[0]}')", "service_credit_rule_update", *(
            lambda: self.platform.patch(path, {"place": 2}, if_match='"1"') for _ in range(2)))
        self.assertEqual(sorted(each.status for each in answers), [200, 412])

    def test_what_is_no_rule(self):
        offer = self.offer("terminal")
        body = {"name": "x", "kind": "terminal", "measure": "interruption", "tiers": tiers((0, "1"))}

        def refused(code, **fields):
            self.expect(self.platform.post("/v1/service-credit-rules", {**body, **fields}), 422, code)

        for pairs in (((0, "0"),), ((0, "100.01"),), ((0, "1.001"),), ((0, "0.99"),), ((5, "1"), (5, "2")),
                      ((5, "1"), (4, "2")), ((5, "2"), (6, "2"))):
            refused("value_refused", tiers=tiers(*pairs))
        for fields in ({"tiers": []}, {"tiers": tiers(*((n, str(n + 1)) for n in range(21)))}, {"kind": "line"},
                       {"measure": "response"}, {"place": 0}, {"notice_hours": -1}, {"tiers": [{"over_minutes": 1}]}):
            refused("validation_failed", **fields)
        refused("value_refused", valid_from=month(25)[0])
        refused("reference_unknown", kind="software", offering_id=offer["offering"]["id"])
        refused("reference_unknown", offering_id="off_01k8x7g0v8e2v9m3b1q4t5y6z8")

    def test_roles(self):
        rule = self.rule(self.offer("terminal"), (0, "1"))
        path = f"/v1/service-credit-rules/{rule['id']}"
        for role, status in (("finance", 200), ("operator", 200), ("auditor", 403), ("park_manager", 403)):
            self.expect(self.operator(role).patch(path, {"place": 3}, if_match="*"), status)
        self.expect(self.operator("auditor").get(path), 200)
        self.expect(self.owner.get(path), 403)
        self.expect(self.client_of("billing", self.renter).get("/v1/service-credits"), 200)
        self.expect(self.client_of("developer", self.renter).get("/v1/service-credits"), 403)
        self.expect(self.operator("park_manager").get("/v1/service-credits"), 200)

    def test_whose_credits_they_are(self):
        offer = self.offer("broadband", flat("100.00"))
        self.rule(offer, (0, "10"))
        line = self.line(offer, self.first)
        self.interrupt(line, self.first, self.first + HOUR)
        _, stranger = self.tenant()
        self.assertEqual(self.would(self.last, client=stranger), [])
        found = self.would(self.last, client=self.platform, tenant=self.renter["id"])
        self.assertEqual(found, self.would(self.last))
        self.assertEqual(len(found), 1)
        self.settle(self.last)
        for query in ({}, {"resource_id": line["id"]}, {"period": self.last}):
            self.assertEqual(self.expect(stranger.get("/v1/service-credits", query=query), 200)["data"], [])


class TestBooks(CreditTest):
    """A month with credits passes the gate and is in the books, whatever is found out meanwhile."""

    settings = {"log_level": "info", "workers": "1"}

    def export(self, form, period):
        answer = self.platform.post("/v1/exports", {"format": form, "period": period})
        self.assertEqual(self.operation(answer)["state"], "succeeded")
        export = self.expect(self.platform.get(f"/v1/exports/{answer.json['id']}"), 200)
        files = {each["name"]: self.platform.get(f"/v1/exports/{export['id']}/files/{each['name']}").body.decode("utf-8-sig")
                 for each in export["files"]}
        return export["manifest"]["control_totals"], files

    def close(self, period):
        ended = self.operation(self.platform.post(f"/v1/periods/{period}/close"))
        self.assertEqual(ended["state"], "succeeded", ended)

    def check_books(self, period, totals, corrects, net, tax):
        """The exports of a month with one credit."""
        control, files = self.export("focus", period)
        self.assertEqual(control, totals)
        rows = list(csv.DictReader(io.StringIO(files["focus.csv"], newline="")))
        credit, of_tax = rows[-2:]
        self.assertEqual((credit["ChargeCategory"], credit["ChargeClass"], credit["ChargeFrequency"], of_tax["ChargeCategory"]),
                         ("Credit", "Correction" if corrects else "NULL", "One-Time", "Tax"))
        for cost in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"):
            self.assertEqual((credit[cost], of_tax[cost]), (net, tax))
        for column in ("ConsumedQuantity", "ConsumedUnit", "PricingQuantity", "ListUnitPrice", "SkuId", "SkuPriceId"):
            self.assertEqual(credit[column], "NULL", column)
        self.assertEqual(str(sum(decimal.Decimal(row["BilledCost"]) for row in rows)), totals["total"])
        self.assertEqual(self.export("journal", period)[0], totals)
        control, files = self.export("lines", period)
        self.assertEqual(control, totals)
        row = list(csv.DictReader(io.StringIO(files["lines.csv"], newline="")))[-1]
        self.assertEqual((row["kind"], row["correction_of"], row["net"], row["tax"]), ("service_credit", corrects, net, tax))

    def a_credit_beside_its_rule_refuses_the_close(self, period):
        change = "set session_replication_role = replica; update service_credits set facts = jsonb_set(facts, '{minutes}', '%s')"
        self.database().execute(change % 200)
        refused = self.operation(self.platform.post(f"/v1/periods/{period}/close"))
        self.assertEqual((refused["state"], refused["error"]["code"]), ("failed", "gate_refused"), refused)
        self.assertIn("service-credit-interruption", refused["error"]["detail"])
        self.database().execute(change % 60)

    def test_two_months(self):
        before, begins = month(2)
        offer = self.offer("broadband", flat("100.00"), {"code": "days", "name": "线路日", "kind": "usage", "meter": "line-days",
                                                         "price": {"model": "unit", "unit_amount": "1"}})
        self.rule(offer, (0, "10"), (100, "30"))
        line = self.line(offer, begins)
        days = (self.first - begins).days
        ticket = self.interrupt(line, begins, begins + HOUR)
        self.assertEqual(self.bill(before, finalize=True)["state"], "succeeded")
        # Between the bill and the close: what was billed is compared with what it was billed for.
        self.last_longer(ticket, begins + 2 * HOUR)
        self.a_credit_beside_its_rule_refuses_the_close(before)
        self.close(before)
        gate = self.expect(self.platform.get(f"/v1/periods/{before}"), 200)["gate"]
        self.assertTrue(all(term["agrees"] for term in gate), gate)
        credited = decimal.Decimal(100 + days) / 10
        net = 100 + days - credited
        tax = (decimal.Decimal(100) * 9 + days * 9) / 100 - (credited * 9 / 100).quantize(decimal.Decimal("0.01"), decimal.ROUND_HALF_UP)
        spelled = [str(each.quantize(decimal.Decimal("0.01"))) for each in (net, tax, net + tax)]
        self.check_books(before, dict(zip(("net", "tax", "total"), spelled)), "", f"-{credited:.2f}",
                         f"-{(credited * 9 / 100).quantize(decimal.Decimal('0.01'), decimal.ROUND_HALF_UP)}")
        posted = self.database().rows(f"""
            select p.account, round(sum(p.amount), 2)::text as amount from ledger_postings p
            where p.tenant_id = '{self.renter['id']}' group by 1""")
        self.assertEqual({row["account"].partition(":")[0]: row["amount"] for row in posted},
                         {"assets": spelled[2], "revenue": f"-{spelled[0]}", "liabilities": f"-{spelled[1]}"})

        self.assertEqual(self.bill(self.last, finalize=True)["state"], "succeeded")
        self.last_longer(ticket, begins + 3 * HOUR)
        self.close(self.last)
        invoice = self.expect(self.owner.get("/v1/invoices", query={"period": self.last}), 200)["data"][0]
        self.check_books(self.last, {part: invoice[part]["amount"] for part in ("net", "tax", "total")}, before,
                         f"-{2 * credited:.2f}", f"-{(2 * credited * 9 / 100).quantize(decimal.Decimal('0.01'), decimal.ROUND_HALF_UP)}")
        self.assertEqual(self.would(month(0)[0]), [])


class TestTime(CreditTest):
    """The time without service, by SQL and counted minute by minute."""

    SPAN = 300

    def ranges(self, chosen, count):
        pairs = (sorted(chosen.sample(range(-50, self.SPAN + 50), 2)) for _ in range(chosen.randrange(count + 1)))
        return [tuple(pair) for pair in pairs]

    def at(self, minute):
        return spell(self.first + minute * MINUTE)

    def statements(self, chosen, line):
        """What replaces all that is known of the line, and the minutes that it comes to."""
        tenant, line_id = self.renter["id"], line["id"]
        tickets, works = self.ranges(chosen, 5), self.ranges(chosen, 2)
        lasting = chosen.random() < 0.3
        if lasting:
            tickets.append((chosen.randrange(self.SPAN), None))
        changes = sorted(chosen.sample(range(-20, self.SPAN), chosen.randrange(1, 5)))
        states = [chosen.choice(["active", "suspended"]) for _ in changes]
        sql = [f"delete from tickets where tenant_id = '{tenant}'", "delete from maintenance_resources", "delete from maintenances",
               f"delete from resource_transitions where tenant_id = '{tenant}'"]
        for starts, ends in tickets:
            until = "null" if ends is None else f"'{self.at(ends)}'"
            sql.append(f"insert into tickets (id, tenant_id, resource_id, state, category, severity, title, interrupted_from, interrupted_until, opened_by) "
                       f"values (make_identifier('tkt'), '{tenant}', '{line_id}', 'acknowledged', 'slow', 'low', 'x', '{self.at(starts)}', {until}, 'x')")
        for place, (starts, ends) in enumerate(works):
            sql.append(f"insert into maintenances (id, state, title, starts_at, ends_at, offering_ids, announced_at) values "
                       f"('mnt_{place}', 'announced', 'x', '{self.at(starts)}', '{self.at(ends)}', '[1]', '{self.at(starts - 60)}'); "
                       f"insert into maintenance_resources values ('{tenant}', 'mnt_{place}', '{line_id}')")
        for place, (minute, state) in enumerate(zip(changes, states)):
            sql.append(f"insert into resource_transitions (tenant_id, resource_id, number, action, to_state, effective_at, actor) "
                       f"values ('{tenant}', '{line_id}', {place + 1}, 'x', '{state}', '{self.at(minute)}', 'x')")
        active = [(starts, ends) for starts, ends, state in zip(changes, [*changes[1:], self.SPAN], states) if state == "active"]

        def within(minute, pairs):
            return any(starts <= minute and (ends is None or minute < ends) for starts, ends in pairs)

        return ";".join(sql), sum(within(minute, tickets) and within(minute, active) and not within(minute, works)
                                  for minute in range(self.SPAN))

    def test_it_is_what_is_left_minute_by_minute(self):
        seed = random.randrange(1 << 32)
        chosen = random.Random(seed)
        line = self.line(self.offer("broadband"), self.first)
        cases = [self.statements(chosen, line) for _ in range(60)]
        script = "begin; set local session_replication_role = replica;" + "".join(
            f"{sql}; select time_minutes(interrupted_time('{self.renter['id']}', '{line['id']}', 1, "
            f"tstzrange('{self.at(0)}', '{self.at(self.SPAN)}')));" for sql, _ in cases) + "rollback;"
        found = [int(row) for row in self.database().script(script).split()]
        self.assertEqual(found, [minutes for _, minutes in cases], f"seed {seed}")
        self.assertGreater(sum(minutes > 0 for minutes in found), 10)


if __name__ == "__main__":
    unittest.main()
