"""Meters that count what was stored before they were made: each event once, while more comes in."""

import threading
import unittest

from test_events import STEP, EventTest, instant


class BackComputation(EventTest):
    def setUp(self):
        super().setUp()
        self.now -= 4 * STEP

    def compute(self, meter):
        answer = self.platform.post(f"/v1/meters/{meter['id']}/back-compute")
        self.expect(answer, 202)
        return self.operation(answer)

    def fold(self):
        self.database().execute("update operations set not_before = now() where kind = 'fold_usage' and state = 'queued'")
        self.eventually(lambda: self.database().value("select count(*) from usage_deltas") == 0)

    def value(self, meter):
        """All of it, in a month or two."""
        return sum(float(window["value"] or 0) for window in self.usage(meter=meter)["data"])

    def test_what_was_stored_before_is_counted_once(self):
        self.receipt([self.event("a", "5"), self.event("b", "7", time=instant(self.now - 100 * STEP))])
        self.receipt([self.event("c", "1", data={"value": "1", "region": "cn"})])
        meter = self.make_meter("sum", event_type=self.meter["event_type"], dimensions=["region"])
        self.assertEqual(self.value(meter), 0)
        self.receipt([self.event("d", "20")])
        self.assertEqual(self.value(meter), 20)
        self.assertIsNone(meter["back_computed_at"])
        operation = self.compute(meter)
        self.assertEqual((operation["state"], operation["done"], operation["total"]), ("succeeded", 2, 2))
        self.assertEqual(self.value(meter), 33)
        self.assertEqual(self.total(), 3300)
        self.assertIsNotNone(self.expect(self.owner.get(f"/v1/meters/{meter['id']}"), 200)["back_computed_at"])
        self.expect(self.platform.post(f"/v1/meters/{meter['id']}/back-compute"), 409, "state_conflict")
        grouped = self.usage(meter=meter, group_by="region")["data"]
        self.assertEqual(sorted((each["dimensions"]["region"] or "", each["value"]) for each in grouped)[-1], ("cn", "1"))

    def test_every_aggregation_is_as_if_it_had_been_there(self):
        made = [(kind, self.make_meter(kind, event_type=self.meter["event_type"])) for kind in ("count", "max", "min", "latest", "unique")]
        for turn in range(3):
            self.receipt([self.event(f"{turn}-{place}", str((turn * 7 + place * 5) % 11), time=instant(self.now + (place % 3) * STEP))
                          for place in range(20)])
        self.receipt([self.event("v", type="center.usage.void", data={"id": "1-3"})])
        for kind, meter in made:
            later = self.make_meter(kind, event_type=self.meter["event_type"])
            self.assertEqual(self.compute(later)["state"], "succeeded")
            query = {"window": "hour", "from": instant(self.now)}
            self.assertEqual(self.usage(meter=later, **query)["data"], self.usage(meter=meter, **query)["data"])

    def test_bug_0101_what_cannot_be_told_apart_is_not_computed_back(self):
        """It became a row that could not be indexed, and nothing was folded any more."""
        self.receipt([self.event("good", data={"value": "1", "d": "x", "u": "ä" * 128}),
                      self.event("number", data={"value": "007", "d": "x" * 256, "u": 5}),
                      self.event("long", data={"value": "1", "d": "x" * 257, "u": "y" * 257}),
                      self.event("nested", data={"value": "1", "d": {"x": 1}, "u": [1]}),
                      self.event("neither", data={"value": "1"})])
        for aggregation, field, expected in (("sum", "value", 9), ("unique", "u", 2)):
            meter = self.make_meter(aggregation, event_type=self.meter["event_type"], value_property=field, dimensions=["d"])
            self.assertEqual(self.compute(meter)["state"], "succeeded")
            self.assertEqual(self.value(meter), expected)
            self.fold()
            self.assertEqual(self.value(meter), expected)

    def test_bug_0104_zeros_before_a_number_are_counted_again(self):
        """What ingestion took as 7 was nothing when its slot was counted anew, or computed back."""
        self.receipt([self.event("a", "007"), self.event("b", "00.50"), self.event("c", "1")])
        self.receipt([self.event("v", type="center.usage.void", data={"id": "c"})])
        self.assertEqual(self.total(), 750)
        meter = self.make_meter("max", event_type=self.meter["event_type"])
        self.assertEqual(self.compute(meter)["state"], "succeeded")
        self.assertEqual(self.value(meter), 7)

    def test_bug_0106_one_that_failed_is_queued_again(self):
        """It was refused as done already."""
        self.receipt([self.event("a", "5")])
        meter = self.make_meter("sum", event_type=self.meter["event_type"])
        self.database().execute(f"""
            insert into back_computations (meter_id, operation_id) values ('{meter["id"]}', 'op_gone')""")
        self.assertEqual(self.compute(meter)["state"], "succeeded")
        self.assertEqual(self.value(meter), 5)
        self.expect(self.platform.post(f"/v1/meters/{meter['id']}/back-compute"), 409, "state_conflict")

    def test_bug_0109_percentages_price_events_as_they_came(self):
        """What was computed back into another month had no price, or changed that of a closed one."""
        meter = self.make_meter("sum", event_type=self.meter["event_type"])
        charge = {"code": "share", "name": "分成", "kind": "usage", "meter": meter["code"],
                  "price": {"model": "percentage", "rate": "10"}}
        offering = self.offer("software", charge)
        self.expect(self.platform.post(f"/v1/meters/{meter['id']}/back-compute"), 409, "state_conflict")
        other = self.make_meter("sum", event_type=self.meter["event_type"])
        self.assertEqual(self.compute(other)["state"], "succeeded")
        self.expect(self.platform.post("/v1/plans", {
            "offering_id": offering["offering"]["id"], "code": "late", "name": "计划", "charges": [{**charge, "meter": other["code"]}]}),
            422, "meter_unknown")

    def test_a_void_leaves_what_a_meter_does_not_count(self):
        self.receipt([self.event("a", "5"), self.event("b", "7")])
        meter = self.make_meter("sum", event_type=self.meter["event_type"])
        self.receipt([self.event("c", "20"), self.event("d", "40")])
        self.receipt([self.event("v", type="center.usage.void", data={"id": "a"}),
                      self.event("w", type="center.usage.void", data={"id": "c"})])
        self.assertEqual((self.value(meter), self.value(self.meter)), (40, 47))
        self.assertEqual(self.compute(meter)["state"], "succeeded")
        self.assertEqual(self.value(meter), 47)
        self.receipt([self.event("x", type="center.usage.void", data={"id": "b"})])
        self.assertEqual((self.value(meter), self.value(self.meter)), (40, 40))

    def test_while_more_comes_in_and_is_voided(self):
        for turn in range(60):
            self.receipt([self.event(f"old-{turn}-{place}", "1", time=instant(self.now + (place % 4) * STEP)) for place in range(10)])
        meter = self.make_meter("sum", event_type=self.meter["event_type"])
        accepted = []

        def send(sender):
            for turn in range(12):
                names = [f"new-{sender}-{turn}-{place}" for place in range(5)]
                accepted.append(self.receipt([self.event(name, "1") for name in names])["accepted"])
                voids = [f"old-{sender * 15 + turn}-{place}" for place in range(3)] + names[:1]
                accepted.append(-self.receipt([self.event(f"v-{name}", type="center.usage.void", data={"id": name})
                                               for name in voids])["accepted"])

        threads = [threading.Thread(target=send, args=(sender,)) for sender in range(3)]
        for thread in threads:
            thread.start()
        operation = self.compute(meter)
        for thread in threads:
            thread.join()
        self.assertEqual((operation["state"], operation["done"]), ("succeeded", 60))
        self.assertEqual(sum(accepted), 3 * 12 * (5 - 4))
        self.assertEqual((self.value(meter), self.value(self.meter)), (636, 636))

    def test_bug_0134_what_goes_on_is_tried_again(self):
        """However often the process that does it is killed: it was given up at the tenth time."""
        self.receipt([self.event("a")])
        later = self.make_meter("sum", event_type=self.meter["event_type"])
        self.database().execute("alter table operations alter column attempts set default 9")
        answer = self.platform.post(f"/v1/meters/{later['id']}/back-compute")
        self.database().execute("alter table operations alter column attempts set default 0")
        self.expect(answer, 202)
        operation = self.operation(answer)
        self.assertEqual(operation["state"], "succeeded")
        self.assertEqual(self.database().value(f"select attempts from operations where id = '{operation['id']}'"), 1)

    def test_who_may_not(self):
        self.expect(self.owner.post(f"/v1/meters/{self.meter['id']}/back-compute"), 403, "forbidden")
        lines = self.expect(self.platform.get("/v1/meters", query={"code": "line-days"}), 200)["data"][0]
        self.expect(self.platform.post(f"/v1/meters/{lines['id']}/back-compute"), 409, "state_conflict")
        self.expect(self.platform.post("/v1/meters/mtr_01k8x7g0v8e2v9m3b1q4t5y6z7/back-compute"), 404, "not_found")


if __name__ == "__main__":
    unittest.main()
