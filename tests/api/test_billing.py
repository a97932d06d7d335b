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

    def test_a_matrix_prices_groups(self):
        matrix = {"model": "matrix", "dimensions": ["region"], "cells": [
            {"values": {"region": "hk"}, "unit_amount": "3"}, {"values": {"region": None}, "unit_amount": "2"},
            {"values": {}, "unit_amount": "1"}]}

        def preview(**body):
            return self.platform.post("/v1/prices/preview", {"price": matrix, **body})

        groups = [{"values": {"region": "hk"}, "quantity": "1.5"}, {"values": {}, "quantity": 10}, {"values": {"region": ""}, "quantity": "100"}]
        self.assertEqual(self.expect(preview(groups=groups), 200)["amount"], "124.5")
        for pointer, body in (("/groups", {"quantity": "1"}), ("/groups", {}), ("/groups", {"groups": groups, "events": []}),
                              ("/groups/0/values", {"groups": [{"values": {"colour": "red"}, "quantity": "1"}]})):
            answer = preview(**body)
            self.expect(answer, 422, "validation_failed")
            self.assertEqual(answer.json["errors"][0]["pointer"], pointer)


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

    def test_a_meter_that_is_not_there_or_does_not_fit_is_named(self):
        offering = self.offer("software")["offering"]
        for meter in ("no-such-meter", "line-days", "broadband-bytes"):
            answer = self.platform.post("/v1/plans", {
                "offering_id": offering["id"], "code": unique("plan"), "name": "x", "charges": [
                    {"code": "a", "name": "a", "kind": "usage", "meter": meter,
                     "price": {"model": "unit", "unit_amount": "1"}}]})
            self.expect(answer, 422, "meter_unknown")
            self.assertIn(meter, answer.body.decode())

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


    def test_a_matrix_wants_dimensions_of_what_adds_up(self):
        offering = self.offer("software")["offering"]

        def plan(meter, *dimensions):
            return self.platform.post("/v1/plans", {
                "offering_id": offering["id"], "code": unique("plan"), "name": "x", "charges": [
                    {"code": "a", "name": "a", "kind": "usage", "meter": meter, "price": {
                        "model": "matrix", "dimensions": dimensions, "cells": [{"values": {}, "unit_amount": "1"}]}}]})

        def meter(**fields):
            return self.expect(self.platform.post("/v1/meters", {
                "code": unique("meter"), "name": "x", "event_type": unique("type"), "value_property": "v", "unit": "X",
                "dimensions": ["region", "class"], **fields}), 201)["code"]

        good = meter(aggregation="sum")
        for dimensions in (["region"], ["class", "region"]):
            self.expect(plan(good, *dimensions), 201)
        self.expect(plan(meter(aggregation="time_weighted"), "class"), 201)
        for wrong, dimension in ((good, "colour"), (meter(aggregation="max"), "region"),
                                 (meter(aggregation="sum", divide_by="10"), "region"), ("seat-days", "region")):
            self.expect(plan(wrong, dimension), 422, "meter_unknown")


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

        # Another system's name for it may come when all is closed.
        named = self.expect(self.platform.patch(f"/v1/invoices/{final['id']}", {"external_id": unique("erp")},
                                                if_match="*"), 200)
        self.assertEqual(self.invoice(owner, before), named)
        self.assertEqual({**named, "external_id": None}, final)

        # Immutable in the database itself, for its owner and superuser too.
        self.assertEqual(self.bill(current, tenant=tenant)["state"], "succeeded")
        draft = self.invoice(self.platform, current, tenant)
        database = self.database()
        for sql in (f"update invoice_lines set invoice_id = '{draft['id']}', line = line + 1000 "
                    f"where invoice_id = '{final['id']}'",
                    f"update invoices set net = 0, total = tax where id = '{final['id']}'",
                    f"delete from invoice_lines where invoice_id = '{final['id']}'",
                    f"update periods set closed_at = now() where period = '{before}'",
                    "update ledger_postings set amount = amount + 1",
                    "delete from ledger_entries"):
            with self.assertRaisesRegex(AssertionError, "immutable", msg=sql):
                database.execute(sql)
        self.assertIsNone(self.invoice(self.platform, before, other))
        self.assertEqual([each["period"] for each in self.platform.all("/v1/periods")], [last, before])
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
        self.assertIn("usage_counted", refused["error"]["detail"])
        self.assertIn(resource["id"], refused["error"]["detail"])
        self.assertEqual(self.expect(self.platform.get(f"/v1/periods/{period}"), 200)["state"], "open")

    def test_a_line_beside_its_price_refuses_the_close(self):
        period, first = month(6)
        tenant, owner = self.tenant("priced")
        resource = self.rent(tenant, at(first, 1, 0))
        self.send(owner, resource, at(first, 2), "7")
        self.assertEqual(self.bill(period, tenant=tenant, finalize=True)["state"], "succeeded")
        self.database().execute(f"""
            set session_replication_role = replica;
            update invoice_lines set amount = amount + 0.001
            where tenant_id = '{tenant['id']}' and charge_code = 'calls'""")
        refused = self.close(period)
        self.assertEqual((refused["state"], refused["error"]["code"]), ("failed", "gate_refused"), refused)
        self.assertIn("usage_rated", refused["error"]["detail"])
        self.assertIn('"billed":"0.701"', refused["error"]["detail"])

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


class TestHighWater(MonthTest):
    settings = {"log_level": "warning", "workers": "2"}
    test_two_months = None

    def test_a_month_costs_the_most_seats_that_it_had(self):
        period, first = month(1)
        self.offering = self.offer("software", self.charge(
            "peak", "seat-high-water", model="graduated",
            tiers=[{"up_to": "5", "unit_amount": "20"}, {"up_to": None, "unit_amount": "10"}]))
        tenant, owner = self.tenant("peak")
        resource = self.rent(tenant, at(first, 3))
        for day, hour, seats in ((10, 9, 9), (10, 10, 7), (20, 9, 2)):
            self.act(resource, "change", {"software": {"seats": seats}, "effective_at": at(first, day, hour)})
        line = self.expect(owner.post("/v1/invoices/preview", {"period": period}), 200)["lines"][0]
        self.assertEqual((line["quantity"], line["unit"], line["exact_amount"]), ("9", "Seats", "140"))
        query = {"meter": "seat-high-water", "subject": resource["id"], "window": "month",
                 "from": at(first, 1, 0), "to": at(month(0)[1], 1, 0)}
        usage = self.expect(owner.get("/v1/usage", query=query), 200)
        self.assertEqual((usage["aggregation"], [each["value"] for each in usage["data"]]), ("max", ["9"]))
        other = self.rent(tenant, at(first, 10))
        self.act(other, "change", {"software": {"seats": 1}, "effective_at": at(first, 11)})
        del query["subject"]
        usage = self.expect(owner.get("/v1/usage", query=query), 200)
        self.assertEqual([each["value"] for each in usage["data"]], ["13"])  # of both, on the day of the most
        grouped = self.expect(owner.get("/v1/usage", query={**query, "group_by": "subject"}), 200)["data"]
        self.assertEqual({each["subject"]: each["value"] for each in grouped},
                         {resource["id"]: "9", other["id"]: "4"})
        self.assertEqual(self.bill(period, tenant=tenant, finalize=True)["state"], "succeeded")
        invoice = self.invoice(owner, period)
        explained = self.expect(owner.get(f"/v1/invoices/{invoice['id']}/lines/1/explanation"), 200)
        self.assertEqual((explained["meter"]["source"], max(each["maximum"] for each in explained["usage"])),
                         ("derived", "9"))


    def test_bug_0098_a_month_with_a_high_water_is_closed(self):
        """The gate found nothing counted beside what was billed for the most seats."""
        period, first = month(4)
        self.offering = self.offer("software", self.charge("peak", "seat-high-water", model="unit", unit_amount="20"))
        tenant, _ = self.tenant("gate")
        self.rent(tenant, at(first, 3))
        self.assertEqual(self.bill(period, finalize=True)["state"], "succeeded")
        closed = self.close(period)
        self.assertEqual(closed["state"], "succeeded", closed)


class MatrixTest(MonthTest):
    """Usage that is priced by what events say of it."""

    settings = {"log_level": "warning", "workers": "1"}
    test_two_months = None

    def test_late_usage_is_billed_by_its_cell(self):
        """And a month's gate agrees."""
        self.meter = self.expect(self.platform.post("/v1/meters", {
            "code": unique("calls"), "name": "调用", "event_type": unique("type"), "aggregation": "sum", "value_property": "calls",
            "unit": "Calls", "dimensions": ["class", "region"]}), 201)
        self.offering = self.offer("software", self.charge(
            "calls", self.meter["code"], model="matrix", dimensions=["region"], free_units="1", cells=[
                {"values": {"region": "hk"}, "unit_amount": "3"}, {"values": {"region": None}, "unit_amount": "2"},
                {"values": {}, "unit_amount": "1"}]))
        settled, first = month(3)
        following, _ = month(2)
        tenant, owner = self.tenant("matrix")
        resource, other = (self.rent(tenant, at(first, 1, 0)) for _ in range(2))

        def send(to, day, calls, **data):
            receipt = self.expect(owner.post("/v1/events", [{
                "specversion": "1.0", "id": unique("event"), "source": "/test", "type": self.meter["event_type"],
                "subject": to["id"], "time": at(first, day), "data": {"calls": calls, **data}}]), 200)
            self.assertEqual(receipt["accepted"], 1)

        send(resource, 2, "10", region="hk", **{"class": "a"})
        send(resource, 3, "5", region="hk", **{"class": "b"})
        send(resource, 4, "100", region="cn")
        send(other, 4, "1000", **{"class": "a"})
        self.assertEqual(self.bill(settled, tenant=tenant, finalize=True)["state"], "succeeded")
        lines = self.expect(owner.get(f"/v1/invoices/{self.invoice(owner, settled)['id']}/lines"), 200)["data"]
        self.assertEqual({line["resource_id"]: (line["quantity"], line["billed_quantity"], line["net"]["amount"]) for line in lines},
                         {resource["id"]: ("115", "114", "142.00"), other["id"]: ("1000", "999", "1998.00")})
        self.assertEqual(self.close(settled)["state"], "succeeded")
        send(resource, 5, "1", region="hk")
        send(resource, 6, "7")
        bill = self.expect(owner.post("/v1/invoices/preview", {"period": following}), 200)
        late = [line for line in bill["lines"] if line["correction_of"] == settled]
        self.assertEqual([(line["quantity"], line["net"]["amount"]) for line in late], [("8", "17.00")])
        self.assertEqual(self.bill(following, finalize=True)["state"], "succeeded")
        closed = self.close(following)
        self.assertEqual(closed["state"], "succeeded", closed)


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


    def calls(self, **price):
        return self.offer("software", self.charge("calls", self.meter["code"], **price))

    def test_bug_0005_an_earlier_month_is_closed_first(self):
        """Only months that had an invoice were in the way, and not those whose usage nobody had billed."""
        earlier, first = month(9)
        later, first_later = month(8)
        tenant, owner = self.tenant("earlier")
        resource = self.rent(tenant, at(first, 1, 0))
        self.send(owner, resource, at(first_later, 2), "3")
        self.expect(self.platform.post(f"/v1/periods/{later}/close"), 409, "earlier_period_open")
        self.assertEqual(self.expect(self.platform.get(f"/v1/periods/{earlier}"), 200)["state"], "open")

    def test_bug_0006_an_earlier_month_is_billed_first(self):
        """A month became final while the one before it was not billed."""
        earlier, first = month(9)
        later, _ = month(8)
        tenant, _ = self.tenant("order")
        self.rent(tenant, at(first, 1, 0))
        refused = self.bill(later, tenant=tenant, finalize=True)
        self.assertEqual((refused["state"], refused["error"]["code"]), ("failed", "accounts_failed"))
        run = self.expect(self.platform.get("/v1/billing-runs", query={"period": later}), 200)["data"][0]
        self.assertEqual([failure["detail"] for failure in run["failures"]],
                         [f"{earlier} is not billed yet; finalize it first"])
        for period in (earlier, later):
            self.assertEqual(self.bill(period, tenant=tenant, finalize=True)["state"], "succeeded")

    def change_in(self, proration, first, day):
        """What the two plans of a resource cost that changes its plan in that month, as (share, net)."""
        def flat(amount):
            return {"code": "base", "name": "基础费", "kind": "recurring", "proration": proration,
                    "price": {"model": "flat", "amount": amount}}
        tenant, owner = self.tenant("change")
        self.offering = self.offer("software", flat("300"))
        plan = self.expect(self.platform.post("/v1/plans", {
            "offering_id": self.offering["offering"]["id"], "code": unique("plan"), "name": "大",
            "charges": [flat("600")]}), 201)
        self.expect(self.platform.post(f"/v1/plans/{plan['id']}/publish"), 200)
        resource = self.rent(tenant, at(first, 1, 0))
        self.act(resource, "change", {"plan_id": plan["id"], "effective_at": at(first, day, 0)})
        bill = self.expect(owner.post("/v1/invoices/preview", {"period": first.strftime("%Y-%m")}), 200)
        return [(line["quantity"], line["net"]["amount"]) for line in bill["lines"]]

    def test_bug_0007_without_proration_a_month_is_charged_once(self):
        """A month in which the plan changed was charged whole by both plans."""
        _, first = month(1)
        self.assertEqual(self.change_in("none", first, 11), [("1", "300.00")])

    def test_bug_0008_thirty_days_are_a_month_of_any_length(self):
        """Both parts of a long month came to more than a month, and the whole of a short one to less."""
        today = datetime.datetime.now(SHANGHAI)
        backs = {(month(back)[1] - month(back + 1)[1]).days: back + 1 for back in range(12, 0, -1)}
        self.assertEqual(self.change_in("fixed_30", month(backs[31])[1], 16), [("0.5", "150.00"), ("0.5", "300.00")])
        self.assertEqual(self.change_in("fixed_30", month(backs[30])[1], 16), [("0.5", "150.00"), ("0.5", "300.00")])
        short = today.year if today.month > 2 else today.year - 1
        february = datetime.datetime(short, 2, 1, tzinfo=SHANGHAI)
        self.assertEqual(self.change_in("fixed_30", february, 16), [("0.5", "150.00"), ("0.5", "300.00")])

    def test_bug_0009_late_usage_of_a_month_without_a_line_is_priced_whole(self):
        """The flat amount of a first tier came off, though it had never been billed."""
        before, first_before = month(2)
        last, first_last = month(1)
        self.offering = self.calls(model="graduated", tiers=[
            {"up_to": None, "unit_amount": "1", "flat_amount": "100"}])
        tenant, owner = self.tenant("whole")
        other = self.rent(tenant, at(first_before, 1, 0))
        resource = self.rent(tenant, at(first_last, 1, 0))
        self.assertEqual(self.bill(before, tenant=tenant, finalize=True)["state"], "succeeded")
        self.send(owner, resource, at(first_before, 30), "4")
        self.send(owner, other, at(first_before, 30), "5")
        bill = self.expect(owner.post("/v1/invoices/preview", {"period": last}), 200)
        late = {line["resource_id"]: line["exact_amount"] for line in bill["lines"] if line["correction_of"] == before}
        self.assertEqual(late, {resource["id"]: "104", other["id"]: "5"})

    def test_bug_0133_the_millionth_number_is_not_cut(self):
        """It was 100000 once more, which is refused."""
        self.database().execute("insert into invoice_series values ('TEST', 999998)")
        numbers = [self.database().value("select next_number('TEST')") for _ in range(2)]
        self.assertEqual(numbers, ["TEST-999999", "TEST-1000000"])


class CreditTest(MonthTest):
    """What was billed is taken back by credit notes, and never by a change."""

    settings = {"log_level": "debug", "workers": "2"}
    test_two_months = None

    def billed(self, back):
        """A final invoice of base 310 and calls 7.5, all of a month; its tenant's owner."""
        period, first = month(back)
        self.offering = self.offer(
            "software",
            {"code": "base", "name": "基础费", "kind": "recurring", "price": {"model": "flat", "amount": "310"}},
            self.charge("calls", self.meter["code"], model="unit", unit_amount="0.1"))
        tenant, owner = self.tenant("credited")
        resource = self.rent(tenant, at(first, 1, 0))
        self.send(owner, resource, at(first, 2), "75")
        self.assertEqual(self.bill(period, tenant=tenant, finalize=True)["state"], "succeeded")
        return self.invoice(owner, period), owner, tenant

    def credit(self, invoice, *lines, status=201, code=None):
        body = {"invoice_id": invoice["id"], "reason": "线路中断三天"}
        if lines:
            body["lines"] = [{"line": line, "net": net} for line, net in lines]
        return self.expect(self.platform.post("/v1/credit-notes", body), status, code)

    def test_a_part_and_then_the_rest(self):
        invoice, owner, tenant = self.billed(2)
        lines = self.lines(owner, invoice)
        base, calls = lines["base", None]["line"], lines["calls", None]["line"]
        part = self.credit(invoice, (base, "10.05"))
        self.assertEqual([part[name]["amount"] for name in ("net", "tax", "total")], ["-10.05", "-0.60", "-10.65"])
        self.assertEqual((part["invoice_id"], part["period"]), (invoice["id"], month(0)[0]))
        self.assertRegex(part["number"], r"^BCC-CN-\d{4}-\d{6}$")
        for wrong in ([(base, "299.96")], [(base, "-1")], [(base, "1.001")], [(calls, "7.51")], [(99, "1")],
                      [(base, "1"), (base, "1")]):
            self.credit(invoice, *wrong, status=422, code="credit_refused")
        rest = self.credit(invoice)
        sides = [(part[name]["amount"], rest[name]["amount"], invoice[name]["amount"]) for name in ("net", "tax", "total")]
        for first, second, whole in sides:
            self.assertEqual(round(float(first) * 100) + round(float(second) * 100), -round(float(whole) * 100))
        self.credit(invoice, status=422, code="credit_refused")
        self.credit({"id": part["id"].replace("crn", "inv")}, status=404, code="not_found")
        # The tenant sees its own, the invoice stays as it is, and the series has no gap.
        mine = self.expect(owner.get("/v1/credit-notes", query={"invoice_id": invoice["id"]}), 200)["data"]
        self.assertEqual(mine, [rest, part])
        self.assertEqual(self.expect(owner.get(f"/v1/credit-notes/{part['id']}"), 200), part)
        _, stranger = self.tenant("stranger")
        self.expect(stranger.get(f"/v1/credit-notes/{part['id']}"), 404, "not_found")
        self.expect(stranger.get(f"/v1/credit-notes/{part['id']}/lines"), 404, "not_found")
        self.expect(owner.post("/v1/credit-notes", {"invoice_id": invoice["id"], "reason": "x"}), 403, "forbidden")
        found = self.expect(owner.get(f"/v1/credit-notes/{rest['id']}/lines"), 200)["data"]
        self.assertEqual([(line["credits_line"], line["correction_of"], line["net"]["amount"]) for line in found],
                         sorted([(base, invoice["period"], "-299.95"), (calls, invoice["period"], "-7.50")]))
        self.assertEqual(self.invoice(owner, invoice["period"]), invoice)
        self.expect(owner.get(f"/v1/invoices/{part['id'].replace('crn', 'inv')}"), 404, "not_found")
        numbers = self.database().rows("select number from invoices where kind = 'credit_note' order by number")
        self.assertEqual([int(row["number"][-6:]) for row in numbers], list(range(1, len(numbers) + 1)))
        posted = self.database().rows(f"""
            select p.account, sum(p.amount)::text as amount from ledger_postings p
            where p.tenant_id = '{tenant['id']}' group by 1 order by 1""")
        self.assertEqual({row["account"].partition(":")[0]: row["amount"] for row in posted},
                         {"assets": "0.00", "liabilities": "0.00", "revenue": "0.00"})

    def test_at_once_no_more_than_the_whole(self):
        invoice, _, tenant = self.billed(3)
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(
            self.platform.post("/v1/credit-notes", {"invoice_id": invoice["id"], "reason": "x"}))) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(answer.status for answer in answers), [201, 422, 422, 422, 422])
        self.assertEqual(self.database().value(
            f"select sum(net)::text from invoices where tenant_id = '{tenant['id']}'"), "0.00")

    def test_the_gate_counts_them(self):
        invoice, _, tenant = self.billed(4)
        lines = self.lines(self.platform, invoice)
        note = self.credit(invoice, (lines["base", None]["line"], "0.05"), (lines["calls", None]["line"], "7.5"))
        # As if it had been written in the month itself, which can be closed already.
        move = "set session_replication_role = replica;" + "".join(
            f"update {table} set period = '{invoice['period']}' where tenant_id = '{tenant['id']}';"
            for table in ("invoices", "ledger_entries"))
        self.database().execute(f"{move} update invoice_lines set net = net - 1 where invoice_id = '{note['id']}'")
        refused = self.close(invoice["period"])
        self.assertEqual((refused["state"], refused["error"]["code"]), ("failed", "gate_refused"), refused)
        self.database().execute(f"set session_replication_role = replica; "
                                f"update invoice_lines set net = net + 1 where invoice_id = '{note['id']}'")
        self.assertEqual(self.close(invoice["period"])["state"], "succeeded")
        gate = self.expect(self.platform.get(f"/v1/periods/{invoice['period']}"), 200)["gate"]
        terms = {term["term"]: term for term in gate}
        self.assertEqual((terms["credits"]["left_value"], terms["credits"]["right_value"]), ("2", "2"))
        self.assertEqual(terms["revenue"]["left_value"], "309.95")


    def test_bug_0023_a_preview_is_bounded(self):
        """What is priced in the event loop held it for seconds where there were many events."""
        percentage = {"model": "percentage", "rate": "1"}
        body = {"price": percentage, "events": ["1"] * 1000}
        self.expect(self.platform.post("/v1/prices/preview", body), 200)
        body["events"].append("1")
        self.expect(self.platform.post("/v1/prices/preview", body), 422, "validation_failed")

        period, first = month(1)
        self.offering = self.offer("software", self.charge("fee", self.meter["code"], **percentage))
        tenant, owner = self.tenant("fees")
        resource = self.rent(tenant, first.isoformat())
        for events, status in ((1000, 200), (1999, 422)):
            lines = "\n".join(json.dumps({
                "specversion": "1.0", "id": unique("event"), "source": "/test", "type": self.meter["event_type"],
                "subject": resource["id"], "time": first.isoformat(), "data": {"calls": "1"}}) for _ in range(events))
            self.expect(owner.post("/v1/events", lines.encode(), content_type="application/x-ndjson"), 200)
            preview = owner.post("/v1/invoices/preview", {"period": period})
            self.expect(preview, status, None if status == 200 else "preview_too_large")
        tiers = [{"up_to": str(up_to), "unit_amount": "1"} for up_to in range(1, 100)] + [
            {"up_to": None, "unit_amount": "1"}]
        self.offering = self.offer("software", *(
            self.charge(f"tiers-{i}", "seat-days", model="graduated", tiers=tiers) for i in range(6)))
        tenant, owner = self.tenant("tiers")
        for status in 200, 200, 200, 200, 422:  # 600 steps of working a resource
            self.rent(tenant, first.isoformat())
            preview = owner.post("/v1/invoices/preview", {"period": period})
            self.expect(preview, status, None if status == 200 else "preview_too_large")


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
