"""Levels that are held over time: what a series comes to in every window, against a plain integration."""

import concurrent.futures
import contextlib
import datetime
import os
import random
import threading
import unittest
from fractions import Fraction
from zoneinfo import ZoneInfo

import test_billing
from harness import unique
from test_billing import at, month
from test_events import STEP, EventTest, instant

UTC = datetime.timezone.utc
VOID = "center.usage.void"
MICROSECOND = datetime.timedelta(microseconds=1)


def held(levels, begins, ends):
    """Level times seconds between two instants, of [(time, level)]; of several at one instant the greatest holds."""
    greatest = {}
    for time, level in levels:
        greatest[time] = max(level, greatest.get(time, level))
    times = sorted(greatest)
    total = Fraction(0)
    for time, until in zip(times, times[1:] + [ends]):
        span = min(until, ends) - max(time, begins)
        if span > datetime.timedelta(0):
            total += greatest[time] * Fraction(span // MICROSECOND, 10 ** 6)
    return total


def put_back(database, meter, time):
    """As it was when the only level of the meter's only series came, at that time, before the running month."""
    database.execute(f"""
        delete from usage_deltas where meter_id = '{meter["id"]}';
        delete from usage_slots where meter_id = '{meter["id"]}';
        delete from usage_spans where meter_id = '{meter["id"]}';
        update level_series set counted_to = '{time}' where meter_id = '{meter["id"]}'""")


class LevelTest(EventTest):
    def setUp(self):
        super().setUp()
        self.now -= 4 * STEP  # all quarter hours after it are over
        self.meter = self.make_meter("time_weighted")

    def level(self, identifier, time, level, **fields):
        return self.event(identifier, time=time.isoformat(), **{"data": {"value": level}, **fields})

    def run_job(self, kind):
        self.database().execute(f"update operations set not_before = now() where kind = '{kind}' and state = 'queued'")

    def fold(self):
        self.run_job("fold_usage")
        self.eventually(lambda: self.database().value("select count(*) from usage_deltas") == 0)

    def windows(self, begins, ends, **query):
        """Of each window its ends and its value."""
        found = self.usage(**{"from": instant(begins), "to": instant(ends), **query})["data"]
        return [(datetime.datetime.fromisoformat(each["from"]), datetime.datetime.fromisoformat(each["to"]), Fraction(each["value"]))
                for each in found]


class Levels(LevelTest):
    def test_a_level_holds_until_the_next_one(self):
        self.receipt([self.level("a", self.now - 8 * STEP, "10"), self.level("b", self.now - 3 * STEP, 4),
                      self.level("c", self.now, "0")])
        total = 10 * 5 * 900 + 4 * 3 * 900
        self.assertEqual(self.total(), total * 100)
        self.fold()
        self.assertEqual(self.total(), total * 100)

    def test_what_is_held_now_counts_until_now(self):
        hours = self.make_meter("time_weighted", divide_by="3600", event_type=self.meter["event_type"])
        began = datetime.datetime.now(UTC) - datetime.timedelta(hours=2)
        self.receipt([self.level("a", began, "3600")])
        for _ in range(2):
            before = datetime.datetime.now(UTC)
            value = sum(Fraction(each["value"]) for each in self.usage(meter=hours, to=instant(self.now + 16 * STEP))["data"])
            after = datetime.datetime.now(UTC)
            second = datetime.timedelta(seconds=1)
            self.assertLessEqual((before - began) // second - 1, value)
            self.assertLessEqual(value, (after - began) // second + 1)

    def test_of_several_at_one_instant_the_greatest_holds(self):
        at_once = self.now - 4 * STEP
        self.receipt([self.level("a", at_once, "2"), self.level("b", at_once, "7"), self.level("end", self.now, "0")])
        self.receipt([self.level("c", at_once, "5")])
        self.assertEqual(self.total(), 7 * 3600 * 100)
        self.receipt([self.event("v", type=VOID, data={"id": "b"})])
        self.assertEqual(self.total(), 5 * 3600 * 100)

    def test_bug_0111_levels_of_one_quarter_hour_that_are_voided_leave_no_group(self):
        self.receipt([self.level("a", self.now - 4 * STEP, "2"), self.level("b", self.now - 4 * STEP + STEP / 3, "7"),
                      self.level("c", self.now - 4 * STEP + STEP / 2, "3")])
        for each in "cba":
            self.receipt([self.event(f"v{each}", type=VOID, data={"id": each})])
        self.assertEqual(self.usage(**{"from": instant(self.now - 8 * STEP), "to": instant(self.now), "group_by": "subject"})["data"], [])

    def test_series_are_of_a_resource_and_dimensions(self):
        meter = self.make_meter("time_weighted", event_type=self.meter["event_type"], dimensions=["region"])
        other = self.resource(self.owner, "software")
        hour = self.now - 4 * STEP
        self.receipt([
            self.level("a", hour, None, data={"value": "1", "region": "cn"}), self.level("b", hour, None, data={"value": "2"}),
            self.level("c", hour + STEP, None, data={"value": "4", "region": "hk"}),
            self.level("d", hour + 2 * STEP, None, data={"value": "8", "region": "cn"}),
            self.level("e", hour, "16", subject=other["id"])]
            + [self.level(f"end-{place}", self.now, None, data={"value": "0", **said}, **fields) for place, (said, fields) in enumerate((
                ({"region": "cn"}, {}), ({"region": "hk"}, {}), ({}, {}), ({}, {"subject": other["id"]})))])
        query = {"window": "day", "from": instant(hour - 96 * STEP), "to": instant(self.now + STEP)}

        def grouped(**more):
            sums = {}
            for each in self.usage(meter=meter, **query, **more)["data"]:
                key = (each.get("subject") == other["id"], each["dimensions"]["region"])
                sums[key] = sums.get(key, 0) + Fraction(each["value"])
            return sums

        self.assertEqual(grouped(group_by="subject,region"), {
            (False, "cn"): 1800 + 8 * 1800, (False, "hk"): 4 * 2700, (False, None): 2 * 3600, (True, None): 16 * 3600})
        self.assertEqual(grouped(group_by="region", subject=self.subscription["id"], filter='{"region": ["cn"]}'), {(False, "cn"): 16200})

    def check(self, levels, begins, ends):
        for window, zone in (("hour", "UTC"), ("day", "Asia/Shanghai"), ("day", "Asia/Kathmandu"), ("month", "America/New_York")):
            first = begins if window != "hour" else ends - datetime.timedelta(days=40)
            first = first.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
            for starts_at, ends_at, value in self.windows(first, ends, window=window, time_zone=zone):
                self.assertEqual(value, held(levels, starts_at, min(ends_at, ends)), (window, zone, starts_at))

    def test_any_order_late_and_voided(self):
        """In random order, in batches, with voids between; folded or not, and with months counted up to their end."""
        seed = random.randrange(1 << 32)
        print(f"LEVELS_SEED={seed}", flush=True)
        dice = random.Random(int(os.environ.get("LEVELS_SEED", seed)))
        begins, ends = self.now - datetime.timedelta(days=70), self.now
        said = {"end": (ends, 0)}
        for place in range(150):
            span = dice.choice((600, 86400, 70 * 86400))
            time = ends - datetime.timedelta(microseconds=dice.randrange(1, span * 10 ** 6))
            said[f"{place}"] = (time, Fraction(dice.randrange(0, 10 ** 6), 100))
            if dice.random() < 0.1:
                said[f"{place}-again"] = (time, Fraction(dice.randrange(0, 10 ** 6), 100))
            if dice.random() < 0.1:
                said[f"{place}-whole"] = (time - (time - begins) % STEP, Fraction(place))
        order, sent = list(said), {}
        dice.shuffle(order)
        while order:
            now = order[:dice.choice((1, 5, 40))]
            order = order[len(now):]
            self.receipt([self.level(name, said[name][0], f"{float(said[name][1]):.2f}") for name in now])
            sent.update({name: said[name] for name in now})
            victims = [name for name in dice.sample(sorted(sent), min(len(sent), dice.choice((0, 0, 1, 3)))) if name != "end"]
            if victims:
                self.receipt([self.event(f"void-{name}", type=VOID, data={"id": name}) for name in victims])
                for name in victims:
                    del sent[name]
            if dice.random() < 0.2:
                self.fold()
            if dice.random() < 0.2 and "end" in sent:
                self.check(list(sent.values()), begins, ends)
        self.run_job("keep_events")
        self.check(list(sent.values()), begins, ends)
        self.fold()
        self.check(list(sent.values()), begins, ends)
        later = self.make_meter("time_weighted", event_type=self.meter["event_type"])
        answer = self.platform.post(f"/v1/meters/{later['id']}/back-compute")
        self.expect(answer, 202)
        self.assertEqual(self.operation(answer)["state"], "succeeded")
        self.meter = later
        self.check(list(sent.values()), begins, ends)

    def test_months_are_counted_when_they_are_over(self):
        began = month(1)[1] + datetime.timedelta(days=3, minutes=10)
        self.receipt([self.level("a", began, "2")])
        query = {"from": instant(began.astimezone(UTC) - datetime.timedelta(minutes=10)), "to": instant(month(0)[1].astimezone(UTC))}
        before = self.usage(**query)["data"]
        put_back(self.database(), self.meter, began.isoformat())
        self.assertEqual(self.usage(**query)["data"], before)
        self.run_job("keep_events")
        counted = f"select count(*) from level_series where meter_id = '{self.meter['id']}' and counted_to = '{month(0)[1].isoformat()}'"
        self.eventually(lambda: self.database().value(counted) == 1)
        self.assertEqual(self.usage(**query)["data"], before)

    def test_many_at_once(self):
        levels = [(self.now - datetime.timedelta(minutes=place * 7), Fraction(place % 13)) for place in range(160)]
        levels[0] = (self.now, Fraction(0))
        problems = []

        def send(sender):
            try:
                for place in range(sender, len(levels), 8):
                    time, level = levels[place]
                    self.receipt([self.level(f"{place}", time, str(level))])
            except BaseException as problem:
                problems.append(problem)
                raise

        threads = [threading.Thread(target=send, args=(sender,)) for sender in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(problems, [])
        self.check(levels, levels[-1][0], self.now)

    def test_a_terminated_resource_holds_nothing(self):
        began = datetime.datetime.now(UTC).replace(microsecond=0) - datetime.timedelta(hours=6)
        resource = self.resource(self.platform, "software", tenant=self.tenant_document["id"], effective_at=instant(began))
        self.receipt([self.level("a", began, "2", subject=resource["id"]),
                      self.level("b", began + datetime.timedelta(hours=3), "5", subject=resource["id"])])
        ended = began + datetime.timedelta(hours=2)
        if test_billing.month(0)[1] > ended:
            ended = began  # what is before the running month may be settled
        self.act(resource, "terminate", {"effective_at": instant(ended)})
        expected = 2 * ((ended - began) // datetime.timedelta(seconds=1))
        self.assertEqual(self.total(), expected * 100)
        self.receipt([self.level("c", ended - datetime.timedelta(minutes=30), "1", subject=resource["id"]),
                      self.level("d", ended + datetime.timedelta(minutes=30), "9", subject=resource["id"])])
        if ended > began:
            expected -= 1800
        self.assertEqual(self.total(), expected * 100)

    def ended(self, hours=3):
        """A resource that was active since four hours ago, level 2 from then on, and was terminated so many hours later."""
        hour = datetime.timedelta(hours=1)
        began = max(datetime.datetime.now(UTC).replace(microsecond=0) - 4 * hour, test_billing.month(0)[1].astimezone(UTC))
        unit = (datetime.datetime.now(UTC) - began) / 4  # an hour, but in the first four of a month
        resource = self.resource(self.platform, "software", tenant=self.tenant_document["id"], effective_at=instant(began))
        times = [began + datetime.timedelta(seconds=unit * place // datetime.timedelta(seconds=1)) for place in range(5)]
        self.receipt([self.level("a", times[0], "2", subject=resource["id"])])
        self.act(resource, "terminate", {"effective_at": instant(times[hours])})
        return resource, times

    def seconds(self, times, *levels):
        """Of (level, from, to), by places of times; in hundredths."""
        return 100 * sum(level * ((times[to] - times[begins]) // datetime.timedelta(seconds=1)) for level, begins, to in levels)

    def test_bug_0112_what_comes_after_a_resource_ended_is_the_difference(self):
        resource, times = self.ended()
        self.assertEqual(self.total(), self.seconds(times, (2, 0, 3)))
        self.receipt([self.level("late", times[2], "3", subject=resource["id"])])
        self.assertEqual(self.total(), self.seconds(times, (2, 0, 2), (3, 2, 3)))
        self.receipt([self.level("after", times[4] - MICROSECOND, "0", subject=resource["id"])])
        self.assertEqual(self.total(), self.seconds(times, (2, 0, 2), (3, 2, 3)))
        self.receipt([self.event("v", type=VOID, data={"id": "a"}, subject=resource["id"])])
        self.assertEqual(self.total(), self.seconds(times, (3, 2, 3)))
        self.receipt([self.event("w", type=VOID, data={"id": "late"}, subject=resource["id"])])
        self.assertEqual(self.total(), 0)

    def test_bug_0113_the_first_level_may_come_after_the_resource_ended(self):
        resource, times = self.ended()
        later = self.make_meter("time_weighted", event_type=self.meter["event_type"], dimensions=["region"])
        self.receipt([self.level("b", times[1], None, subject=resource["id"], data={"value": "5", "region": "cn"})])
        self.assertEqual(self.total(meter=later), self.seconds(times, (5, 1, 3)))
        answer = self.platform.post(f"/v1/meters/{later['id']}/back-compute")
        self.expect(answer, 202)
        self.assertEqual(self.operation(answer)["state"], "succeeded")
        self.assertEqual(self.total(meter=later), self.seconds(times, (2, 0, 3), (5, 1, 3)))

    def test_bug_0114_a_series_that_was_empty_is_counted_up_to_the_running_month(self):
        last = month(1)[1] + datetime.timedelta(days=3)
        self.receipt([self.level("a", last + datetime.timedelta(days=9), "2")])
        self.receipt([self.event("v", type=VOID, data={"id": "a"})])
        self.database().execute(f"""
            update level_series set counted_to = '{(last + datetime.timedelta(days=9)).isoformat()}'
            where meter_id = '{self.meter["id"]}'""")  # as it was before the running month began
        self.receipt([self.level("b", last, "1")])
        self.assertEqual(self.database().value(f"""
            select count(*) from level_series where meter_id = '{self.meter["id"]}' and counted_to < running_month()"""), 0)

    def test_bug_0130_many_series_of_a_resource_are_found_one_by_one(self):
        meter = self.make_meter("time_weighted", event_type=self.meter["event_type"], dimensions=["region"])
        read = "select idx_tup_fetch + seq_tup_read from pg_stat_user_tables where relname = 'level_series'"

        def send(turn):
            self.receipt([self.level(f"{turn}-{n}", self.now, None, data={"value": "1", "region": f"{turn}-{n}"}) for n in range(1000)])
            self.database().execute("select pg_stat_force_next_flush()")
            self.eventually(lambda: self.database().value("select n_tup_ins from pg_stat_user_tables where relname = 'level_series'")
                            >= 1000 * (turn + 1))
            return self.database().value(read)

        before = send(0)
        self.assertLess(send(1) - before, 100 * 1000)

    @contextlib.contextmanager
    def holding(self, lock):
        """Another transaction holds a lock meanwhile."""
        asleep = "from pg_stat_activity where wait_event = 'PgSleep'"
        holder = threading.Thread(target=self.database().script, args=(f"begin; select {lock}; select pg_sleep(60)", False))
        holder.start()
        try:
            self.eventually(lambda: self.database().value(f"select count(*) {asleep}") == 1)
            yield
        finally:
            self.database().execute(f"select pg_terminate_backend(pid) {asleep}")
            holder.join()

    def waiting(self, call):
        """What a call answers, and whether it was seen to wait for a lock until then."""
        seen = False
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(call)
            while not answer.done():
                seen = seen or self.database().value("select count(*) from pg_locks where not granted") > 0
            return answer.result(), seen

    def test_bug_0131_who_holds_a_month_waits_for_no_earlier_one(self):
        began = month(1)[1] + datetime.timedelta(days=3)
        self.receipt([self.level("a", began, "2")])
        put_back(self.database(), self.meter, began.isoformat())
        with self.holding(f"lock_period_exclusive('{month(1)[0]}')"):
            answer, waited = self.waiting(lambda: self.send([self.level("b", self.now, "0")]))
            self.expect(answer, 503, "overloaded")
            self.assertFalse(waited)
        self.receipt([self.level("b", self.now, "0")])
        self.check([(began, Fraction(2)), (self.now, Fraction(0))], began, self.now)

    def test_bug_0132_what_ends_waits_for_a_meter_that_is_being_made(self):
        resource = self.resource(self.platform, "software", tenant=self.tenant_document["id"])

        def terminate():
            self.act(resource, "terminate")
            return self.database().value("select count(*) from pg_stat_activity where query like '%for attempt in%' "
                                         "and pid <> pg_backend_pid()")

        self.assertEqual(self.behind("select lock_meters_exclusive()", "resource_act", terminate), [0])

    def test_bug_0115_what_is_computed_back_is_not_forgotten_meanwhile(self):
        long_ago = self.now - datetime.timedelta(days=395)
        self.receipt([self.level("a", long_ago, "1"), self.level("b", long_ago + STEP, "2"), self.level("c", self.now, "0")])
        self.database().execute(f"""
            insert into back_computations (meter_id, operation_id)
            select '{self.meter["id"]}', o.id from operations o limit 1""")
        forget = "select forget_levels(now() - interval '394 days', 100) from set_config('role', 'bccd_jobs', true)"
        self.assertEqual(self.database().value(forget), 0)
        self.database().execute(f"delete from back_computations where meter_id = '{self.meter['id']}'")
        self.assertEqual(self.database().value(forget), 1)

    def test_what_is_replaced_is_forgotten_and_stays_counted(self):
        long_ago = self.now - datetime.timedelta(days=395)
        self.receipt([self.level("a", long_ago, "1"), self.level("b", long_ago + STEP, "2"), self.level("c", self.now, "0")])
        query = {"from": instant(long_ago - 96 * STEP), "window": "month"}
        before = self.usage(**query)["data"]
        left = self.database().value(f"select forget_levels(now() - interval '394 days', 100) from set_config('role', 'bccd_jobs', true)")
        self.assertEqual(left, 1)
        self.assertEqual(self.usage(**query)["data"], before)


class BilledTest(test_billing.MonthTest):
    test_two_months = None

    def event(self, resource, identifier, time, level, **fields):
        return {"specversion": "1.0", "id": identifier, "source": "/test", "type": self.held["event_type"],
                "subject": resource["id"], "time": time, "data": {"gigabytes": level}, **fields}

    def send(self, owner, *events):
        self.assertEqual(self.expect(owner.post("/v1/events", list(events)), 200)["accepted"], len(events))

    def setUp(self):
        super().setUp()
        self.held = self.expect(self.platform.post("/v1/meters", {
            "code": f"held-{self.meter['code']}", "name": "存储", "event_type": f"{self.meter['event_type']}.held",
            "aggregation": "time_weighted", "value_property": "gigabytes", "unit": "GB-Hours", "divide_by": "3600"}), 201)
        self.offering = self.offer("software", self.charge("storage", self.held["code"], model="unit", unit_amount="0.01"))


class PlansOfLevels(BilledTest):
    settings = {"log_level": "warning", "workers": "1"}

    def test_a_plan_that_changes_while_a_level_is_held(self):
        """Each plan has what was held from the quarter hour in which it began; and the close compares both."""
        period, first = month(1)
        tenant, owner = self.tenant("changing")
        plan = self.expect(self.platform.post("/v1/plans", {
            "offering_id": self.offering["offering"]["id"], "code": unique("plan"), "name": "大",
            "charges": [self.charge("storage", self.held["code"], model="unit", unit_amount="0.02")]}), 201)
        self.expect(self.platform.post(f"/v1/plans/{plan['id']}/publish"), 200)
        resource = self.rent(tenant, at(first, 1, 0))
        self.act(resource, "change", {"plan_id": plan["id"],
                                      "effective_at": (first + datetime.timedelta(days=9, hours=1, minutes=7)).isoformat()})
        self.send(owner, self.event(resource, "a", at(first, 2, 0), "10"))
        hours = (test_billing.month(0)[1] - first) // datetime.timedelta(hours=1)

        def check(lines):
            self.assertEqual([line["quantity"] for line in lines],
                             [str(10 * (8 * 24 + 1)), str(10 * (hours - 9 * 24 - 1))])

        preview = self.expect(owner.post("/v1/invoices/preview", {"period": period}), 200)
        check(preview["lines"])
        put_back(self.database(), self.held, at(first, 2, 0))  # counted by the run
        check(self.expect(owner.post("/v1/invoices/preview", {"period": period}), 200)["lines"])
        self.assertEqual(self.bill(period, finalize=True)["state"], "succeeded")
        invoice = self.invoice(owner, period)
        check(self.expect(owner.get(f"/v1/invoices/{invoice['id']}/lines"), 200)["data"])
        closed = self.close(period)
        self.assertEqual(closed["state"], "succeeded", closed)
        now = self.expect(owner.post("/v1/invoices/preview", {"period": month(0)[0]}), 200)
        held = (datetime.datetime.now(UTC) - month(0)[1]) / datetime.timedelta(hours=1)
        [line] = now["lines"]
        self.assertAlmostEqual(float(line["quantity"]), 10 * held, delta=0.5)


class LevelsBilled(BilledTest):
    """What is held is billed for the month; what comes late, is voided or was held on is the next one's."""

    settings = {"log_level": "info", "workers": "1"}

    def test_a_month_that_is_settled_when_it_is_over(self):
        """What was held when the month ended is billed in it, and not once more with the next level."""
        period, first = month(3)
        tenant, owner = self.tenant("held-on")
        resource = self.rent(tenant, at(first, 1, 0))
        self.send(owner, self.event(resource, "a", at(first, 5, 0), "10"))
        put_back(self.database(), self.held, at(first, 5, 0))
        self.assertEqual(self.bill(period, finalize=True)["state"], "succeeded")
        self.assertEqual(self.close(period)["state"], "succeeded")
        hours = (month(2)[1] - first) // datetime.timedelta(hours=1) - 4 * 24
        self.assertEqual(self.lines(owner, self.invoice(owner, period))["storage", None]["quantity"], str(10 * hours))
        self.send(owner, self.event(resource, "b", at(month(2)[1], 5, 0), "0"))
        preview = self.expect(owner.post("/v1/invoices/preview", {"period": month(2)[0]}), 200)
        self.assertEqual([(line["quantity"], line["correction_of"]) for line in preview["lines"]], [("960", None)])

    def test_months_of_a_level(self):
        before, first = month(2)
        last, first_last = month(1)
        tenant, owner = self.tenant("held")
        resource = self.rent(tenant, at(first, 1, 0))
        hours = (first_last - first) // datetime.timedelta(hours=1)
        hours_last = (test_billing.month(0)[1] - first_last) // datetime.timedelta(hours=1)
        self.send(owner, self.event(resource, "a", at(first, 5, 0), "120"))
        self.assertEqual(self.bill(before, finalize=True)["state"], "succeeded")
        line = self.lines(owner, self.invoice(owner, before))["storage", None]
        self.assertEqual(line["quantity"], str(120 * (hours - 4 * 24)))

        # Late in the month that is billed, from a day on, and a void of what was billed.
        self.send(owner, self.event(resource, "late", at(first, 10, 0), "20"))
        preview = self.expect(owner.post("/v1/invoices/preview", {"period": last}), 200)
        found = {(each["charge_code"], each["correction_of"]): each["quantity"] for each in preview["lines"]}
        self.assertEqual(found, {("storage", None): str(20 * hours_last), ("storage", before): str(-100 * (hours - 9 * 24))})
        self.assertEqual(self.close(before)["state"], "succeeded")
        self.send(owner, self.event(resource, "v", at(first_last, 3, 0), "0", type=VOID, data={"id": "a"}))
        self.assertEqual(self.bill(last, finalize=True)["state"], "succeeded")
        invoice = self.invoice(owner, last)
        lines = self.lines(owner, invoice)
        self.assertEqual(lines["storage", None]["quantity"], str(20 * hours_last))
        self.assertEqual(lines["storage", before]["quantity"], str(-100 * (hours - 9 * 24) - 120 * 5 * 24))
        explained = self.expect(owner.get(f"/v1/invoices/{invoice['id']}/lines/{lines['storage', None]['line']}/explanation"), 200)
        self.assertEqual([day["value"] for day in explained["usage"]], ["480"] * (hours_last // 24))
        closed = self.close(last)
        self.assertEqual(closed["state"], "succeeded", closed)

        # Both are closed; what comes now is the running month's.
        current, _ = month(0)
        self.send(owner, self.event(resource, "later", at(first_last, 10, 0), "50"))
        preview = self.expect(owner.post("/v1/invoices/preview", {"period": current}), 200)
        found = {each["correction_of"]: each["quantity"] for each in preview["lines"] if each["correction_of"]}
        self.assertEqual(found, {last: str(30 * (hours_last - 9 * 24))})


if __name__ == "__main__":
    unittest.main()
