"""Bandwidth by five minutes: percentiles and peaks, of events, of RADIUS accounting and of counters that are read."""

import datetime
import json
import random
import unittest
from fractions import Fraction

import test_billing
from harness import unique
from test_billing import at, month
from test_events import LINES, STEP, EventTest, instant
from test_radius import HOUR, INTERIM, START, STOP, RadiusTest

FIVE = datetime.timedelta(minutes=5)
KINDS = ("p95", "p95_enhanced", "top5_day_peaks")
SHANGHAI = datetime.timezone(datetime.timedelta(hours=8))


def expected(kind, rates, zone=datetime.timezone.utc):
    """Of rates by their five minutes, the other way round than the platform: counted out, not indexed."""
    if kind == "p95":
        left = sorted(rates.values())
        for _ in range(len(left) * 5 // 100):
            left.remove(max(left))
        return max(left)
    days = {}
    for time, rate in rates.items():
        days.setdefault(time.astimezone(zone).date(), []).append(rate)
    dropped = 4 if kind == "p95_enhanced" else 0
    peaks = sorted(sorted(day)[::-1][min(dropped, len(day) - 1)] for day in days.values())[-5:]
    mean = Fraction(sum(peaks)) / len(peaks)
    return Fraction(int(mean * 10 ** 12 + Fraction(1, 2)), 10 ** 12)


class Rates(EventTest):
    """Events that say a rate."""

    def meters(self, **fields):
        return {kind: self.make_meter(kind, event_type=self.meter["event_type"], unit="Mb/Second", **fields) for kind in KINDS}

    def put(self, rates, name="r", **fields):
        events = [self.event(f"{name}-{place}", str(rate), time=instant(time), **fields)
                  for place, (time, rate) in enumerate(rates.items())]
        receipt = self.receipt("\n".join(json.dumps(event) for event in events).encode(), content_type=LINES)
        self.assertEqual(receipt["accepted"], len(events))

    def values(self, meter, **query):
        return [window["value"] and Fraction(window["value"]) for window in self.usage(meter=meter, **query)["data"]]

    def month_of(self, back):
        """The months before this one, in UTC: beginning and end."""
        begin = self.now.replace(day=1, hour=0)
        for _ in range(back):
            end, begin = begin, (begin - datetime.timedelta(days=1)).replace(day=1)
        return begin, end

    def test_whole_months(self):
        made = self.meters()
        source = random.Random(95)
        for back in (1, 2, 3):
            begin, end = self.month_of(back)
            count = (end - begin) // FIVE
            self.assertIn((count, count * 5 // 100), ((8640, 432), (8928, 446), (8064, 403), (8352, 417)))
            rates = {begin + place * FIVE: source.randrange(100000) for place in range(count)}
            self.put(rates, name=str(back))
            for kind, meter in made.items():
                for zone, name in ((datetime.timezone.utc, "UTC"), (SHANGHAI, "Asia/Shanghai")):
                    query = {"from": instant(begin), "to": instant(end), "time_zone": name}
                    within = {time: rate for time, rate in rates.items() if time.astimezone(zone).month == begin.month}
                    self.assertEqual(self.values(meter, **query)[0], expected(kind, within, zone))
                days = self.values(meter, **{"from": instant(begin), "to": instant(end), "time_zone": "UTC", "window": "day"})
                self.assertEqual(days, [expected(kind, {time: rate for time, rate in rates.items() if time.day == day + 1})
                                        for day in range(len(days))])

    def test_what_is_of_the_same_five_minutes(self):
        """The greatest of one resource counts; resources and what they say under dimensions are added up."""
        other = self.resource(self.owner, "software")
        meter = self.make_meter("p95", event_type=self.meter["event_type"], dimensions=["port"])
        start = self.now - 4 * STEP
        window = {"window": "hour", "from": instant(start), "to": instant(start + 4 * STEP)}
        self.assertEqual(self.values(meter, **window), [None])
        seconds = [start + datetime.timedelta(seconds=each) for each in (0, 10, 299, 300)]
        self.receipt([self.event(f"e-{place}", time=instant(time), data={"value": value, "port": port}, subject=subject)
                      for place, (time, value, port, subject) in enumerate((
                          (seconds[0], "5", "1", self.subscription["id"]), (seconds[1], "7.5", "1", self.subscription["id"]),
                          (seconds[2], "20", "2", self.subscription["id"]), (seconds[3], "1", "1", self.subscription["id"]),
                          (seconds[0], "100", "1", other["id"])))])
        self.assertEqual(self.values(meter, **window), [Fraction("127.5")])
        self.assertEqual(self.values(meter, **window, subject=self.subscription["id"]), [Fraction("27.5")])
        grouped = {(each["subject"], each["dimensions"]["port"]): each["value"]
                   for each in self.usage(meter=meter, **window, group_by="port,subject")["data"]}
        self.assertEqual(grouped, {(self.subscription["id"], "1"): "7.5", (self.subscription["id"], "2"): "20", (other["id"], "1"): "100"})
        self.receipt([self.event("v", type="center.usage.void", data={"id": "e-1"})])
        self.assertEqual(self.values(meter, **window), [Fraction(125)])
        later = self.make_meter("p95", event_type=self.meter["event_type"], dimensions=["port"])
        self.operation(self.platform.post(f"/v1/meters/{later['id']}/back-compute"))
        self.assertEqual(self.values(later, **window), [Fraction(125)])


class Lines(RadiusTest):
    """Lines, by RADIUS accounting and by counters."""

    def rate(self, line, kind="line-p95", minutes=60):
        usage = self.expect(self.owner.get("/v1/usage", query={
            "meter": kind, "subject": line["id"], "window": "hour", "from": instant(HOUR),
            "to": instant(HOUR + datetime.timedelta(minutes=minutes))}), 200)
        self.assertEqual(usage["unit"], "Mb/Second")
        return usage["data"][0]["value"]

    def samples(self, line):
        return [(each["slot"], each["rate"], each["radius"], each["counter"])
                for each in self.owner.all(f"/v1/resources/{line['id']}/samples")]

    def traffic(self, received, sent):
        return {"input_bytes": str(received), "output_bytes": str(sent)}

    def slot(self, place):
        return instant(HOUR + place * FIVE)

    def read(self, *readings):
        return self.expect(self.platform.post("/v1/line-counters", {"readings": [
            {"line": line["broadband"]["login"], "at": (HOUR.replace(microsecond=0) + datetime.timedelta(seconds=seconds)).isoformat(),
             "input_bytes": str(received), "output_bytes": str(sent), **more}
            for line, seconds, received, sent, more in readings]}), 200)

    def reasons(self, receipt):
        return receipt["counted"], [(each["index"], each["reason"]) for each in receipt["not_counted"]]

    def test_accounting_is_spread_over_the_time_since(self):
        line = self.line()
        self.account(line, START, at=0)
        self.account(line, INTERIM, 600, 37500000, at=300)
        self.account(line, INTERIM, 600, 37500000, at=600)  # nothing went, which is a rate of 0
        self.account(line, INTERIM, 1601, 37500000 + 75000000, at=1050)
        self.account(line, INTERIM, 1601, 37500000 + 75000000, at=1050)  # once more
        self.account(line, STOP, 1601, 37500000 + 75000001, at=1080)
        self.assertEqual(self.samples(line), [
            (self.slot(3), "0.666666693333", self.traffic(334, 25000001), None),
            (self.slot(2), "1.333333333333", self.traffic(667, 50000000), None),
            (self.slot(1), "0", self.traffic(0, 0), None),
            (self.slot(0), "1", self.traffic(600, 37500000), None)])
        self.assertEqual(self.rate(line), "1.333333333333")
        self.assertEqual(self.total(line)[:2], (1601, 112500001))
        self.assertEqual(self.rate(line, "line-top5-day-peaks"), "1.333333333333")
        self.assertEqual(self.rate(line, "line-p95-enhanced"), "0")

    def test_a_lost_start_and_a_gap(self):
        line = self.line()
        self.account(line, INTERIM, 3000, 6000, at=600, Acct_Session_Time="600")
        self.assertEqual([each[0] for each in self.samples(line)], [self.slot(1), self.slot(0)])
        other = self.line()
        self.account(other, INTERIM, 3000, 6000, at=600, Acct_Session_Time=str(40 * 86400))
        self.assertEqual(self.samples(other), [])  # nobody knows when it went
        self.assertEqual(self.total(other)[:2], (3000, 6000))
        third = self.line()
        self.account(third, INTERIM, 10 ** 11, 6000, at=600)
        self.account(third, INTERIM, 10 ** 11 + 600, 6000, at=900)
        self.account(third, INTERIM, 10 ** 11 + 700, 6000, at=800)
        self.assertEqual(self.samples(third), [(self.slot(2), "0.000016", self.traffic(600, 0), None)])

    def test_counters_that_are_read(self):
        line, other = self.line(), self.line()
        receipt = self.read((line, 0, 100, 200, {}), (line, 300, 1100, 37500200, {}), (other, 0, 5, 5, {}),
                            (line, 600, 2000, 37500200, {}))
        self.assertEqual(self.reasons(receipt), (2, [(0, "first"), (2, "first")]))
        self.assertEqual(self.samples(line), [(self.slot(1), "0.000024", None, self.traffic(900, 0)),
                                              (self.slot(0), "1", None, self.traffic(1000, 37500000))])
        again = self.read((line, 300, 1100, 37500200, {}), (line, 600, 2000, 37500200, {}))
        self.assertEqual(self.reasons(again), (0, [(0, "not_later"), (1, "not_later")]))
        receipt = self.read((line, 900, 1999, 37500200, {}), (line, 1200, 2299, 37500200, {}),
                            (line, 1500, 2300, 37500201, {"lifetime": "2"}), (line, 3000, 5000, 37500201, {"lifetime": "2"}),
                            (line, 3300, 2 ** 64 - 1, 37500202, {"lifetime": "2"}))
        self.assertEqual(self.reasons(receipt), (2, [(0, "begun_anew"), (2, "begun_anew"), (3, "after_a_gap")]))
        self.assertEqual([each[0] for each in self.samples(line)], [self.slot(10), self.slot(3), self.slot(1), self.slot(0)])
        self.assertEqual(self.rate(line, minutes=45), "1")

    def test_several_counters_and_radius(self):
        """Counters of a line add up; of what RADIUS and counters tell, the most counts."""
        line = self.line()
        self.account(line, START, at=0)
        self.account(line, INTERIM, 0, 75000000, at=300)
        for port in ("a", "b"):
            self.read((line, 0, 0, 0, {"counter": port}), (line, 300, 0, 40000000, {"counter": port}))
        self.assertEqual(self.samples(line), [(self.slot(0), "2.133333333333", self.traffic(0, 75000000), self.traffic(0, 80000000))])
        self.assertEqual(self.rate(line), "2.133333333333")

    def test_who_may_send_and_what(self):
        line = self.line()
        reading = {"line": line["id"], "at": self.slot(0), "input_bytes": "1", "output_bytes": "1"}
        self.expect(self.owner.post("/v1/line-counters", {"readings": [reading]}), 403)
        poller = self.shared.client(self.shared.api_key("operator", scopes=["broadband:sample"])["secret"])
        self.assertEqual(self.reasons(self.expect(poller.post("/v1/line-counters", {"readings": [reading]}), 200)), (0, [(0, "first")]))
        later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        receipt = self.expect(poller.post("/v1/line-counters", {"readings": [
            {**reading, "line": unique("nobody")}, {**reading, "line": "no@body"}, {**reading, "at": instant(later)},
            {**reading, "at": "1971-01-01T00:00:00Z"}, {**reading, "at": "1990-01-01T00:00:00Z"}]}), 200)
        self.assertEqual(self.reasons(receipt), (0, [(0, "line_unknown"), (1, "line_unknown"), (2, "too_far_ahead"),
                                                     (3, "too_old"), (4, "too_old")]))
        for wrong in ({"input_bytes": "-1"}, {"input_bytes": "1" * 21}, {"input_bytes": "1.5"}, {"at": "yesterday"}, {"line": ""}):
            self.expect(poller.post("/v1/line-counters", {"readings": [{**reading, **wrong}]}), 422, "validation_failed")
        _, stranger = self.tenant()
        self.expect(stranger.get(f"/v1/resources/{line['id']}/samples"), 404)

    def test_pages_of_samples(self):
        line = self.line()
        self.read(*((line, place * 300, place * 1000, 0, {}) for place in range(12)))
        found, cursor = [], None
        while True:
            page = self.expect(self.owner.get(f"/v1/resources/{line['id']}/samples", query={
                "limit": "4", "slot[gte]": self.slot(1), "slot[lt]": self.slot(11), **({"cursor": cursor} if cursor else {})}), 200)
            found += [each["slot"] for each in page["data"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        self.assertEqual(found, [self.slot(place) for place in range(10, 0, -1)])


class LateBandwidth(test_billing.MonthTest):
    """What comes late to a settled month is billed as the difference that it makes."""

    settings = {"log_level": "info", "workers": "2"}
    test_two_months = None

    def test_a_late_rate(self):
        before, first = month(2)
        last, _ = month(1)
        peak = self.expect(self.platform.post("/v1/meters", {
            "code": f"p95-{self.meter['code']}", "name": "带宽", "event_type": self.meter["event_type"],
            "aggregation": "p95", "value_property": "calls", "unit": "Mb/Second"}), 201)
        self.offering = self.offer("software", self.charge("bandwidth", peak["code"], model="unit", unit_amount="2"))
        tenant, owner = self.tenant("late")
        resource = self.rent(tenant, at(first, 1, 0))

        def put(identifier, minute, rate):
            time = datetime.datetime.fromisoformat(at(first, 5)) + minute * FIVE
            self.expect(owner.post("/v1/events", [{
                "specversion": "1.0", "id": identifier, "source": "/test", "type": self.meter["event_type"],
                "subject": resource["id"], "time": time.isoformat(), "data": {"calls": str(rate)}}]), 200)

        for place in range(20):
            put(f"e-{place}", place, place)
        self.assertEqual(self.bill(before, finalize=True)["state"], "succeeded")
        line = self.lines(owner, self.invoice(owner, before))["bandwidth", None]
        self.assertEqual((line["quantity"], line["exact_amount"]), ("18", "36"))
        put("late", 20, 100)  # of 21 the second
        put("more", 3, 50)  # in five minutes that had one
        self.assertEqual(self.close(before)["state"], "succeeded")
        self.assertEqual(self.bill(last, finalize=True)["state"], "succeeded")
        lines = self.lines(owner, self.invoice(owner, last))
        self.assertEqual((lines["bandwidth", before]["quantity"], lines["bandwidth", before]["exact_amount"]), ("32", "64"))
        explained = self.expect(owner.get(
            f"/v1/invoices/{self.invoice(owner, before)['id']}/lines/{line['line']}/explanation"), 200)
        self.assertEqual([day["value"] for day in explained["usage"]], ["18"])
        closed = self.close(last)
        self.assertEqual(closed["state"], "succeeded", closed)


if __name__ == "__main__":
    unittest.main()
