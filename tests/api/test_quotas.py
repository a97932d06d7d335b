"""Quotas and reservations: thresholds told once, hard limits that nobody passes, whoever sends at the same time."""

import datetime
import threading
import unittest

from harness import unique
from test_events import STEP, EventTest, instant
from test_radius import INTERIM, START, RadiusTest

VOID = "center.usage.void"
SHANGHAI = datetime.timezone(datetime.timedelta(hours=8))


def watch(test):
    """Has the job run, and waits until it did."""
    queued = "from operations where kind = 'watch_quotas' and state = 'queued'"
    test.eventually(lambda: test.database().value(f"select count(*) {queued}") == 1)
    test.database().execute(f"update operations set not_before = now() - interval '1 hour' where id = (select id {queued})")
    test.eventually(lambda: test.database().value(f"select count(*) {queued} and not_before > now()") == 1)


class QuotaTest(EventTest):
    def quota(self, limit, kind="hard", client=None, meter=None, **fields):
        body = {"meter": (meter or self.meter)["code"], "kind": kind, "period": "month", "limit": limit, **fields}
        if client is None:
            body["tenant"] = self.tenant_document["id"]
        return self.expect((client or self.platform).post("/v1/quotas", body), 201)

    def window(self, quota):
        window = self.expect(self.owner.get(f"/v1/quotas/{quota['id']}"), 200)["window"]
        return window["used"], window["reserved"], window["remaining"]

    def alerts(self, quota):
        return [(alert["threshold"], alert["used"]) for alert in self.owner.all(f"/v1/quotas/{quota['id']}/alerts")]

    def told(self):
        """What webhooks are to tell the tenant."""
        rows = self.database().rows("select data from webhook_messages where type = 'quota.threshold_crossed' and tenant_id = "
                                    f"'{self.tenant_document['id']}' order by number")
        return [row["data"] for row in rows]

    def reserve(self, quantity, **fields):
        return self.owner.post("/v1/reservations", {"meter": self.meter["code"], "subject": self.subscription["id"],
                                                    "quantity": quantity, **fields}, headers={"Idempotency-Key": unique("key")})

    def settle(self, reservation, quantity, client=None, **fields):
        return (client or self.owner).post(f"/v1/reservations/{reservation['id']}/settle", {"quantity": quantity, **fields})

    def watch(self):
        watch(self)


class Soft(QuotaTest):
    def test_a_threshold_is_told_once(self):
        quota = self.quota("100", "soft", self.owner)
        self.assertEqual(quota["thresholds"], [80, 100])
        self.receipt([self.event("a", "79.5")])
        self.assertEqual(self.alerts(quota), [])
        self.receipt([self.event("b", "0.5")])
        self.assertEqual(self.alerts(quota), [(80, "80")])
        self.receipt([self.event("c", "60")])
        self.receipt([self.event("d", "60")])
        self.assertEqual(self.alerts(quota), [(100, "140"), (80, "80")])
        self.assertEqual(self.window(quota), ("200", "0", "0"))
        self.assertEqual([message["threshold"] for message in self.told()], [80, 100])
        self.receipt([self.event("v", type=VOID, data={"id": "d"}), self.event("w", type=VOID, data={"id": "c"})])
        self.assertEqual(self.window(quota), ("80", "0", "20"))
        self.receipt([self.event("e", "50")])
        self.assertEqual(len(self.alerts(quota)), 2)

    def test_what_was_used_counts(self):
        self.receipt([self.event("a", "90")])
        other = self.resource(self.owner, "software")
        self.receipt([self.event("b", "7", subject=other["id"])])
        quota = self.quota("100", "soft", self.owner, subject=self.subscription["id"], thresholds=[95, 50, 90])
        self.assertEqual(self.window(quota), ("90", "0", "10"))
        self.assertEqual(self.alerts(quota), [(90, "90"), (50, "90")])
        answer = self.owner.get(f"/v1/quotas/{quota['id']}")
        changed = self.owner.patch(f"/v1/quotas/{quota['id']}", {"limit": "94"}, headers={"If-Match": answer.etag})
        self.assertEqual(self.expect(changed, 200)["window"]["remaining"], "4")
        self.assertEqual(self.alerts(quota), [(95, "90"), (90, "90"), (50, "90")])
        self.expect(self.owner.delete(f"/v1/quotas/{quota['id']}", headers={"If-Match": answer.etag}), 412, "precondition_failed")
        self.expect(self.owner.delete(f"/v1/quotas/{quota['id']}", headers={"If-Match": changed.etag}), 204)
        self.expect(self.owner.get(f"/v1/quotas/{quota['id']}"), 404, "not_found")

    def test_what_does_not_add_up_is_measured(self):
        peak = self.make_meter("max", event_type=self.meter["event_type"], divide_by="10")
        people = self.make_meter("unique", event_type=self.meter["event_type"])
        quotas = [self.quota("5", "soft", self.owner, meter=peak), self.quota("4", "soft", self.owner, meter=people),
                  self.quota("1000", "soft", self.owner, meter={"code": "seat-days"})]
        self.receipt([self.event("a", "45"), self.event("b", "3"), self.event("c", "3")])
        self.database().execute("update quota_counters set measured_at = now() - interval '1 hour'")
        self.watch()
        self.eventually(lambda: self.alerts(quotas[0]) == [(80, "4.5")])
        self.assertEqual([self.window(quota)[0] for quota in quotas[:2]], ["4.5", "2"])
        days = int(self.window(quotas[2])[0])
        self.assertEqual(days % 5, 0)
        self.assertGreater(days, 0)

    def test_what_cannot_be(self):
        def refused(pointer, code, client=None, **fields):
            body = {"meter": self.meter["code"], "kind": "soft", "period": "day", "limit": "1", **fields}
            answer = (client or self.owner).post("/v1/quotas", body)
            self.assertEqual(answer.json["code"], code, answer)
            self.assertEqual([error["pointer"] for error in answer.json.get("errors", [])], [pointer], answer)
            return answer.json["errors"][0]["detail"]

        peak = self.make_meter("max")
        refused("/meter", "reference_unknown", meter="nobody")
        refused("/meter", "value_refused", meter=self.make_meter("min")["code"])
        refused("/subject", "reference_unknown", subject="nobody")
        self.assertNotIn("more than 0", refused("/subject", "reference_unknown", subject="nobody", limit="0"))
        refused("/kind", "forbidden", kind="hard")
        refused("/kind", "value_refused", client=self.platform, kind="hard", meter=peak["code"], tenant=self.tenant_document["id"])
        refused("/tenant", "reference_unknown", client=self.platform, tenant="ten_01k8x7g0v8e2v9m3b1q4t5y6z7")
        refused("/limit", "validation_failed", limit="-1")
        refused("/thresholds/0", "validation_failed", thresholds=[0])
        refused("/limit", "value_refused", limit="0.00")
        same = self.quota("5", "soft", self.owner, thresholds=[90, 50, 90])
        self.assertEqual(same["thresholds"], [50, 90])
        tag = self.owner.get(f"/v1/quotas/{same['id']}").etag
        self.expect(self.owner.patch(f"/v1/quotas/{same['id']}", {"limit": "0"}, headers={"If-Match": tag}), 422, "value_refused")
        hard = self.quota("5")
        tag = self.owner.get(f"/v1/quotas/{hard['id']}").etag
        self.expect(self.owner.patch(f"/v1/quotas/{hard['id']}", {"limit": "6"}, headers={"If-Match": tag}), 403, "forbidden")
        self.expect(self.owner.delete(f"/v1/quotas/{hard['id']}", headers={"If-Match": tag}), 403, "forbidden")


class Hard(QuotaTest):
    def test_what_remains_is_given_out_in_the_order_of_sending(self):
        quota = self.quota("10")
        events = [self.event("a", "4"), self.event("b", "7"), self.event("c", "6"), self.event("d", "0.5")]
        self.assertEqual(self.errors(self.send(events)), {"/1/data/value": "quota_exceeded", "/3/data/value": "quota_exceeded"})
        self.assertEqual(self.window(quota), ("0", "0", "10"))
        receipt = self.receipt(events, query={"partial": "true"})
        self.assertEqual(self.counts(receipt), (2, 0, 0, 2))
        self.assertEqual({event["id"]: event["reason"] for event in receipt["events"]}, {"b": "quota_exceeded", "d": "quota_exceeded"})
        self.assertEqual((self.window(quota), self.total()), (("10", "0", "0"), 1000))
        listed = {event["id"]: event["state"] for event in self.owner.all("/v1/events")}
        self.assertEqual(listed, {"a": "accepted", "b": "rejected", "c": "accepted", "d": "rejected"})
        # Known ones are duplicates, however full it is.
        self.assertEqual(self.counts(self.receipt(events, query={"partial": "true"})), (0, 2, 0, 2))
        self.receipt([self.event("v", type=VOID, data={"id": "a"})])
        self.assertEqual(self.counts(self.receipt([self.event("e", "4")])), (1, 0, 0, 0))
        self.assertEqual(self.errors(self.send([self.event("f", "0.01")])), {"/0/data/value": "quota_exceeded"})

    def test_every_meter_and_scope_is_kept(self):
        calls = self.make_meter("count", event_type=self.meter["event_type"], filters=[{"property": "paid", "values": ["yes"]}])
        thousands = self.make_meter("sum", event_type=self.meter["event_type"], divide_by="1000")
        other = self.resource(self.owner, "software")
        quotas = [self.quota("3", meter=calls), self.quota("0.1", meter=thousands, subject=self.subscription["id"])]

        def paid(identifier, value, **fields):
            return self.event(identifier, **{"data": {"value": value, "paid": "yes"}, **fields})

        receipt = self.receipt([paid("a", "60"), paid("b", "50"), paid("c", "30"), paid("d", "1", subject=other["id"]),
                                paid("e", "1", subject=other["id"]), self.event("f", "9", subject=other["id"])],
                               query={"partial": "true"})
        self.assertEqual({event["id"]: event["pointer"] for event in receipt["events"]}, {"b": "/1/data/value", "e": "/4"})
        self.assertEqual([self.window(quota) for quota in quotas], [("3", "0", "0"), ("0.09", "0", "0.01")])

    def test_windows_are_days_of_the_platform(self):
        quota = self.quota("5", period="day")
        self.receipt([self.event("a", "5", time=instant(datetime.datetime.now(datetime.timezone.utc)))])
        self.assertEqual(self.window(quota), ("5", "0", "0"))
        now = datetime.datetime.now(datetime.timezone.utc)
        self.assertEqual(self.errors(self.send([self.event("b", "1", time=instant(now))])), {"/0/data/value": "quota_exceeded"})
        window = self.expect(self.owner.get(f"/v1/quotas/{quota['id']}"), 200)["window"]
        midnight = now.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
        self.assertEqual((window["starts_at"], window["ends_at"]),
                         tuple(instant(at.astimezone(datetime.timezone.utc)) for at in (midnight, midnight + datetime.timedelta(days=1))))
        # Of the days before it was made nothing is known.
        self.assertEqual(self.counts(self.receipt([self.event("d", "9", time=instant(self.now - 200 * STEP))])), (1, 0, 0, 0))

    def test_the_same_key_twice_is_rejected_twice(self):
        self.quota("1")
        receipt = self.receipt([self.event("a", "2"), self.event("a", "2"), self.event("b", "1")], query={"partial": "true"})
        self.assertEqual(self.counts(receipt), (1, 0, 0, 2))

    def test_nobody_overspends(self):
        quota, limit = self.quota("300"), 300
        taken, problems = [], []

        def send(sender):
            try:
                for turn in range(30):
                    if turn % 5 == 4:
                        answer = self.reserve("3")
                        if answer.status == 201:
                            used = sender % 4 + 1  # at times more than was reserved
                            settled = self.settle(answer.json, str(used))
                            taken.append(used if settled.status == 200 else 0)
                            if settled.status != 200:
                                self.expect(settled, 422, "quota_exceeded")
                                self.expect(self.owner.post(f"/v1/reservations/{answer.json['id']}/release"), 200)
                        else:
                            self.expect(answer, 422, "quota_exceeded")
                        continue
                    events = [self.event(f"{sender}-{turn}-{place}", "1") for place in range((1, 3, 12)[turn % 3])]
                    while True:
                        answer = self.send(events, query={"partial": "true"})
                        if answer.status != 503:
                            break
                    taken.append(self.expect(answer, 200)["accepted"])
            except BaseException as problem:
                problems.append(problem)
                raise

        threads = [threading.Thread(target=send, args=(sender,)) for sender in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(problems, [])
        self.assertEqual(sum(taken), limit)
        self.assertEqual((self.window(quota), self.total()), (("300", "0", "0"), limit * 100))


class Reservations(QuotaTest):
    def test_nobody_reserves_twice(self):
        quota = self.quota("40")
        statuses, start = [], threading.Barrier(8)

        def reserve():
            start.wait()
            for _ in range(12):
                statuses.append(self.reserve("1").status)

        threads = [threading.Thread(target=reserve) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((statuses.count(201), statuses.count(422)), (40, 56))
        self.assertEqual(self.window(quota), ("0", "40", "0"))

    def test_a_reservation_is_settled_once(self):
        quota = self.quota("10")
        held = self.expect(self.reserve("6"), 201)
        self.assertEqual((held["state"], held["settled"], self.window(quota)), ("held", None, ("0", "6", "4")))
        self.expect(self.reserve("4.1"), 422, "quota_exceeded")
        self.assertEqual(self.errors(self.send([self.event("a", "4.1")])), {"/0/data/value": "quota_exceeded"})
        settled = self.expect(self.settle(held, "5", data={"region": "cn"}), 200)
        self.assertEqual((settled["state"], settled["settled"], self.window(quota)), ("settled", "5", ("5", "0", "5")))
        self.assertEqual(self.expect(self.settle(held, "5", data={"region": "cn"}), 200), settled)
        self.expect(self.settle(held, "4", data={"region": "cn"}), 409, "state_conflict")
        self.expect(self.owner.post(f"/v1/reservations/{held['id']}/release"), 409, "state_conflict")
        self.assertEqual((self.window(quota), self.total()), (("5", "0", "5"), 500))
        event = self.owner.all("/v1/events", query={"state": "accepted"})[0]
        self.assertEqual((event["id"], event["source"], event["data"]),
                         (held["id"], "/v1/reservations", {"region": "cn", "value": "5"}))

    def test_more_than_was_reserved_must_remain(self):
        quota = self.quota("10")
        held = self.expect(self.reserve("6"), 201)
        self.receipt([self.event("a", "2")])
        answer = self.settle(held, "8.5")
        self.expect(answer, 422, "quota_exceeded")
        self.assertEqual(answer.json["errors"][0]["pointer"], "/quantity")
        self.assertEqual(self.window(quota), ("2", "6", "2"))
        self.expect(self.settle(held, "8", client=self.platform), 200)
        self.assertEqual(self.window(quota), ("10", "0", "0"))

    def test_released_or_expired_it_is_free(self):
        quota = self.quota("10")
        held = self.expect(self.reserve("6"), 201)
        for _ in range(2):
            self.assertEqual(self.expect(self.owner.post(f"/v1/reservations/{held['id']}/release"), 200)["state"], "released")
        self.assertEqual(self.window(quota), ("0", "0", "10"))
        self.expect(self.settle(held, "1"), 409, "state_conflict")
        late = self.expect(self.reserve("9", expires_in=1), 201)
        self.expect(self.reserve("9"), 422, "quota_exceeded")
        self.eventually(lambda: self.expect(self.owner.get(f"/v1/reservations/{late['id']}"), 200)["state"] == "expired")
        # Whoever needs it does not wait for the job.
        self.assertEqual(self.counts(self.receipt([self.event("a", "9")])), (1, 0, 0, 0))
        self.expect(self.settle(late, "9"), 422, "quota_exceeded")
        self.assertEqual(self.expect(self.settle(late, "1"), 200)["state"], "settled")
        self.assertEqual(self.window(quota), ("10", "0", "0"))
        states = {each["id"]: each["state"] for each in self.owner.all("/v1/reservations")}
        self.assertEqual(states, {held["id"]: "released", late["id"]: "settled"})

    def test_the_job_ends_what_is_due(self):
        quota = self.quota("10")
        self.expect(self.reserve("9", expires_in=1), 201)
        self.eventually(lambda: self.owner.all("/v1/reservations", query={"state": "expired"}))
        self.watch()
        self.eventually(lambda: self.window(quota) == ("0", "0", "10"))

    def test_a_quota_that_is_removed_holds_nothing(self):
        quota = self.quota("10")
        held = self.expect(self.reserve("6"), 201)
        tag = self.platform.get(f"/v1/quotas/{quota['id']}").etag
        self.expect(self.platform.delete(f"/v1/quotas/{quota['id']}", headers={"If-Match": tag}), 204)
        self.expect(self.settle(held, "60"), 200)
        self.assertEqual(self.total(), 6000)

    def test_what_cannot_be_reserved(self):
        peak = self.make_meter("max")
        calls = self.make_meter("count", event_type=unique("type"), filters=[{"property": "paid", "values": ["yes"]}])
        self.expect(self.reserve("1", meter=peak["code"]), 422, "value_refused")
        self.expect(self.reserve("2", meter=calls["code"]), 422, "value_refused")
        self.expect(self.reserve("1", subject="nobody"), 422, "reference_unknown")
        self.expect(self.reserve("0"), 422, "value_refused")
        held = self.expect(self.reserve("1", meter=calls["code"]), 201)
        self.expect(self.settle(held, "1"), 422, "reservation_not_counted")
        self.expect(self.settle(held, "2", data={"paid": "yes"}), 422, "value_refused")
        self.expect(self.settle(held, "1", data={"paid": "yes"}), 200)
        self.expect(self.settle({"id": "rsv_01k8x7g0v8e2v9m3b1q4t5y6z7"}, "1"), 404, "not_found")
        _, stranger = self.tenant("stranger")
        self.expect(self.settle(held, "1", client=stranger), 404, "not_found")
        self.expect(stranger.post(f"/v1/reservations/{held['id']}/release"), 404, "not_found")


class Bugs(QuotaTest):
    def patch(self, quota, **fields):
        tag = self.platform.get(f"/v1/quotas/{quota['id']}").etag
        return self.expect(self.platform.patch(f"/v1/quotas/{quota['id']}", fields, headers={"If-Match": tag}), 200)

    def deadlocks(self):
        return self.database().value("select deadlocks from pg_stat_database where datname = current_database()")

    def at_once(self, *works):
        """Each again and again, for a while; the answers."""
        answers, problems, stop = [], [], threading.Event()

        def run(work):
            turn = 0
            try:
                while not stop.is_set():
                    answers.append(work(turn))
                    turn += 1
            except BaseException as problem:
                problems.append(problem)
                stop.set()
                raise

        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        stop.wait(3)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(problems, [])
        return answers

    def test_bug_0116_events_count_while_quotas_come_and_go(self):
        def come_and_go(_):
            quota = self.quota("1000000", "soft", self.owner)
            tag = self.owner.get(f"/v1/quotas/{quota['id']}").etag
            return self.expect(self.owner.delete(f"/v1/quotas/{quota['id']}", headers={"If-Match": tag}), 204)

        def send(name):
            return lambda turn: self.receipt([self.event(f"{name}-{turn}")])["accepted"]

        answers = self.at_once(come_and_go, come_and_go, send("a"), send("b"), send("c"))
        self.assertEqual(self.total(), 100 * sum(answer or 0 for answer in answers))

    def test_bug_0117_settling_waits_for_nobody_who_waits_for_it(self):
        other = self.make_meter("sum", event_type=self.meter["event_type"])
        self.quota("1000000", meter=other)
        self.quota("1000000")
        before = self.deadlocks()

        def settle(turn):
            held = self.expect(self.reserve("1", **({"expires_in": 1} if turn % 3 == 0 else {})), 201)
            if turn % 3 == 1:
                return self.expect(self.owner.post(f"/v1/reservations/{held['id']}/release"), 200)
            return self.expect(self.settle(held, "1"), 200)

        def send(name):
            return lambda turn: self.receipt([self.event(f"{name}-{turn}")])

        self.at_once(settle, settle, settle, send("a"), send("b"), send("c"))
        self.assertEqual(self.deadlocks(), before)

    def test_bug_0118_a_released_reservation_is_not_settled(self):
        self.quota("10")
        held = self.expect(self.reserve("6"), 201)
        self.expect(self.owner.post(f"/v1/reservations/{held['id']}/release"), 200)
        said = self.database().script(f"select settle_reservation('{self.tenant_document['id']}', '{held['id']}', 5);", stop=False)
        self.assertIn("state_conflict", said)

    def test_bug_0119_the_source_of_reservations_is_theirs(self):
        held = self.expect(self.reserve("6"), 201)
        self.assertEqual(self.errors(self.send([self.event(held["id"], "4", source="/v1/reservations")])),
                         {"/0/source": "event_source_reserved"})
        self.assertEqual(self.expect(self.settle(held, "4"), 200)["state"], "settled")

    def test_bug_0120_what_is_held_itself_remains_when_it_is_settled(self):
        quota = self.quota("10")
        held = self.expect(self.reserve("6"), 201)
        self.expect(self.reserve("2", expires_in=1), 201)
        self.receipt([self.event("a", "2")])
        self.eventually(lambda: self.owner.all("/v1/reservations", query={"state": "expired"}))
        self.expect(self.settle(held, "8"), 200)
        self.assertEqual(self.window(quota), ("10", "0", "0"))

    def test_bug_0121_what_was_reserved_is_settled_under_a_lower_limit(self):
        self.quota("100", meter=self.make_meter("sum", event_type=self.meter["event_type"]))
        quota = self.quota("10")
        held = self.expect(self.reserve("6"), 201)
        self.patch(quota, limit="5")
        self.expect(self.settle(held, "6.1"), 422, "quota_exceeded")
        self.expect(self.settle(held, "6"), 200)
        self.assertEqual(self.errors(self.send([self.event("a", "0.1")])), {"/0/data/value": "quota_exceeded"})

    def test_bug_0122_a_window_is_measured_up_to_its_end(self):
        peak = self.make_meter("max", event_type=self.meter["event_type"])
        quota = self.quota("5", "soft", self.owner, meter=peak, period="day")
        # As if tomorrow's had come already.
        self.receipt([self.event("a", "99", time=instant(datetime.datetime.now(datetime.timezone.utc)))])
        self.database().execute(f"""
            update usage_deltas set slot = slot + interval '1 day' where meter_id = '{peak["id"]}';
            update usage_slots set slot = slot + interval '1 day' where meter_id = '{peak["id"]}'""")
        self.watch()
        self.eventually(lambda: self.window(quota)[0] == "0")
        self.assertEqual(self.alerts(quota), [])

    def yesterday(self):
        """An instant of it, of the platform's days."""
        noon = datetime.datetime.now(SHANGHAI).replace(hour=12, minute=0, second=0, microsecond=0)
        return noon - datetime.timedelta(days=1)

    def made_yesterday(self, quota):
        """As if it had been made then, and nothing had measured it since."""
        self.database().execute(f"""
            begin;
            delete from quota_counters where quota_id = '{quota["id"]}';
            update quotas set first_window = first_window - interval '1 day' where id = '{quota["id"]}';
            commit""")

    def test_bug_0128_what_a_window_had_when_it_ended_is_measured(self):
        peak = self.make_meter("max", event_type=self.meter["event_type"])
        self.receipt([self.event("a", "4", time=self.yesterday().isoformat()), self.event("b", "1")])
        quota = self.quota("5", "soft", self.owner, meter=peak, period="day")
        self.made_yesterday(quota)
        self.watch()
        self.assertEqual(self.alerts(quota), [(80, "4")])
        self.assertEqual(self.window(quota)[0], "1")

    def test_bug_0129_what_comes_after_the_end_of_a_window_is_measured(self):
        peak = self.make_meter("max", event_type=self.meter["event_type"])
        held = self.make_meter("time_weighted", event_type=self.meter["event_type"], divide_by="3600")
        quotas = [self.quota("5", "soft", self.owner, meter=each, period="day") for each in (peak, held)]
        for quota in quotas:
            self.made_yesterday(quota)
        self.watch()
        self.assertEqual([self.alerts(quota) for quota in quotas], [[], []])
        self.receipt([self.event("a", "4", time=self.yesterday().isoformat()),
                      self.event("b", "0", time=(self.yesterday() + datetime.timedelta(hours=1)).isoformat())])
        self.watch()
        self.assertEqual([self.alerts(quota) for quota in quotas], [[(80, "4")], [(80, "4")]])
        self.assertEqual(self.database().value("select count(*) from quota_changes"), 0)

    def test_bug_0123_quotas_are_bounded(self):
        for _ in range(10):
            self.quota("10", "soft", self.owner)
        body = {"meter": self.meter["code"], "kind": "soft", "period": "month", "limit": "10"}
        self.expect(self.owner.post("/v1/quotas", body), 409, "quotas_full")
        self.quota("10", "soft", self.owner, subject=self.subscription["id"])

    def test_bug_0124_settling_points_at_what_is_wrong(self):
        self.make_meter("sum", event_type=self.meter["event_type"], value_property="bytes")
        held = self.expect(self.reserve("1"), 201)
        answer = self.settle(held, "1")
        self.expect(answer, 422, "event_value_missing")
        self.assertEqual(answer.json["errors"][0]["pointer"], "/data/bytes")
        long = self.owner.post(f"/v1/reservations/{held['id']}/settle", {"quantity": "1", "data": {"k" * 3000: "a"}}, check=False)
        self.expect(long, 422, "validation_failed")
        self.expect(self.settle(held, "1", data={"bytes": "7"}), 200)

    def test_bug_0125_thresholds_of_a_raised_limit_are_told_again(self):
        quota = self.quota("10", "soft", thresholds=[100])
        self.receipt([self.event("a", "10")])
        self.patch(quota, limit="20")
        self.assertEqual(self.alerts(quota), [])
        self.receipt([self.event("b", "10")])
        self.assertEqual(self.alerts(quota), [(100, "20")])
        self.assertEqual([told["limit"] for told in self.told()], ["10", "20"])


class Observed(RadiusTest):
    """What a line carries always counts; a hard quota that it passes holds the line."""

    def state(self, line):
        found = self.expect(self.owner.get(f"/v1/resources/{line['id']}"), 200)
        return found["state"], found["holds"]

    def quota(self, limit, **fields):
        return self.expect(self.platform.post("/v1/quotas", {"tenant": self.renter["id"], "meter": "broadband-bytes", "kind": "hard",
                                                             "period": "total", "limit": limit, **fields}), 201)

    def watch(self):
        watch(self)

    def test_lines_are_held_until_there_is_room(self):
        one, two, other = self.line(), self.line(), self.line()
        own = self.quota("5000", subject=one["id"])
        for line, received in ((one, 4999), (two, 9000)):
            self.account(line, START, Acct_Session_Id=line["id"], at=7190)
            self.account(line, INTERIM, received, Acct_Session_Id=line["id"], at=7195)
        self.watch()
        self.assertEqual(self.state(one), ("active", []))
        self.account(one, INTERIM, 7000, Acct_Session_Id=one["id"], at=7198)
        self.watch()
        self.eventually(lambda: self.state(one) == ("suspended", ["quota"]))
        self.assertEqual(self.state(two), ("active", []))
        # It goes on counting.
        self.account(one, INTERIM, 7500, Acct_Session_Id=one["id"], at=7199)
        answer = self.platform.get(f"/v1/quotas/{own['id']}")
        self.assertEqual(self.expect(answer, 200)["window"]["used"], "7500")
        self.expect(self.platform.patch(f"/v1/quotas/{own['id']}", {"limit": "7500"}, headers={"If-Match": answer.etag}), 200)
        self.watch()
        self.eventually(lambda: self.state(one) == ("active", []))

        # Of the tenant, every line; taken off by hand it stays so.
        whole = self.quota("16000")
        self.watch()
        self.eventually(lambda: self.state(one) == self.state(two) == self.state(other) == ("suspended", ["quota"]))
        self.act(two, "resume", {"hold": "quota"})
        self.watch()
        self.assertEqual(self.state(two), ("active", []))
        tag = self.platform.get(f"/v1/quotas/{whole['id']}").etag
        self.expect(self.platform.delete(f"/v1/quotas/{whole['id']}", headers={"If-Match": tag}), 204)
        self.assertEqual(self.state(two), ("active", []))
        self.watch()
        self.eventually(lambda: self.state(one) == self.state(other) == ("active", []))

    def test_bug_0126_a_line_is_held_as_often_as_the_quota_is_passed(self):
        one = self.line()
        quota = self.quota("5000")
        self.account(one, START, Acct_Session_Id=one["id"], at=7190)
        self.account(one, INTERIM, 6000, Acct_Session_Id=one["id"], at=7192)
        self.watch()
        self.eventually(lambda: self.state(one) == ("suspended", ["quota"]))
        later = self.line()  # one more is no way out
        self.watch()
        self.eventually(lambda: self.state(later) == ("suspended", ["quota"]))
        tag = self.platform.get(f"/v1/quotas/{quota['id']}").etag
        self.expect(self.platform.patch(f"/v1/quotas/{quota['id']}", {"limit": "10000"}, headers={"If-Match": tag}), 200)
        self.watch()
        self.eventually(lambda: self.state(one) == self.state(later) == ("active", []))
        self.account(one, INTERIM, 60000, Acct_Session_Id=one["id"], at=7195)
        self.watch()
        self.eventually(lambda: self.state(one) == self.state(later) == ("suspended", ["quota"]))

    def test_bug_0127_the_hold_of_quotas_is_theirs(self):
        answer = self.platform.post(f"/v1/resources/{self.line()['id']}/suspend", {"hold": "quota"})
        self.expect(answer, 422, "validation_failed")


if __name__ == "__main__":
    unittest.main()
