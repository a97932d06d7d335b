"""Events that void others: what is voided counts no more, from then on, and stays readable."""

import datetime
import json
import threading
import unittest

import test_billing
from test_billing import at, month
from test_events import LINES, STEP, EventTest, instant

VOID = "center.usage.void"
SECOND = datetime.timedelta(seconds=1)


class VoidTest(EventTest):
    def setUp(self):
        super().setUp()
        self.now -= 4 * STEP  # all quarter hours after it are over

    def void(self, identifier, target, **fields):
        return self.event(identifier, type=VOID, **{"data": {"id": target}, **fields})

    def fold(self):
        self.database().execute("update operations set not_before = now() where kind = 'fold_usage' and state = 'queued'")
        self.eventually(lambda: self.database().value("select count(*) from usage_deltas") == 0)

    def states(self):
        return {event["id"]: (event["state"], event["voided_in"]) for event in self.owner.all("/v1/events")}


class Voids(VoidTest):
    def test_what_is_voided_counts_no_more(self):
        self.receipt([self.event("a", "5"), self.event("b", "7")])
        receipt = self.receipt([self.void("v", "a")])
        self.assertEqual(self.counts(receipt), (1, 0, 0, 0))
        self.assertEqual(self.total(), 700)
        states = self.states()
        self.assertEqual({name: state for name, (state, _) in states.items()},
                         {"a": "voided", "b": "accepted", "v": "accepted"})
        self.assertRegex(states["a"][1], r"^\d{4}-\d\d$")
        listed = {state: [event["id"] for event in self.owner.all("/v1/events", query={"state": state})]
                  for state in ("accepted", "voided")}
        self.assertEqual(listed, {"accepted": ["v", "b"], "voided": ["a"]})

    def test_every_aggregation_forgets_it(self):
        made = {kind: self.make_meter(kind, event_type=self.meter["event_type"], dimensions=["region"])
                for kind in ("sum", "count", "max", "min", "latest", "unique")}
        events = [self.event(f"{place}", value, time=instant(self.now + place * SECOND),
                             data={"value": value, "region": region})
                  for place, (value, region) in enumerate((("4", "cn"), ("1", "cn"), ("9", "hk"), ("5", "cn"), ("5", "hk")))]
        self.receipt(events)

        def values():
            return {kind: self.usage(meter=meter)["data"][-1]["value"] for kind, meter in made.items()}

        before = {"sum": "24", "count": "5", "max": "9", "min": "1", "latest": "5", "unique": "4"}
        self.assertEqual(values(), before)
        for voided, expected in ((("2",), {"sum": "15", "count": "4", "max": "5", "min": "1", "latest": "5", "unique": "3"}),
                                 (("1", "4"), {"sum": "9", "count": "2", "max": "5", "min": "4", "latest": "5", "unique": "2"}),
                                 (("3",), {"sum": "4", "count": "1", "max": "4", "min": "4", "latest": "4", "unique": "1"}),
                                 (("0",), {"sum": "0", "count": "0", "max": None, "min": None, "latest": None, "unique": "0"})):
            self.fold()
            self.receipt([self.void(f"void-{each}", each) for each in voided])
            self.assertEqual(values(), expected)
            self.fold()
            self.assertEqual(values(), expected)
        self.receipt([self.event("again", "3")])
        self.assertEqual(values()["max"], "3")

    def test_a_correction_in_one_batch(self):
        self.receipt([self.event("wrong", "500")])
        self.receipt([self.event("right", "50"), self.void("v", "wrong"), self.event("typo", "9"), self.void("w", "typo")])
        self.assertEqual(self.total(), 5000)
        self.assertEqual(self.states()["typo"][0], "voided")

    def test_sent_again_it_is_a_duplicate(self):
        self.receipt([self.event("a", "5"), self.event("b", "1")])
        batch = [self.void("v", "a"), self.event("c", "2")]
        self.assertEqual(self.counts(self.receipt(batch)), (2, 0, 0, 0))
        self.assertEqual(self.counts(self.receipt(batch)), (0, 2, 0, 0))
        self.assertEqual(self.counts(self.receipt([*batch, self.void("w", "b")])), (1, 2, 0, 0))
        self.assertEqual(self.counts(self.receipt([self.void("v", "c")])), (0, 0, 1, 0))
        self.assertEqual(self.total(), 200)

    def test_an_event_of_another_source(self):
        self.receipt([self.event("a", "5"), self.event("a", "7", source="/other")])
        self.receipt([self.void("v", "a", data={"id": "a", "source": "/other"})])
        self.assertEqual(self.total(), 500)

    def test_what_cannot_be_voided(self):
        other = self.resource(self.owner, "software")
        self.receipt([self.event("a", "5"), self.event("b", "7"), self.event("o", "9", subject=other["id"])])
        self.receipt([self.void("v", "a")])
        wrong = [self.void("1", "none"), self.void("2", "a"), self.void("3", "v"), self.void("4", "o"),
                 self.event("5", type=VOID, data={}), self.event("6", type=VOID, data={"id": 7}),
                 self.event("7", type=VOID, data={"id": "b", "source": 1}), self.void("8", "b"), self.void("9", "b"),
                 self.void("10", "8"), self.void("11", "b", subject="nobody")]
        errors = self.errors(self.send(wrong))
        self.assertEqual(errors, {
            "/0/data/id": "event_void_unknown", "/1/data/id": "event_void_again", "/2/data/id": "event_void_of_void",
            "/3/data/id": "event_void_unknown", "/4/data/id": "event_void_malformed", "/5/data/id": "event_void_malformed",
            "/6/data/source": "event_void_malformed", "/8/data/id": "event_void_again", "/9/data/id": "event_void_of_void",
            "/10/subject": "event_subject_unknown"})
        self.assertEqual(self.total(), 1600)
        receipt = self.receipt(wrong, query={"partial": "true"})
        self.assertEqual(self.counts(receipt), (1, 0, 0, 10))
        self.assertEqual(self.total(), 900)

    def test_another_tenants_event_is_not_there(self):
        _, stranger = self.tenant()
        self.receipt([self.event("a", "5")])
        theirs = self.resource(stranger, "software")
        errors = self.errors(self.send([self.void("v", "a", subject=theirs["id"])], client=stranger))
        self.assertEqual(errors, {"/0/data/id": "event_void_unknown"})
        self.assertEqual(self.total(), 500)

    def test_everything_at_once(self):
        self.receipt([self.event("a", "5"), self.event("b", "7"), self.event("c", "9")])
        batch = [self.event("n", "100"), self.void("v", "a"), self.event("t", "1"), self.void("w", "t"), self.event("b", "7"),
                 self.event("c", "8"), self.event("x", "bad"), self.event("q", subject="later"), self.void("y", "none")]
        query = {"partial": "true", "quarantine": "true"}
        receipt = self.receipt(batch, query=query)
        self.assertEqual((*self.counts(receipt), receipt["quarantined"]), (4, 1, 1, 2, 1))
        receipt = self.receipt(batch, query=query)
        self.assertEqual((*self.counts(receipt), receipt["quarantined"]), (0, 5, 1, 2, 1))
        self.assertEqual(self.total(), 11600)

    def test_lines_of_them(self):
        self.receipt([self.event(str(place), "1") for place in range(300)])
        voids = [self.void(f"v{place}", str(place)) for place in range(0, 300, 2)]
        body = "\n".join(json.dumps(each) for each in voids)
        self.assertEqual(self.counts(self.receipt(body.encode(), content_type=LINES)), (150, 0, 0, 0))
        self.assertEqual(self.total(), 15000)

    def test_beside_events_that_come_in(self):
        """Each of several senders stores and voids in the same quarter hours."""
        results = []

        def run(sender):
            for turn in range(15):
                names = [f"{sender}-{turn}-{place}" for place in range(8)]
                results.append(self.counts(self.receipt([
                    self.event(name, "1", time=instant(self.now + (place % 3) * STEP)) for place, name in enumerate(names)])))
                results.append(self.counts(self.receipt([self.void(f"v-{name}", name) for name in names[:3]])))

        threads = [threading.Thread(target=run, args=(sender,)) for sender in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(results), [(3, 0, 0, 0)] * 60 + [(8, 0, 0, 0)] * 60)
        self.assertEqual(self.total(), 4 * 15 * 5 * 100)
        self.fold()
        self.assertEqual(self.total(), 4 * 15 * 5 * 100)

    def test_the_same_one_by_two_at_once(self):
        for turn in range(10):
            self.receipt([self.event(f"t-{turn}", "1")])
            found = []
            threads = [threading.Thread(target=lambda name=name: found.append(
                self.send([self.void(name, f"t-{turn}")]).status)) for name in (f"x-{turn}", f"y-{turn}")]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(sorted(found), [200, 422])
        self.assertEqual(self.total(), 0)

    def test_bug_0103_a_thousand_of_a_batch(self):
        """Each had the whole batch unpacked, twice and more."""
        lines = [json.dumps(self.event(str(place), "1", time=instant(self.now + (place % 3) * STEP))) for place in range(10000)]
        self.receipt("\n".join(lines).encode(), content_type=LINES)
        voids = [self.void(f"v{place}", str(place)) for place in range(1001)]
        body = "\n".join(json.dumps(each) for each in voids).encode()
        errors = self.errors(self.send(body, content_type=LINES))
        self.assertEqual(errors, {"/1000": "event_voids_too_many"})
        receipt = self.receipt(body, content_type=LINES, query={"partial": "true"})
        self.assertEqual(self.counts(receipt), (1000, 0, 0, 1))
        self.assertEqual(self.total(), 900000)

    def test_bug_0110_the_same_void_twice_is_a_duplicate(self):
        """The second was refused; and copies of an event that was stored, beside a void, ended in 503."""
        self.receipt([self.event("a", "5"), self.event("b", "1")])
        receipt = self.receipt([self.void("v", "a"), self.void("v", "a"), self.void("v", "b")])
        self.assertEqual(self.counts(receipt), (1, 1, 1, 0))
        self.assertEqual(self.total(), 100)
        receipt = self.receipt([*[self.event("b", "1") for _ in range(12)], self.event("c", "4"), self.void("w", "c")])
        self.assertEqual(self.counts(receipt), (2, 12, 0, 0))
        receipt = self.receipt([self.void("x", "none"), self.void("x", "none"), self.void("y", "b", subject=self.subscription["external_id"]),
                                self.void("z", "b")], query={"partial": "true"})
        self.assertEqual(self.counts(receipt), (1, 0, 0, 3))
        self.assertEqual(self.total(), 0)

    def test_bug_0107_a_source_is_one(self):
        """With a blank in it, a key was taken for another one."""
        self.receipt([self.event("b c", "5", source="/a")])
        errors = self.errors(self.send([self.void("v", "c", data={"id": "c", "source": "/a b"}), self.event("b c", source="/a")]))
        self.assertEqual(errors, {"/0/data/source": "event_void_malformed"})


class VoidedMonths(test_billing.MonthTest):
    """Voids in settled months are corrections of the next one."""

    settings = {"log_level": "info", "workers": "1"}
    test_two_months = None

    def event(self, resource, identifier, time, calls):
        return {"specversion": "1.0", "id": identifier, "source": "/test", "type": self.meter["event_type"],
                "subject": resource["id"], "time": time, "data": {"calls": calls}}

    def void(self, owner, resource, identifier, target):
        event = {**self.event(resource, identifier, datetime.datetime.now(datetime.timezone.utc).isoformat(), "0"), "type": VOID, "data": {"id": target}}
        self.assertEqual(self.expect(owner.post("/v1/events", [event]), 200)["accepted"], 1)

    def test_what_was_billed_is_taken_back(self):
        before, first = month(2)
        last, first_last = month(1)
        peak = self.expect(self.platform.post("/v1/meters", {
            "code": f"peak-{self.meter['code']}", "name": "峰值", "event_type": self.meter["event_type"],
            "aggregation": "max", "value_property": "calls", "unit": "Calls"}), 201)
        self.offering = self.offer("software", self.charge("calls", self.meter["code"], model="graduated", tiers=[
            {"up_to": "100", "unit_amount": "0.1"}, {"up_to": None, "unit_amount": "0.05"}]),
            self.charge("peak", peak["code"], model="unit", unit_amount="2"),
            self.charge("share", self.meter["code"], model="percentage", rate="10"))
        tenant, owner = self.tenant("voided")
        resource = self.rent(tenant, at(first, 1, 0))
        self.expect(owner.post("/v1/events", [
            self.event(resource, "a", at(first, 5), "120"), self.event(resource, "b", at(first, 6), "30"),
            self.event(resource, "c", at(first_last, 5), "7"), self.event(resource, "d", at(first_last, 6), "9")]), 200)
        self.assertEqual(self.bill(before, tenant=tenant, finalize=True)["state"], "succeeded")
        lines = self.lines(owner, self.invoice(owner, before))
        self.assertEqual([lines[code, None]["exact_amount"] for code in ("calls", "peak", "share")], ["12.5", "240", "15"])

        self.void(owner, resource, "v", "a")
        self.void(owner, resource, "w", "d")
        preview = self.expect(owner.post("/v1/invoices/preview", {"period": last}), 200)
        found = {(line["charge_code"], line["correction_of"]): (line["quantity"], line["exact_amount"]) for line in preview["lines"]}
        self.assertEqual(found, {
            ("calls", None): ("7", "0.7"), ("peak", None): ("7", "14"), ("share", None): ("7", "0.7"),
            ("calls", before): ("-120", "-9.5"), ("peak", before): ("-90", "-180"), ("share", before): ("-120", "-12")})
        self.assertEqual(self.close(before)["state"], "succeeded")
        self.assertEqual(self.bill(last, tenant=tenant, finalize=True)["state"], "succeeded")
        invoice = self.invoice(owner, last)
        line = self.lines(owner, invoice)["calls", before]
        explained = self.expect(owner.get(f"/v1/invoices/{invoice['id']}/lines/{line['line']}/explanation"), 200)
        self.assertEqual([(day["total"], day["count"]) for day in explained["usage"]], [("-120", -1)])
        closed = self.close(last)
        self.assertEqual(closed["state"], "succeeded", closed)

        # Once more, what is voided and what is late in the months that are closed now.
        current, _ = month(0)
        self.void(owner, resource, "x", "b")
        self.expect(owner.post("/v1/events", [self.event(resource, "e", at(first, 6), "20")]), 200)
        preview = self.expect(owner.post("/v1/invoices/preview", {"period": current}), 200)
        found = {(line["charge_code"], line["correction_of"]): (line["quantity"], line["exact_amount"])
                 for line in preview["lines"] if line["correction_of"]}
        self.assertEqual(found, {("calls", before): ("-10", "-1"), ("peak", before): ("-10", "-20"),
                                 ("share", before): ("-10", "-1")})
        usage = self.expect(owner.get("/v1/usage", query={
            "meter": self.meter["code"], "from": at(first, 1, 0), "to": at(first_last, 1, 0), "window": "month"}), 200)
        self.assertEqual([window["value"] for window in usage["data"]], ["20"])


    def test_bug_0105_a_month_of_which_nothing_is_left_is_closed(self):
        """The gate found nothing counted beside what was taken back."""
        before, first = month(4)
        last, _ = month(3)
        self.offering = self.offer("software", self.charge("calls", self.meter["code"], model="unit", unit_amount="0.1"))
        tenant, owner = self.tenant("left")
        resource = self.rent(tenant, at(first, 1, 0))
        self.expect(owner.post("/v1/events", [self.event(resource, "a", at(first, 5), "120")]), 200)
        self.assertEqual(self.bill(before, finalize=True)["state"], "succeeded")
        self.void(owner, resource, "v", "a")
        self.assertEqual(self.close(before)["state"], "succeeded")
        self.assertEqual(self.bill(last, finalize=True)["state"], "succeeded")
        lines = self.lines(owner, self.invoice(owner, last))
        self.assertEqual(lines["calls", before]["quantity"], "-120")
        closed = self.close(last)
        self.assertEqual(closed["state"], "succeeded", closed)


if __name__ == "__main__":
    unittest.main()
