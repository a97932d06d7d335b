"""Usage by windows: right in any zone, for every aggregation, as JSON and CSV."""

import csv
import datetime
import io
import unittest

from test_events import STEP, EventTest, instant

UTC = datetime.timezone.utc


def clocks_change(month, before):
    """The latest Sunday before then on which Europe's clocks changed in that month."""
    for year in (before.year, before.year - 1):
        day = datetime.date(year, month, 31)
        day -= datetime.timedelta(days=(day.weekday() + 1) % 7)
        if day < before:
            break
    return datetime.datetime.combine(day, datetime.time(), UTC)


class Usage(EventTest):
    def put(self, *pairs, meter=None):
        """Stores events of (time, value)."""
        kind = (meter or self.meter)["event_type"]
        receipt = self.receipt([
            self.event(f"{kind}-{time.timestamp()}-{place}", value, time=instant(time), type=kind)
            for place, (time, value) in enumerate(pairs)])
        self.assertEqual(receipt["accepted"], len(pairs))

    def windows(self, first, last, **query):
        usage = self.usage(**{"from": instant(first), "to": instant(last), **query})
        return [(window["from"], window["to"], window["value"]) for window in usage["data"]]

    def refused(self, code, **query):
        query = {"meter": self.meter["code"], "from": instant(self.now - 4 * STEP),
                 "to": instant(self.now), **query}
        answer = self.owner.get("/v1/usage", query=query)
        self.expect(answer, 400, "invalid_parameter")
        self.assertEqual(answer.json["errors"][0]["code"], code)

    def test_windows_are_half_open(self):
        start = self.now - datetime.timedelta(hours=6)
        hour = 4 * STEP
        self.put((start, "1"), (start + hour - datetime.timedelta(seconds=1), "2"),
                 (start + hour, "4.50"))
        self.assertEqual(self.windows(start, start + 3 * hour, window="hour"), [
            (instant(start), instant(start + hour), "3"),
            (instant(start + hour), instant(start + 2 * hour), "4.5"),
            (instant(start + 2 * hour), instant(start + 3 * hour), "0")])
        self.assertEqual(self.windows(start + STEP, start + hour + STEP, window="hour"), [
            (instant(start + STEP), instant(start + hour), "2"),
            (instant(start + hour), instant(start + hour + STEP), "4.5")])

    def test_days_are_those_of_the_zone(self):
        day = (self.now - datetime.timedelta(days=3)).replace(hour=0)
        self.put((day + 15 * 4 * STEP + 3 * STEP, "1"), (day + 16 * 4 * STEP, "2"))
        begin, end = day - 8 * 4 * STEP, day + 40 * 4 * STEP
        self.assertEqual(self.windows(begin, end, window="day"), [
            (instant(begin), instant(day + 64 * STEP), "1"),
            (instant(day + 64 * STEP), instant(end), "2")])
        usage = self.usage(window="day", **{"from": instant(begin), "to": instant(end)})
        self.assertEqual((usage["time_zone"], usage["unit"]), ("Asia/Shanghai", "X"))
        self.assertEqual([value for _, _, value in self.windows(
            day, day + 96 * STEP, window="day", time_zone="UTC")], ["3"])

    def test_hours_of_a_zone_off_by_three_quarters(self):
        start = self.now - 12 * STEP
        self.put((start, "1"), (start + STEP, "2"))
        self.assertEqual([value for _, _, value in self.windows(
            start, start + 2 * STEP, window="hour", time_zone="Asia/Kathmandu")], ["1", "2"])

    def test_days_when_clocks_change(self):
        for month, hours, offset in ((10, 25, 2), (3, 23, 1)):
            sunday = clocks_change(month, self.now.date() - datetime.timedelta(days=2))
            start = sunday - datetime.timedelta(hours=offset)
            end = start + datetime.timedelta(hours=hours)
            self.put((start, "1"), (end - STEP, "2"), (end, "4"))
            self.assertEqual(self.windows(start, end, window="day", time_zone="Europe/Berlin"),
                             [(instant(start), instant(end), "3")])
            by_hour = self.windows(start, end, window="hour", time_zone="Europe/Berlin")
            self.assertEqual(len(by_hour), hours)
            self.assertEqual((by_hour[0][2], by_hour[-1][2]), ("1", "2"))

    def test_every_aggregation(self):
        start = self.now - 16 * STEP
        pairs = [(start, "5"), (start + STEP, "2.5"), (start + STEP, "9"), (start + 2 * STEP, "3")]
        expected = {"sum": "19.5", "count": "4", "max": "9", "latest": "3"}
        for aggregation, value in expected.items():
            meter = self.make_meter(aggregation)
            self.put(*pairs, meter=meter)
            usage = self.usage(meter=meter, window="hour", **{
                "from": instant(start), "to": instant(start + 12 * STEP)})
            empty = None if aggregation in ("max", "latest") else "0"
            self.assertEqual([window["value"] for window in usage["data"]], [value, empty, empty])

    def test_subjects_apart(self):
        other = self.resource(self.owner, "software")
        self.put((self.now - STEP, "1"))
        self.receipt([self.event("o", "2", subject=other["id"])])
        data = self.usage(group_by="subject")["data"]
        self.assertEqual({window["subject"]: window["value"] for window in data},
                         {self.subscription["id"]: "1", other["id"]: "2"})
        self.assertEqual(self.total(subject=other["id"]), 200)
        self.assertEqual(self.total(subject="nobody"), 0)

    def test_tenants_apart(self):
        stranger_tenant, stranger = self.tenant()
        self.put((self.now - STEP, "1"))
        self.assertEqual(self.total(client=stranger), 0)
        self.assertEqual(self.total(client=stranger, subject=self.subscription["id"]), 0)
        named = {"tenant": self.tenant_document["id"]}
        query = {"meter": self.meter["code"], "from": instant(self.now - STEP),
                 "to": instant(self.now), **named}
        self.expect(stranger.get("/v1/usage", query=query), 404, "not_found")
        self.assertEqual(self.total(client=self.platform, **named), 100)
        self.assertEqual(self.total(client=self.platform, tenant=stranger_tenant["id"]), 0)
        self.assertEqual(self.total(client=self.platform), 100)

    def test_as_csv(self):
        self.put((self.now - 4 * STEP, "1.5"))
        answer = self.owner.get("/v1/usage", headers={"Accept": "text/csv"}, query={
            "meter": self.meter["id"], "window": "hour", "from": instant(self.now - 8 * STEP),
            "to": instant(self.now)})
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.header("Content-Type").startswith("text/csv"))
        rows = list(csv.reader(io.StringIO(answer.body.decode(), newline="")))
        self.assertEqual(rows[0], ["from", "to", "subject", "value"])
        self.assertEqual(rows[1:], [
            [instant(self.now - 8 * STEP), instant(self.now - 4 * STEP), "", "0"],
            [instant(self.now - 4 * STEP), instant(self.now), "", "1.5"]])

    def test_days_of_seats(self):
        """Five seats since some days ago, as far back as the month goes in the operator's zone."""
        local = self.now + datetime.timedelta(hours=8)
        days = min(local.day, 4)
        start = self.now - datetime.timedelta(days=days - 1)
        body = {"effective_at": instant(start)}
        seats = self.request_resource(self.platform, "software",
                                      tenant=self.tenant_document["id"], **body)
        for action in ("approve", "provision", "activate"):
            self.act(seats, action, body)
        query = {"meter": {"code": "seat-days"}, "subject": seats["id"]}
        windows = self.usage(window="day", **query)["data"]
        self.assertEqual([window["value"] for window in windows][-days:], ["5"] * days)
        self.assertEqual({window["value"] for window in windows[:-days]}, {"0"})
        grouped = self.usage(window="month", group_by="subject", **query)["data"]
        self.assertEqual([(window["subject"], window["value"]) for window in grouped],
                         [(seats["id"], str(5 * days))])
        self.refused("not_supported", meter="seat-days", window="hour")

    def test_what_cannot_be_answered_is_refused(self):
        self.refused("meter_unknown", meter="no-such-meter")
        self.refused("not_aligned", **{"from": instant(self.now - STEP + STEP / 2)})
        self.refused("not_aligned", to=instant(self.now + STEP / 2))
        self.refused("not_after", to=instant(self.now - 4 * STEP))
        self.refused("too_many_windows", window="hour",
                     **{"from": instant(self.now - datetime.timedelta(hours=1001))})
        self.windows(self.now - datetime.timedelta(hours=1000), self.now, window="hour")
        self.expect(self.owner.get("/v1/usage", query={"meter": self.meter["code"]}), 400,
                    "invalid_parameter")


if __name__ == "__main__":
    unittest.main()
