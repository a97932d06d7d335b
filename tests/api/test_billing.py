"""From usage to a closed month: prices, drafts, final invoices, late usage, the gate, immutability."""

import datetime
import json
import os
import threading
import unittest

from harness import ApiTest, unique

SHANGHAI = datetime.timezone(datetime.timedelta(hours=8))
DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data")


def month(back):
    """The calendar month so many before this one, in Shanghai: its name and first day."""
    today = datetime.datetime.now(SHANGHAI)
    index = today.year * 12 + today.month - 1 - back
    first = datetime.datetime(index // 12, index % 12 + 1, 1, tzinfo=SHANGHAI)
    return first.strftime("%Y-%m"), first


def at(first, day, hour=12):
    return (first + datetime.timedelta(days=day - 1, hours=hour)).isoformat()


class PreviewTest(ApiTest):
    def test_vectors_are_exact(self):
        with open(os.path.join(DATA, "rating-vectors.json"), encoding="utf-8") as file:
            cases = json.load(file)["cases"]
        self.assertGreaterEqual(len(cases), 22)
        for case in cases:
            body = {name: case[name] for name in ("price", "quantity", "events") if name in case}
            answer = self.expect(self.platform.post("/v1/prices/preview", body), 200)
            self.assertEqual(answer["amount"], case["amount"], case)
            self.assertTrue(answer["steps"], case)

    def test_a_bad_price_is_told_by_pointer(self):
        answer = self.platform.post("/v1/prices/preview", {"quantity": "1", "price": {
            "model": "graduated", "tiers": [{"up_to": "10", "unit_amount": "1"},
                                            {"up_to": "5", "unit_amount": "1"},
                                            {"up_to": None, "unit_amount": "1"}]}})
        self.expect(answer, 422, "validation_failed")
        self.assertEqual(answer.json["errors"][0]["pointer"], "/price/tiers/1/up_to")

    def test_quantity_and_events_are_for_their_prices(self):
        percentage = {"model": "percentage", "rate": "1"}
        answer = self.platform.post("/v1/prices/preview", {"price": percentage, "quantity": "1"})
        self.expect(answer, 422, "validation_failed")
        self.assertEqual(answer.json["errors"][0]["pointer"], "/events")


class CatalogTest(ApiTest):
    def test_a_plan_is_refused_with_every_pointer(self):
        offering = self.offer("software")["offering"]
        answer = self.platform.post("/v1/plans", {
            "offering_id": offering["id"], "code": unique("plan"), "name": "x", "charges": [
                {"code": "a", "name": "a", "kind": "usage", "price": {"model": "unit", "unit_amount": "-1"}},
                {"code": "a", "name": "a", "kind": "recurring", "meter": "seat-days",
                 "price": {"model": "unit", "unit_amount": "1"}}]})
        self.expect(answer, 422, "validation_failed")
        pointers = {error["pointer"] for error in answer.json["errors"]}
        self.assertEqual(pointers, {"/charges/0/meter", "/charges/0/price/unit_amount",
                                    "/charges/1/code", "/charges/1/meter", "/charges/1/price/model"})

    def test_a_published_version_never_changes(self):
        plan = self.offer("software")["plan"]
        draft = {"charges": [{"code": "s", "name": "s", "kind": "usage", "meter": "seat-days",
                              "price": {"model": "unit", "unit_amount": "2"}}]}
        version = self.expect(self.platform.post(f"/v1/plans/{plan['id']}/draft", draft), 200)
        self.assertEqual((version["number"], version["state"]), (2, "draft"))
        self.expect(self.platform.post(f"/v1/plans/{plan['id']}/publish"), 200)
        self.expect(self.platform.post(f"/v1/plans/{plan['id']}/publish"), 409, "state_conflict")
        listed = self.expect(self.platform.get(f"/v1/plans/{plan['id']}/versions"), 200)["data"]
        self.assertEqual([each["number"] for each in listed], [2, 1])
        one = self.expect(self.platform.get(f"/v1/plans/{plan['id']}/versions/1"), 200)
        self.assertEqual(one["state"], "published")
        with self.assertRaises(AssertionError):
            self.database().execute(f"update plan_versions set note = 'x' where plan_id = '{plan['id']}'")

    def test_an_unknown_meter_is_named(self):
        offering = self.offer("software")["offering"]
        answer = self.platform.post("/v1/plans", {
            "offering_id": offering["id"], "code": unique("plan"), "name": "x", "charges": [
                {"code": "a", "name": "a", "kind": "usage", "meter": "no-such-meter",
                 "price": {"model": "unit", "unit_amount": "1"}}]})
        self.expect(answer, 422, "meter_unknown")
        self.assertIn("no-such-meter", answer.body.decode())

    def test_offerings_are_listed_and_changed(self):
        offer = self.offer("terminal")
        offering = offer["offering"]
        found = self.expect(self.platform.get("/v1/offerings", query={"code": offering["code"], "kind": "terminal"}), 200)
        self.assertEqual([each["id"] for each in found["data"]], [offering["id"]])
        answer = self.platform.get(f"/v1/offerings/{offering['id']}")
        changed = self.platform.patch(f"/v1/offerings/{offering['id']}", {"name": "新名称"},
                                      headers={"If-Match": answer.etag})
        self.assertEqual(self.expect(changed, 200)["name"], "新名称")
        stale = self.platform.patch(f"/v1/offerings/{offering['id']}", {"name": "又"},
                                    headers={"If-Match": answer.etag})
        self.expect(stale, 412, "precondition_failed")
        plan = offer["plan"]
        self.expect(self.platform.get("/v1/plans", query={"offering_id": offering["id"]}), 200)
        self.expect(self.platform.get(f"/v1/plans/{plan['id']}"), 200)
        self.assertEqual(self.expect(self.platform.post(f"/v1/plans/{plan['id']}/retire"), 200)["state"], "retired")
        self.expect(self.platform.post(f"/v1/plans/{plan['id']}/retire"), 409, "state_conflict")


class MonthTest(ApiTest):
    """One story over two months, told by one test, since months are the platform's."""

    settings = {"log_level": "info", "workers": "1"}

    def charge(self, code, meter, **price):
        return {"code": code, "name": code, "kind": "usage", "meter": meter, "price": price}

    def setUp(self):
        self.meter = self.expect(self.platform.post("/v1/meters", {
            "code": unique("calls"), "name": "调用", "event_type": unique("type"),
            "aggregation": "sum", "value_property": "calls", "unit": "Calls"}), 201)
        self.offering = self.offer(
            "software",
            {"code": "base", "name": "基础费", "kind": "recurring", "price": {"model": "flat", "amount": "310"}},
            self.charge("seats", "seat-days", model="unit", unit_amount="1.5"),
            self.charge("calls", self.meter["code"], model="graduated", tiers=[
                {"up_to": "100", "unit_amount": "0.1"}, {"up_to": None, "unit_amount": "0.05"}]))

    def rent(self, tenant, since):
        resource = self.expect(self.platform.post("/v1/resources", {
            "kind": "software", "tenant": tenant["id"], "offering_id": self.offering["offering"]["id"],
            "plan_id": self.offering["plan"]["id"], "name": "CRM", "software": {"seats": 4},
            "effective_at": since}), 201)
        for action in ("approve", "provision", "activate"):
            self.act(resource, action, {"effective_at": since})
        return resource

    def send(self, client, resource, time, calls):
        receipt = self.expect(client.post("/v1/events", [{
            "specversion": "1.0", "id": unique("event"), "source": "/test", "type": self.meter["event_type"],
            "subject": resource["id"], "time": time, "data": {"calls": calls}}]), 200)
        self.assertEqual(receipt["accepted"], 1)

    def lines(self, client, invoice):
        found = self.expect(client.get(f"/v1/invoices/{invoice['id']}/lines"), 200)["data"]
        return {(line["charge_code"], line["correction_of"]): line for line in found}

    def invoice(self, client, period, tenant=None):
        query = {"period": period} if tenant is None else {"period": period, "tenant": tenant["id"]}
        found = self.expect(client.get("/v1/invoices", query=query), 200)["data"]
        return found[0] if found else None

    def close(self, period):
        answer = self.platform.post(f"/v1/periods/{period}/close")
        self.expect(answer, 202)
        return self.operation(answer)

    def test_two_months(self):
        before, first_before = month(2)
        last, first_last = month(1)
        current, _ = month(0)
        tenant, owner = self.tenant("billed")
        other, _ = self.tenant("bystander")
        resource = self.rent(tenant, at(first_before, 11, 0))
        days = (first_last - first_before).days
        active = days - 10

        self.send(owner, resource, at(first_before, 15), "120")
        preview = self.expect(owner.post("/v1/invoices/preview", {"period": before}), 200)
        self.assertEqual(len(preview["lines"]), 3)

        # A draft, which the tenant does not see, and which a second run makes anew.
        self.assertEqual(self.bill(before)["state"], "succeeded")
        draft = self.invoice(self.platform, before, tenant)
        self.assertEqual((draft["state"], draft["number"]), ("draft", None))
        self.assertIsNone(self.invoice(owner, before))
        self.expect(owner.get(f"/v1/invoices/{draft['id']}"), 404, "not_found")
        self.send(owner, resource, at(first_before, 20), "30")
        refused = self.close(before)
        self.assertEqual((refused["state"], refused["error"]["code"]), ("failed", "invoices_open"))

        finalize = self.platform.post(f"/v1/invoices/{draft['id']}/finalize")
        self.expect(finalize, 202)
        self.assertEqual(self.operation(finalize)["state"], "succeeded")
        final = self.invoice(owner, before)
        self.assertEqual((final["id"], final["state"]), (draft["id"], "finalized"))
        self.assertRegex(final["number"], r"^BCC-\d{4}-000001$")
        lines = self.lines(owner, final)
        share = round(310 * active / days, 10)
        self.assertAlmostEqual(float(lines["base", None]["exact_amount"]), share, places=9)
        self.assertEqual(lines["seats", None]["quantity"], str(4 * active))
        self.assertEqual(lines["calls", None]["quantity"], "150")
        self.assertEqual(lines["calls", None]["exact_amount"], "12.5")
        cents = sum(round(float(line["net"]["amount"]) * 100) for line in lines.values())
        self.assertEqual(round(float(final["net"]["amount"]) * 100), cents)
        for line in lines.values():
            self.assertEqual(line["tax_rate"], "0.06")

        explained = self.expect(owner.get(
            f"/v1/invoices/{final['id']}/lines/{lines['calls', None]['line']}/explanation"), 200)
        self.assertEqual([day["total"] for day in explained["usage"]], ["120", "30"])
        self.assertEqual([step["amount"] for step in explained["steps"] if step["step"] == "tier"], ["10", "2.5"])

        seats = self.expect(owner.get(
            f"/v1/invoices/{final['id']}/lines/{lines['seats', None]['line']}/explanation"), 200)
        self.assertEqual([day["total"] for day in seats["usage"]], ["4"] * active)

        # Another run leaves it, and its number, as they are.
        self.assertEqual(self.bill(before, finalize=True)["state"], "succeeded")
        self.assertEqual(self.invoice(owner, before), final)
        self.expect(self.platform.post(f"/v1/invoices/{draft['id']}/finalize"), 409, "state_conflict")

        # What is late counts in the next month, as a correction that continues the tiers.
        self.send(owner, resource, at(first_before, 16), "50")
        self.send(owner, resource, at(first_last, 3), "10")
        back = self.platform.post(f"/v1/resources/{resource['id']}/suspend",
                                  {"effective_at": at(first_before, 28)})
        self.assertIn(back.status, (409, 422), repr(back))

        self.expect(self.platform.post(f"/v1/periods/{current}/close"), 409, "period_not_ended")
        self.expect(self.platform.post("/v1/billing-runs", {"period": current, "finalize": True}), 409,
                    "period_not_ended")
        self.expect(self.platform.post(f"/v1/periods/{last}/close"), 409, "earlier_period_open")
        closed = self.close(before)
        self.assertEqual(closed["state"], "succeeded", closed)
        period = self.expect(self.platform.get(f"/v1/periods/{before}"), 200)
        self.assertEqual(period["state"], "closed")
        self.assertTrue(all(term["agrees"] for term in period["gate"]))
        self.assertGreaterEqual({term["term"] for term in period["gate"]},
                                {"usage_rated", "rated_net", "line_tax", "billed_cost", "receivable", "revenue"})
        self.expect(self.platform.post(f"/v1/periods/{before}/close"), 409, "period_closed")
        self.expect(self.platform.post("/v1/billing-runs", {"period": before}), 409, "period_closed")

        self.assertEqual(self.bill(last, finalize=True)["state"], "succeeded")
        second = self.invoice(owner, last)
        self.assertRegex(second["number"], r"-000002$|-000001$")
        lines = self.lines(owner, second)
        self.assertEqual(lines["calls", None]["exact_amount"], "1")
        late = lines["calls", before]
        self.assertEqual((late["quantity"], late["exact_amount"]), ("50", "2.5"))
        self.assertEqual(lines["base", None]["exact_amount"], "310")
        self.assertEqual(self.close(last)["state"], "succeeded")

        # Immutable in the database itself, for its owner and superuser too.
        database = self.database()
        for sql in (f"update invoices set net = 0, total = tax where id = '{final['id']}'",
                    f"delete from invoice_lines where invoice_id = '{final['id']}'",
                    f"update periods set state = 'open', closed_at = null where period = '{before}'",
                    "update ledger_postings set amount = amount + 1",
                    "delete from ledger_entries"):
            with self.assertRaises(AssertionError, msg=sql):
                database.execute(sql)
        self.assertIsNone(self.invoice(self.platform, before, other))
        self.expect(self.platform.get("/v1/periods", query={"state": "closed"}), 200)
        runs = self.expect(self.platform.get("/v1/billing-runs", query={"period": last}), 200)["data"]
        self.expect(self.platform.get(f"/v1/billing-runs/{runs[0]['id']}"), 200)


class GateTest(MonthTest):
    """The gate refuses what does not agree, and one account's failure stalls no other."""

    settings = {"log_level": "info", "workers": "2"}
    test_two_months = None

    def test_usage_beside_the_bill_refuses_the_close(self):
        period, first = month(6)
        tenant, owner = self.tenant("gate")
        resource = self.rent(tenant, at(first, 1, 0))
        self.send(owner, resource, at(first, 2), "7")
        self.assertEqual(self.bill(period, finalize=True)["state"], "succeeded")
        # As if a bug had written usage into the settled month past every trigger.
        self.database().execute(f"""
            alter table usage_slots disable trigger user;
            insert into usage_slots (tenant_id, meter_id, resource_id, slot, period, total, count, maximum, latest_at, latest)
            values ('{tenant['id']}', '{self.meter['id']}', '{resource['id']}', '{at(first, 9)}', '{period}', 5, 1, 5, '{at(first, 9)}', 5)""")
        refused = self.close(period)
        self.assertEqual((refused["state"], refused["error"]["code"]), ("failed", "gate_refused"), refused)
        self.assertIn("usage_rated", refused["error"]["detail"])
        self.assertEqual(self.expect(self.platform.get(f"/v1/periods/{period}"), 200)["state"], "open")

    def test_a_failing_account_stalls_no_other(self):
        period, first = month(4)
        good, good_owner = self.tenant("good")
        bad, _ = self.tenant("bad")
        self.rent(good, at(first, 1, 0))
        broken = self.rent(bad, at(first, 1, 0))
        # A price that no daemon would have stored.
        plan = self.offering["plan"]["id"]
        self.database().execute(f"""
            insert into plan_versions (plan_id, number, charges) values ('{plan}', 9,
                '[{{"code": "x", "name": "x", "kind": "recurring", "price": {{"model": "magic"}}}}]');
            update plan_assignments set plan_version = 9 where resource_id = '{broken['id']}'""")
        operation = self.bill(period, finalize=True)
        self.assertEqual((operation["state"], operation["error"]["code"]), ("failed", "accounts_failed"))
        self.assertIsNotNone(self.invoice(good_owner, period))
        run = self.expect(self.platform.get("/v1/billing-runs", query={"period": period}), 200)["data"][0]
        self.assertEqual([failure["tenant_id"] for failure in run["failures"]], [bad["id"]])
        self.database().execute(f"""
            update plan_assignments set plan_version = 1 where resource_id = '{broken['id']}'""")
        self.assertEqual(self.bill(period, finalize=True)["state"], "succeeded")

    def test_runs_at_once_bill_once(self):
        period, first = month(5)
        tenants = [self.tenant("many") for _ in range(4)]
        for tenant, _ in tenants:
            self.rent(tenant, at(first, 1, 0))
        answers = []

        def run():
            answers.append(self.platform.post("/v1/billing-runs", {"period": period, "finalize": True}))

        threads = [threading.Thread(target=run) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        accepted = [answer for answer in answers if answer.status == 202]
        self.assertTrue(accepted)
        for answer in answers:
            if answer.status != 202:
                self.expect(answer, 409, "run_under_way")
        for answer in accepted:
            self.operation(answer)
        for tenant, _ in tenants:
            found = self.expect(self.platform.get("/v1/invoices", query={"tenant": tenant["id"], "period": period}), 200)
            self.assertEqual(len(found["data"]), 1)
        numbers = self.database().rows("select number from invoices where number is not null order by number")
        places = [int(row["number"].rpartition("-")[2]) for row in numbers]
        self.assertEqual(places, list(range(1, len(places) + 1)))


class BugTest(MonthTest):
    """What was wrong once; each by its number."""

    settings = {"log_level": "debug", "workers": "1"}
    test_two_months = None

    def preview(self, client, period):
        bill = self.expect(client.post("/v1/invoices/preview", {"period": period}), 200)
        return {(line["charge_code"], line["correction_of"]): line for line in bill["lines"]}

    def test_bug_0002_usage_beside_the_plan_is_billed(self):
        """Quarter hours that began before the plan, or lay after its end, were billed to nobody."""
        period, first = month(1)
        tenant, owner = self.tenant("edge")
        start = first + datetime.timedelta(days=4, hours=10, minutes=7)
        resource = self.rent(tenant, start.isoformat())
        self.send(owner, resource, (start + datetime.timedelta(minutes=3)).isoformat(), "5")
        end = start + datetime.timedelta(days=2)
        self.act(resource, "terminate", {"effective_at": end.isoformat()})
        self.send(owner, resource, (end + datetime.timedelta(minutes=20)).isoformat(), "2")
        self.assertEqual(self.preview(owner, period)["calls", None]["quantity"], "7")

    def test_bug_0003_late_usage_leaves_the_month_its_own_charge(self):
        """A late event took the place of the month's own line, and its flat amount with it."""
        settled, first = month(3)
        following, _ = month(2)
        self.offering = self.offer("software", self.charge(
            "calls", self.meter["code"], model="graduated",
            tiers=[{"up_to": None, "unit_amount": "1", "flat_amount": "100"}]))
        tenant, owner = self.tenant("late")
        resource = self.rent(tenant, at(first, 1, 0))
        self.send(owner, resource, at(first, 2), "3")
        self.assertEqual(self.bill(settled, tenant=tenant, finalize=True)["state"], "succeeded")
        self.send(owner, resource, at(first, 3), "4")
        lines = self.preview(owner, following)
        self.assertEqual(lines["calls", None]["exact_amount"], "100")
        self.assertEqual(lines["calls", settled]["exact_amount"], "4")

    def test_bug_0004_a_key_is_of_its_tenant(self):
        """A person of two tenants got, for the same key, the answer of the other one."""
        one, _ = self.tenant("one")
        other, _ = self.tenant("other")
        key = {"Idempotency-Key": unique("key")}
        body = {"period": month(1)[0], "tenant": one["id"]}
        self.expect(self.platform.post("/v1/billing-runs", body, headers=key), 202)
        answer = self.platform.post("/v1/billing-runs", {**body, "tenant": other["id"]}, headers=key)
        self.expect(answer, 422, "idempotency_key_reused")

    def test_bug_0011_a_preview_is_of_a_tenant_that_is_there(self):
        """The bill of one that never was, or of another park's, was 0.00."""
        tenant, owner = self.tenant("elsewhere")
        park = self.expect(self.platform.post("/v1/parks", {"code": unique("park"), "name": "园区"}), 201)
        manager = self.shared.client(self.shared.api_key("park_manager", park=park["id"])["secret"])
        body = {"period": month(1)[0], "tenant": tenant["id"]}
        for client in (self.platform, owner):
            self.assertEqual(self.expect(client.post("/v1/invoices/preview", body), 200)["lines"], [])
        self.expect(manager.post("/v1/invoices/preview", body), 404, "not_found")
        body["tenant"] = "ten_01k8x7g0v8e2v9m3b1q4t5y6z7"
        for client in (self.platform, owner, manager):
            self.expect(client.post("/v1/invoices/preview", body), 404, "not_found")


class TaxTest(ApiTest):
    def test_a_rate_holds_from_its_day(self):
        rates = self.expect(self.platform.get("/v1/tax-rates", query={"category": "broadband_access"}), 200)["data"]
        self.assertEqual([(rate["valid_from"], rate["rate"]) for rate in rates],
                         [("2026-01-01", "0.09"), ("2016-05-01", "0.06")])
        rate = {"category": "movable_leasing", "valid_from": "2099-01-01", "rate": "0.12", "source": "test"}
        self.assertEqual(self.expect(self.platform.post("/v1/tax-rates", rate), 201), rate)
        self.expect(self.platform.post("/v1/tax-rates", rate), 409, "conflict_unique")
        self.expect(self.platform.post("/v1/tax-rates", {**rate, "valid_from": "2099-02-30"}), 422, "validation_failed")

    def test_roles(self):
        finance, auditor = self.operator("finance"), self.operator("auditor")
        self.expect(auditor.get("/v1/tax-rates"), 200)
        self.expect(auditor.post("/v1/billing-runs", {"period": "2026-01"}), 403, "forbidden")
        self.expect(finance.get("/v1/periods"), 200)
        _, owner = self.tenant("owner")
        self.expect(owner.get("/v1/periods"), 403, "forbidden")
        self.expect(owner.post("/v1/periods/2026-01/close"), 403, "forbidden")


if __name__ == "__main__":
    unittest.main()
