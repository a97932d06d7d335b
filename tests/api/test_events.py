"""Events: each counts once, whatever is sent, how often, and by how many at a time."""

import datetime
import json
import threading
import unittest

from harness import ApiTest, unique

ONE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
LINES = "application/x-ndjson"
STEP = datetime.timedelta(minutes=15)


def instant(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


class EventTest(ApiTest):
    """A tenant with an active subscription, and a meter that sums the property "value"."""

    def setUp(self):
        self.tenant_document, self.owner = self.tenant()
        self.subscription = self.resource(self.owner, "software", external_id=unique("crm"))
        self.meter = self.make_meter("sum")
        now = datetime.datetime.now(datetime.timezone.utc)
        self.now = now.replace(minute=0, second=0, microsecond=0)

    def make_meter(self, aggregation, **fields):
        code = unique("meter")
        body = {"code": code, "name": "计量", "event_type": f"test.{code}",
                "aggregation": aggregation, "unit": "X", **fields}
        if aggregation != "count":
            body.setdefault("value_property", "value")
        return self.expect(self.platform.post("/v1/meters", body), 201)

    def event(self, identifier, value="1", **fields):
        return {"specversion": "1.0", "id": identifier, "source": "/test",
                "type": self.meter["event_type"], "subject": self.subscription["id"],
                "time": instant(self.now), "data": {"value": value}, **fields}

    def send(self, events, client=None, content_type=BATCH, **options):
        return (client or self.owner).post("/v1/events", events, content_type=content_type,
                                           **options)

    def receipt(self, events, **options):
        return self.expect(self.send(events, **options), 200)

    def counts(self, receipt):
        return tuple(receipt[name] for name in ("accepted", "duplicates", "conflicts", "rejected"))

    def usage(self, client=None, meter=None, **query):
        query = {"meter": (meter or self.meter)["code"], "window": "month",
                 "from": instant(self.now - datetime.timedelta(days=40)),
                 "to": instant(self.now + 4 * STEP), **query}
        return self.expect((client or self.owner).get("/v1/usage", query=query), 200)

    def total(self, **options):
        """The sum of a meter's windows, in hundredths."""
        values = [window["value"].partition(".") for window in self.usage(**options)["data"]]
        return sum(int(whole) * 100 + int((part + "00")[:2]) for whole, _, part in values)

    def errors(self, answer):
        self.expect(answer, 422, "validation_failed")
        return {error["pointer"]: error["code"] for error in answer.json["errors"]}


class Events(EventTest):
    def test_one_event_is_stored_and_counted(self):
        receipt = self.receipt(self.event("e-1", "12.5"), content_type=ONE)
        self.assertEqual(receipt, {"accepted": 1, "duplicates": 0, "conflicts": 0, "rejected": 0,
                                   "quarantined": 0, "events": []})
        self.assertEqual(self.total(), 1250)
        [stored] = self.owner.all("/v1/events")
        self.assertEqual(stored["resource_id"], self.subscription["id"])
        self.assertEqual(stored["data"], {"value": "12.5"})

    def test_every_form_is_taken(self):
        batch = [self.event("a"), self.event("b", 2)]
        self.assertEqual(self.receipt(batch)["accepted"], 2)
        batch = [self.event("c"), self.event("d", comextension="x")]
        self.assertEqual(self.receipt(batch, content_type="application/json")["accepted"], 2)
        text = "\n".join(json.dumps(self.event(name)) for name in ("e", "f")) + "\n\n"
        self.assertEqual(self.receipt(text.encode(), content_type=LINES)["accepted"], 2)
        self.assertEqual(self.receipt([])["accepted"], 0)
        self.assertEqual(self.total(), 700)
        self.expect(self.send(batch, content_type="text/plain", check=False), 415,
                    "unsupported_media_type")
        self.expect(self.send(batch[0], check=False), 422, "not_a_batch")
        self.expect(self.send(batch, content_type=ONE, check=False), 422, "not_an_event")

    def test_the_same_again_is_a_duplicate(self):
        event = self.event("again", "2.5")
        self.receipt([event])
        other_spelling = {**event, "data": {"value": "2.5"},
                          "time": event["time"].replace("Z", "+00:00")}
        receipt = self.receipt([event, other_spelling, self.event("new")])
        self.assertEqual(self.counts(receipt), (1, 2, 0, 0))
        self.assertEqual([each["state"] for each in receipt["events"]], ["duplicate"] * 2)
        self.assertEqual(self.total(), 350)

    def test_a_batch_that_is_sent_again(self):
        """It is known as a whole, and by its events where it is not the same."""
        batch = [self.event(f"b-{place}", str(place)) for place in range(50)]
        self.assertEqual(self.counts(self.receipt(batch)), (50, 0, 0, 0))
        for _ in range(3):
            receipt = self.receipt(batch[::-1])
            self.assertEqual(self.counts(receipt), (0, 50, 0, 0))
            self.assertEqual({each["digest"] == each["received_digest"] for each in receipt["events"]}, {True})
            self.assertEqual(self.counts(self.receipt([*batch, batch[7], {**batch[8], "data": {"value": "x1"}}], query={"partial": "true"})),
                             (0, 51, 0, 1))
            changed = [*batch[:20], {**batch[20], "data": {"value": "7"}}, *batch[21:]]
            self.assertEqual(self.counts(self.receipt(changed)), (0, 49, 1, 0))
            self.assertEqual(self.counts(self.receipt(batch[1:])), (0, 49, 0, 0))
        self.assertEqual(self.counts(self.receipt([*batch, self.event("new", "1")])), (1, 50, 0, 0))
        self.assertEqual(self.counts(self.receipt([self.event("newer", "1")])), (1, 0, 0, 0))
        self.assertEqual(self.total(), 100 * (sum(range(50)) + 2))

    def test_small_ones_of_many_at_once(self):
        """They are stored together; each is judged by itself."""
        others = []
        for _ in range(3):
            tenant, owner = self.tenant()
            others.append((owner, self.resource(owner, "software", external_id=unique("crm"))))
        others.append((self.owner, self.subscription))
        found = {}

        def run(place, sender):
            client, resource = others[place]
            counts = [0, 0, 0, 0]
            for turn in range(25):
                subject = resource["external_id"] if turn % 2 else resource["id"]
                event = self.event(f"{sender}-{turn}", str(turn), subject=subject)
                batches = [[event], [event], [{**event, "data": {"value": "77"}}],
                           [self.event(f"{sender}-{turn}-{part}", "1", subject=subject) for part in range(3)],
                           [self.event(f"{sender}-{turn}-{part}", "1", subject=subject) for part in range(2, 5)],
                           [self.event(f"shared-{turn}", "3", subject=subject)]]
                for batch in batches:
                    receipt = self.expect(client.post("/v1/events", batch, content_type=BATCH), 200)
                    counts = [old + new for old, new in zip(counts, self.counts(receipt))]
            found[place, sender] = counts

        threads = [threading.Thread(target=run, args=(place, f"s{sender}"))
                   for place in range(len(others)) for sender in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for place, (client, _) in enumerate(others):
            counts = [sum(found[place, f"s{sender}"][each] for sender in range(3)) for each in range(4)]
            self.assertEqual(counts[0], 3 * 25 * 6 + 25)
            self.assertEqual(counts[2], 3 * 25)
            self.assertEqual(sum(counts), 3 * 25 * 10)
            self.assertEqual(self.total(client=client), 100 * (3 * (sum(range(25)) + 25 * 5) + 25 * 3))

    def test_an_external_id_that_went_to_another_resource(self):
        """Workers know what they were told before; what is stored is what holds now."""
        other = self.resource(self.owner, "software")
        name = self.subscription["external_id"]
        for turn in range(4):
            self.receipt([self.event(f"a-{turn}", "1", subject=name)])
        for resource, external in ((self.subscription, None), (other, name)):
            self.expect(self.owner.patch(f"/v1/resources/{resource['id']}", {"external_id": external}, if_match="*"), 200)
        for turn in range(4):
            self.receipt([self.event(f"b-{turn}", "10", subject=name)])
        self.assertEqual((self.total(subject=self.subscription["id"]), self.total(subject=other["id"])), (400, 4000))

    def test_a_meter_that_came_meanwhile(self):
        for turn in range(4):
            self.receipt([self.event(f"a-{turn}", "1")])
        meter = self.make_meter("sum", event_type=self.meter["event_type"])
        for turn in range(4):
            self.receipt([self.event(f"b-{turn}", "10")])
        self.assertEqual((self.total(), self.total(meter=meter)), (4400, 4000))

    def test_other_content_is_a_conflict_with_both_digests(self):
        self.receipt([self.event("twice", "1")])
        receipt = self.receipt([self.event("other"), self.event("twice", "2")])
        self.assertEqual(self.counts(receipt), (1, 0, 1, 0))
        [verdict] = receipt["events"]
        self.assertEqual((verdict["index"], verdict["state"], verdict["reason"]),
                         (1, "conflict", "event_conflict"))
        stored = self.expect(self.owner.get("/v1/events", query={"id": "twice", "state": "accepted"}), 200)["data"]
        self.assertEqual(verdict["digest"], stored[0]["digest"])
        self.assertNotEqual(verdict["digest"], verdict["received_digest"])
        self.assertEqual(self.total(), 200)

    def test_within_a_batch_the_first_counts(self):
        batch = [self.event("k", "1"), self.event("k", "1"), self.event("k", "5")]
        self.assertEqual(self.counts(self.receipt(batch)), (1, 1, 1, 0))
        self.assertEqual(self.counts(self.receipt(batch)), (0, 2, 1, 0))
        self.assertEqual(self.total(), 100)

    def test_both_of_a_batch_are_held_against_what_is_stored(self):
        self.receipt([self.event("k", "5")])
        receipt = self.receipt([self.event("k", "1"), self.event("k", "5"), self.event("new"), self.event("new")])
        self.assertEqual(self.counts(receipt), (1, 2, 1, 0))
        self.assertEqual([(each["index"], each["state"]) for each in receipt["events"]],
                         [(0, "conflict"), (1, "duplicate"), (3, "duplicate")])
        self.assertEqual(self.total(), 600)

    def test_keys_are_of_a_source_and_a_tenant(self):
        _, stranger = self.tenant()
        other = self.resource(stranger, "software")
        self.receipt([self.event("k"), self.event("k", source="/elsewhere")])
        receipt = self.receipt([self.event("k", subject=other["id"])], client=stranger)
        self.assertEqual(self.counts(receipt), (1, 0, 0, 0))
        self.assertEqual(self.total(), 200)
        self.assertEqual(self.total(client=stranger), 100)

    def test_one_invalid_event_refuses_the_batch(self):
        old, ahead = datetime.timedelta(days=500), datetime.timedelta(days=2)
        batch = [
            self.event("good"), self.event("no-time", time="yesterday"),
            self.event("unknown", subject="nobody"), self.event("type", type="no.such"),
            self.event("missing", data={}), self.event("word", "many"),
            self.event("old", time=instant(self.now - old)),
            self.event("ahead", time=instant(self.now + ahead)), 5]
        self.assertEqual(self.errors(self.send(batch, check=False)), {
            "/1/time": "wrong_format", "/2/subject": "event_subject_unknown",
            "/3/type": "event_type_unknown", "/4/data/value": "event_value_missing",
            "/5/data/value": "event_value_not_decimal", "/6/time": "event_too_old",
            "/7/time": "event_too_far_ahead", "/8": "wrong_type"})
        self.assertEqual(self.owner.all("/v1/events", {"state": "accepted"}), [])
        self.assertEqual(self.total(), 0)
        receipt = self.expect(self.send(batch, query={"partial": True}, check=False), 200)
        self.assertEqual(self.counts(receipt), (1, 0, 0, 8))
        self.assertEqual([(each["pointer"], each["reason"]) for each in receipt["events"]][0],
                         ("/1/time", "wrong_format"))
        self.assertEqual(self.total(), 100)

    def test_lines_that_are_no_events_are_named(self):
        text = json.dumps(self.event("a")) + "\n{\n" + json.dumps(self.event("b", 1.5)) + "\n"
        answer = self.send(text.encode(), content_type=LINES)
        self.assertEqual(self.errors(answer),
                         {"/1": "json_malformed", "/2": "number_must_be_string"})
        receipt = self.receipt(text.encode(), content_type=LINES, query={"partial": True})
        self.assertEqual(self.counts(receipt), (1, 0, 0, 2))

    def test_what_is_no_json_is_refused_whole(self):
        for body, code in ((b"[", "json_malformed"), (b'[{"a":1.5}]', "number_must_be_string"),
                           (b'[{"a":"\\u0000"}]', "json_nul"),
                           (b'[{"a":1,"a":1}]', "json_duplicate_name"),
                           (b"[" * 40 + b"]" * 40, "json_too_deep")):
            self.expect(self.send(body, query={"partial": True}, check=False), 400, code)

    def test_batches_are_bounded(self):
        self.expect(self.send([5] * 1001, check=False), 422, "too_many_events")
        self.expect(self.send(b"{}\n" * 10001, content_type=LINES), 422, "too_many_events")
        self.expect(self.send(b" " * (1 << 20) + b"[]", check=False), 413, "body_too_large")

    def test_ten_thousand_lines_count(self):
        text = "\n".join(json.dumps(self.event(f"n{i}", str(i), time=instant(
            self.now - (i % 100) * STEP))) for i in range(10000))
        self.assertEqual(self.receipt(text.encode(), content_type=LINES)["accepted"], 10000)
        self.assertEqual(self.receipt(text.encode(), content_type=LINES)["duplicates"], 10000)
        self.assertEqual(self.total(), 100 * sum(range(10000)))

    def test_a_subject_may_be_an_external_id(self):
        self.receipt([self.event("x", "3", subject=self.subscription["external_id"])])
        data = self.usage(group_by="subject", subject=self.subscription["id"])["data"]
        self.assertEqual([window["subject"] for window in data], [self.subscription["id"]])

    def test_a_foreign_subject_is_as_one_that_is_not_there(self):
        _, stranger = self.tenant()
        foreign = self.errors(self.send([self.event("f")], client=stranger))
        self.assertEqual(foreign, {"/0/subject": "event_subject_unknown"})

    def test_the_operator_says_whose(self):
        batch = [self.event("by-operator")]
        self.expect(self.send(batch, client=self.platform), 422, "tenant_required")
        named = {"tenant": self.tenant_document["id"]}
        receipt = self.receipt(batch, client=self.operator("operator"), query=named)
        self.assertEqual(receipt["accepted"], 1)
        self.assertEqual(len(self.platform.all("/v1/events", named)), 1)
        _, stranger = self.tenant()
        self.expect(stranger.get("/v1/events", query=named), 404, "not_found")
        self.expect(self.send(batch, client=stranger, query=named), 404, "not_found")

    def test_who_may_send_and_see(self):
        for role, sends, sees in (("developer", 200, 200), ("billing", 403, 403),
                                  ("member", 403, 403)):
            client = self.client_of(role, self.tenant_document)
            self.expect(self.send([self.event(f"by-{role}")], client=client), sends)
            self.expect(client.get("/v1/events"), sees)
        scoped = self.client_of("owner", self.tenant_document, scopes=["events:write"])
        self.expect(self.send([self.event("scoped")], client=scoped), 200)
        self.expect(scoped.get("/v1/events"), 403, "forbidden")

    def test_the_list_is_filtered_and_paged(self):
        times = [self.now - STEP * i for i in range(5)]
        self.receipt([self.event(f"p{i}", time=instant(time)) for i, time in enumerate(times)])
        self.receipt([self.event("p9", source="/other")])
        first = self.expect(self.owner.get("/v1/events", query={"limit": 2}), 200)
        self.assertEqual(first["data"][0]["id"], "p9")
        self.assertEqual(len({event["id"] for event in
                              self.owner.all("/v1/events", {"limit": 2})}), 6)
        self.assertEqual(len(self.owner.all("/v1/events", {"source": "/test"})), 5)
        self.assertEqual(len(self.owner.all("/v1/events", {"time[gte]": instant(times[1]),
                                                           "time[lt]": instant(times[0])})), 1)
        self.assertEqual(len(self.owner.all("/v1/events", {
            "subject": self.subscription["external_id"], "type": self.meter["event_type"]})), 6)
        self.expect(self.owner.get("/v1/events", query={"cursor": self.subscription["id"]}), 400,
                    "cursor_invalid")

    def test_bug_0044_a_pointer_ends_before_the_name_that_does_not_fit(self):
        self.meter = self.make_meter("sum", value_property="用" * 100)
        self.assertEqual(self.errors(self.send([self.event("e-1")])),
                         {"/0/data": "event_value_missing"})


class Concurrency(EventTest):
    THREADS, BATCHES, EVENTS = 8, 6, 50

    def test_the_same_batches_at_once_count_once(self):
        batches = [[self.event(f"b{batch}-{i}", "0.25", time=instant(self.now - STEP * (i % 8)))
                    for i in range(self.EVENTS)] for batch in range(self.BATCHES)]
        receipts, failures = [], []

        def work(turn):
            try:
                for place in range(self.BATCHES):
                    batch = batches[(place + turn) % self.BATCHES]
                    batch = batch[::-1] if turn % 2 else batch
                    receipts.append(self.receipt(batch))
            except Exception as failure:  # pylint: disable=broad-exception-caught
                failures.append(failure)

        threads = [threading.Thread(target=work, args=(turn,)) for turn in range(self.THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        distinct = self.BATCHES * self.EVENTS
        self.assertEqual(sum(receipt["accepted"] for receipt in receipts), distinct)
        self.assertEqual(sum(receipt["duplicates"] for receipt in receipts),
                         distinct * (self.THREADS - 1))
        self.assertEqual(sum(receipt["conflicts"] for receipt in receipts), 0)
        self.assertEqual(len(self.owner.all("/v1/events", {"limit": 500})), distinct)
        self.assertEqual(self.total(), 25 * distinct)

    def test_usage_stays_as_it_is_while_it_is_folded(self):
        for turn in range(5):
            self.receipt([self.event(f"t{turn}", "1")])
            self.assertEqual(self.total(), 100 * (turn + 1))
        database = self.database()
        tenant = self.tenant_document["id"]

        def left():
            self.assertEqual(self.total(), 500)
            return database.value("select count(*) = 0 from usage_deltas "
                                  f"where tenant_id = '{tenant}'")

        self.eventually(left, 90)
        self.receipt([self.event("after", "1")])
        self.assertEqual(self.total(), 600)


class OneWorker(EventTest):
    """All that comes meets in it."""

    settings = {"workers": "1"}

    def test_small_ones_wait_for_no_other_tenant(self):
        """One whose events are being counted anew holds up its own."""
        tenant, other = self.tenant()
        theirs = self.resource(other, "software")
        for client, subject in ((self.owner, self.subscription), (other, theirs)):  # names are known from then on
            for turn in range(4):
                self.receipt([self.event(f"first-{turn}", subject=subject["id"])], client=client)
        lock = f"hashtextextended('events {self.tenant_document['id']}', 20261130)"
        holder = threading.Thread(target=self.database().execute, args=(
            f"begin; select pg_advisory_xact_lock({lock}); select pg_sleep(4); commit",))
        held_up = threading.Thread(target=self.receipt, args=([self.event("held-up")],))
        holder.start()
        self.eventually(lambda: self.database().value(
            "select count(*) from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock' and granted"))
        held_up.start()
        for turn in range(20):
            self.receipt([self.event(f"later-{turn}", subject=theirs["id"])], client=other)
        self.assertTrue(held_up.is_alive())
        held_up.join()
        holder.join()
        self.assertEqual((self.total(), self.total(client=other)), (500, 2400))


class Settled(EventTest):
    def test_late_events_count_in_the_next_month_that_is_open(self):
        this = self.now + datetime.timedelta(hours=8)  # as clocks show it in the operator's zone
        late = (this.replace(day=1) - datetime.timedelta(days=1)).replace(day=10, hour=4)
        period = late.strftime("%Y-%m")
        self.receipt([self.event("in-time", "7", time=instant(late))])
        database = self.database()
        # As a final invoice would settle it, for this tenant alone.
        database.execute(f"""
            insert into invoices (tenant_id, id, period, state, number, currency, buyer,
                                  period_starts_at, period_ends_at, time_zone, finalized_at)
            values ('{self.tenant_document["id"]}', 'inv_{unique("x")}', '{period}', 'finalized',
                    '{unique("T")}', 'CNY', '{{}}', now(), now(), 'Asia/Shanghai', now())""")
        self.receipt([self.event("late", "5", time=instant(late))])
        periods = {event["id"]: event["period"] for event in self.owner.all("/v1/events")}
        self.assertEqual(periods, {"in-time": period, "late": this.strftime("%Y-%m")})
        self.assertEqual(self.total(**{"from": instant(late.replace(hour=0)),
                                       "to": instant(late.replace(hour=8))}), 1200)
        rows = database.rows(f"""
            select to_char(min(slot) at time zone 'Asia/Shanghai', 'YYYY-MM') as own_month, sum(total)::text as value
            from usage_all where meter_id = '{self.meter["id"]}' and period = '{this.strftime("%Y-%m")}'""")
        self.assertEqual(rows, [{"own_month": period, "value": "5"}])


if __name__ == "__main__":
    unittest.main()
