"""What meters make of events: every aggregation, filters, dimensions and units, and usage by them."""

import csv
import datetime
import io
import json
import unittest

from test_events import LINES, STEP, EventTest, instant

SECOND = datetime.timedelta(seconds=1)


class Aggregations(EventTest):
    def setUp(self):
        super().setUp()
        self.now -= 4 * STEP  # all quarter hours after it are over

    def put(self, meter, *data, start=None, **fields):
        """Stores events of the meter's type, a second apart, each with that data."""
        start = start or self.now
        events = [self.event(f"{meter['code']}-{start.timestamp()}-{place}", type=meter["event_type"],
                             time=instant(start + place * SECOND), data=each, **fields)
                  for place, each in enumerate(data)]
        self.assertEqual(self.receipt(events)["accepted"], len(events))

    def values(self, meter, **query):
        return [window["value"] for window in self.usage(meter=meter, **{"window": "hour", "from": instant(self.now), **query})["data"]]

    def fold(self):
        """Has deltas folded, all of them."""
        self.database().execute("update operations set not_before = now() where kind = 'fold_usage' and state = 'queued'")
        self.eventually(lambda: self.database().value("select count(*) from usage_deltas") == 0)

    def test_the_least(self):
        meter = self.make_meter("min")
        self.put(meter, {"value": "7"}, {"value": 3}, {"value": "9.5"})
        self.assertEqual(self.values(meter), ["3"])
        self.fold()
        self.put(meter, {"value": "2.5"}, {"value": 30}, start=self.now + STEP)
        self.assertEqual(self.values(meter), ["2.5"])
        self.assertEqual(self.values(meter, **{"from": instant(self.now - 4 * STEP)}), [None, "2.5"])

    def test_different_ones(self):
        meter = self.make_meter("unique", value_property="user")
        self.put(meter, {"user": "li"}, {"user": "wang"}, {"user": "li"}, {"user": 5})
        self.assertEqual(self.values(meter), ["3"])
        self.fold()
        self.put(meter, {"user": "li"}, {"user": "5"}, {"user": "赵\"\\\n"}, start=self.now + STEP)
        self.assertEqual(self.values(meter), ["4"])
        self.fold()
        self.assertEqual(self.values(meter), ["4"])
        self.put(meter, {"user": "wang"}, {"user": True}, start=self.now + 2 * STEP)
        self.assertEqual(self.values(meter), ["5"])

    def test_what_passes_the_filters(self):
        meter = self.make_meter("sum", filters=[{"property": "region", "values": ["cn", "hk"]},
                                                {"property": "paid", "values": ["true", "1"]}])
        other = self.make_meter("count", event_type=meter["event_type"])
        self.put(meter, {"value": "1", "region": "cn", "paid": True}, {"value": "2", "region": "hk", "paid": 1},
                 {"value": "4", "region": "us", "paid": True}, {"value": "8", "paid": "true"},
                 {"value": "16", "region": "cn", "paid": False}, {"region": "us"}, {"value": "x", "region": ["cn"]})
        self.assertEqual((self.values(meter), self.values(other)), (["3"], ["7"]))
        errors = self.errors(self.send([self.event("n", type=meter["event_type"], data={"region": "cn", "paid": 1})]))
        self.assertEqual(errors, {"/0/data/value": "event_value_missing"})

    def test_usage_by_dimensions(self):
        meter = self.make_meter("sum", dimensions=["region", "size.class"])
        self.put(meter, {"value": "1", "region": "cn", "size.class": 2}, {"value": "2", "region": "hk"},
                 {"value": "4", "region": "cn", "size.class": "2"}, {"value": "8"}, {"value": "16", "region": "c\"n"})
        self.fold()
        self.put(meter, {"value": "32", "region": "cn", "size.class": True}, start=self.now + STEP)
        query = {"window": "hour", "from": instant(self.now)}

        def grouped(by, **more):
            return [(each.get("subject"), each["dimensions"], each["value"])
                    for each in self.usage(meter=meter, group_by=by, **query, **more)["data"]]

        self.assertEqual(grouped("region"), [
            (None, {"region": 'c"n'}, "16"), (None, {"region": "cn"}, "37"), (None, {"region": "hk"}, "2"),
            (None, {"region": None}, "8")])
        self.assertEqual(grouped("size.class,subject,region", filter='{"region": ["cn"]}'), [
            (self.subscription["id"], {"size.class": "2", "region": "cn"}, "5"),
            (self.subscription["id"], {"size.class": "true", "region": "cn"}, "32")])
        self.assertEqual(self.values(meter, filter='{"region": ["hk", null], "size.class": [null]}'), ["10"])
        answer = self.owner.get("/v1/usage", query={"meter": meter["code"], "to": instant(self.now + STEP), **query,
                                                    "group_by": "region,subject"}, headers={"Accept": "text/csv"})
        rows = list(csv.reader(io.StringIO(answer.body.decode("utf-8"))))
        self.assertEqual(rows[0], ["from", "to", "subject", "region", "value"])
        self.assertEqual([row[2:] for row in rows[1:]][:2], [[self.subscription["id"], 'c"n', "16"],
                                                              [self.subscription["id"], "cn", "5"]])

    def test_what_cannot_be_grouped_or_filtered_by_is_refused(self):
        meter = self.make_meter("sum", dimensions=["region"])
        for parameter, value, code in (("group_by", "size", "dimension_unknown"),
                                       ("filter", "{\"region", "filter_malformed"), ("filter", "{}x", "filter_malformed"),
                                       ("filter", '{"region": "cn"}', "filter_malformed"),
                                       ("filter", '{"region": [5]}', "filter_malformed"),
                                       ("filter", '{"region": []}', "filter_malformed"),
                                       ("filter", '{"size": ["x"]}', "filter_malformed")):
            answer = self.owner.get("/v1/usage", query={
                "meter": meter["code"], "from": instant(self.now), "to": instant(self.now + STEP), parameter: value})
            self.expect(answer, 400, "invalid_parameter")
            self.assertEqual([(each["pointer"], each["code"]) for each in answer.json["errors"]], [(f"/{parameter}", code)])

    def test_what_cannot_be_told_apart_is_refused(self):
        meter = self.make_meter("sum", dimensions=["region"])
        unique = self.make_meter("unique", event_type=meter["event_type"], value_property="user")
        bad = [{"value": "1", "region": {"a": "b"}, "user": "x"}, {"value": "1", "region": ["cn"], "user": "x"},
               {"value": "1", "region": "x" * 257, "user": "x"}, {"value": "1", "user": []},
               {"value": "1", "user": "y" * 257}, {"value": "1"}, {"value": "-1", "user": "x"}]
        errors = self.errors(self.send([
            self.event(f"bad-{place}", type=meter["event_type"], data=data) for place, data in enumerate(bad)]))
        distinct = "event_value_not_distinct"
        self.assertEqual(errors, {"/0/data/region": distinct, "/1/data/region": distinct, "/2/data/region": distinct,
                                  "/3/data/user": distinct, "/4/data/user": distinct,
                                  "/5/data/user": "event_value_missing", "/6/data/value": "event_value_not_decimal"})
        self.assertEqual(self.values(unique), ["0"])

    def test_another_unit(self):
        meter = self.make_meter("sum", divide_by="3600", unit="Hours")
        self.put(meter, {"value": "1800"}, {"value": 5000})
        self.assertEqual(self.values(meter), ["1.888888888889"])
        self.assertEqual(self.usage(meter=meter)["unit"], "Hours")

    def test_several_subjects(self):
        others = [self.resource(self.owner, "software", external_id=f"crm-{self.now.timestamp()}-{place}") for place in range(2)]
        self.receipt([self.event("a", "1"), self.event("b", "2", subject=others[0]["id"]),
                      self.event("c", "4", subject=others[1]["id"])])
        for subjects, value in ((self.subscription["id"], "1"), (f"{self.subscription['id']},{others[1]['external_id']}", "5"),
                                (f"{others[0]['id']},nobody", "2"), ("nobody,none", "0")):
            self.assertEqual(self.values(self.meter, subject=subjects), [value])

    def send_lines(self, events):
        return self.send("\n".join(json.dumps(event) for event in events).encode(), content_type=LINES)

    def test_bug_0099_an_answer_of_long_rows_is_refused(self):
        """It was more than an answer holds, which ended the worker."""
        names = ["a", "b", "c", "d", "e"]
        meter = self.make_meter("count", event_type=self.meter["event_type"], dimensions=names)
        for hour in range(3):
            time = instant(self.now - hour * 4 * STEP)
            self.expect(self.send_lines([
                self.event(f"{hour}-{place}", time=time, data={"value": "1", **{name: f"{place:05}" + 100 * name for name in names}})
                for place in range(10000)]), 200)
        query = {"meter": meter["code"], "window": "hour", "group_by": ",".join(names),
                 "from": instant(self.now - 12 * STEP), "to": instant(self.now + 4 * STEP)}
        self.expect(self.owner.get("/v1/usage", query=query), 422, "usage_too_large")
        self.assertEqual(self.values(meter), ["10000"])

    def test_bug_0100_what_adds_too_much_to_usage_is_refused(self):
        """A statement takes no more, which ended the worker."""
        for _ in range(19):
            self.make_meter("count", event_type=self.meter["event_type"], dimensions=["d"])
        events = [self.event(str(place), data={"value": "1", "d": f"{place:05}" + "d" * 200}) for place in range(10000)]
        self.expect(self.send_lines(events), 413, "body_too_large")
        self.assertEqual(self.total(), 0)
        self.expect(self.send_lines(events[:5000]), 200)
        self.assertEqual(self.total(), 500000)

    def test_sets_grow_by_folding(self):
        """In one slot, from delta to delta."""
        meter = self.make_meter("unique", event_type=self.meter["event_type"], value_property="u", dimensions=["d"])
        for turn in range(3):
            self.receipt([self.event(f"{turn}-{place}", data={"value": "1", "u": str(turn * 50 + place), "d": str(place % 2)})
                          for place in range(100)])
            self.assertEqual(self.values(meter), [str(100 + turn * 50)])
            self.fold()
            self.assertEqual(self.values(meter), [str(100 + turn * 50)])
        grouped = self.usage(meter=meter, group_by="d")["data"]
        self.assertEqual([(each["dimensions"]["d"], each["value"]) for each in grouped], [("0", "100"), ("1", "100")])
        self.assertEqual(self.database().value(f"select count(*) from usage_slots where meter_id = '{meter['id']}'"), 2)


class MeterRules(EventTest):
    def test_what_a_meter_cannot_be(self):
        for fields, pointer in (({"event_type": "center.usage.void"}, "/event_type"), ({"divide_by": "0"}, "/divide_by"),
                                ({"dimensions": ["a", "a"]}, "/dimensions"), ({"dimensions": ["subject"]}, "/dimensions")):
            answer = self.platform.post("/v1/meters", {
                "code": "refused", "name": "计量", "event_type": "t", "aggregation": "sum", "value_property": "v",
                "unit": "X", **fields})
            self.expect(answer, 422, "value_refused")
            self.assertEqual(answer.json["errors"][0]["pointer"], pointer)
        for fields in ({"dimensions": ["a,b"]}, {"dimensions": [str(each) for each in range(6)]}, {"divide_by": "-1"},
                       {"filters": [{"property": "a", "values": []}]}, {"filters": [{"property": "a"}]}):
            answer = self.platform.post("/v1/meters", {
                "code": "refused", "name": "计量", "event_type": "t", "aggregation": "sum", "value_property": "v",
                "unit": "X", **fields})
            self.expect(answer, 422, "validation_failed")

    def test_a_meter_says_what_it_counts(self):
        made = self.make_meter("count", filters=[{"property": "region", "values": ["cn"]}], dimensions=["size"], divide_by="1000")
        self.assertEqual((made["filters"], made["dimensions"], made["divide_by"]),
                         ([{"property": "region", "values": ["cn"]}], ["size"], "1000"))
        self.assertEqual(self.expect(self.owner.get(f"/v1/meters/{made['id']}"), 200), made)


if __name__ == "__main__":
    unittest.main()
