"""What is not taken: held until its cause is mended and then replayed, or noted with the reason."""

import threading
import unittest

from harness import unique
from test_events import EventTest


class UntakenTest(EventTest):
    def quarantine(self, events, **options):
        return self.receipt(events, query={"quarantine": "true"}, **options)

    def counts(self, receipt):
        return (*super().counts(receipt), receipt["quarantined"])

    def replay(self, client=None, **options):
        return self.expect((client or self.owner).post("/v1/events/replay", **options), 200)

    def found(self, state=None, **query):
        if state is not None:
            query["state"] = state
        return [(event["id"], event["state"], event["reason"]) for event in self.owner.all("/v1/events", query=query)]


class Quarantine(UntakenTest):
    def test_what_is_not_known_yet_is_held_and_replayed(self):
        name, kind = unique("crm"), unique("type")
        events = [self.event("a", "5", subject=name), self.event("b", "7"), self.event("c", "9", type=kind)]
        receipt = self.quarantine(events)
        self.assertEqual(self.counts(receipt), (1, 0, 0, 0, 2))
        self.assertEqual([(each["index"], each["state"], each["reason"], each["pointer"]) for each in receipt["events"]],
                         [(0, "quarantined", "event_subject_unknown", "/0/subject"),
                          (2, "quarantined", "event_type_unknown", "/2/type")])
        self.assertEqual(self.total(), 700)
        self.assertEqual(self.found(), [("b", "accepted", None), ("c", "quarantined", "event_type_unknown"),
                                        ("a", "quarantined", "event_subject_unknown")])
        self.assertEqual(self.counts(self.replay()), (0, 0, 0, 0, 0))
        resource = self.resource(self.owner, "software", external_id=name)
        self.assertEqual(self.counts(self.replay()), (1, 0, 0, 0, 0))
        self.assertEqual(self.total(subject=resource["id"]), 500)
        meter = self.make_meter("sum", event_type=kind)
        self.assertEqual(self.counts(self.replay()), (1, 0, 0, 0, 0))
        self.assertEqual(self.counts(self.replay()), (0, 0, 0, 0, 0))
        self.assertEqual(self.total(meter=meter), 900)
        self.assertEqual(sorted(self.found()), [(each, "accepted", None) for each in "abc"])
        self.assertEqual(self.counts(self.quarantine(events)), (0, 3, 0, 0, 0))

    def test_bug_0108_a_void_waits_for_what_it_voids(self):
        """It was replayed, and dropped, while the event that it voids was held."""
        kind = unique("type")
        target = self.event("a", "5", type=kind)
        void = self.event("v", type="center.usage.void", data={"id": "a"})
        name = unique("crm")
        self.quarantine([{**target, "subject": name}, {**void, "subject": name}])
        resource = self.resource(self.owner, "software", external_id=name)
        self.assertEqual(self.counts(self.replay()), (0, 0, 0, 0, 0))
        meter = self.make_meter("sum", event_type=kind)
        self.assertEqual(self.counts(self.replay()), (1, 0, 0, 0, 0))
        self.assertEqual(self.total(meter=meter, subject=resource["id"]), 500)
        self.assertEqual(self.counts(self.replay()), (1, 0, 0, 0, 0))
        self.assertEqual(self.total(meter=meter, subject=resource["id"]), 0)

    def test_sent_again_it_is_held_once(self):
        events = [self.event("a", "5", subject="later"), self.event("a", "5", subject="later"),
                  self.event("a", "6", subject="later"), self.event("b", "1", subject="later")]
        self.assertEqual(self.counts(self.quarantine(events)), (0, 0, 1, 0, 3))
        receipt = self.quarantine([self.event("b", "2", subject="later"), self.event("a", "5", subject="later")])
        self.assertEqual(self.counts(receipt), (0, 0, 1, 0, 1))
        self.assertNotEqual(receipt["events"][0]["digest"], receipt["events"][0]["received_digest"])
        self.assertEqual([name for name, _, _ in self.found("quarantined")], ["b", "a"])

    def test_what_was_stored_meanwhile_is_told_and_held_no_more(self):
        name = unique("crm")
        self.quarantine([self.event("a", "5", subject=name), self.event("b", "7", subject=name),
                         self.event("c", "-1", subject=name)])
        self.resource(self.owner, "software", external_id=name)
        self.receipt([self.event("a", "5", subject=name), self.event("b", "8", subject=name)])
        receipt = self.replay()
        self.assertEqual(self.counts(receipt), (0, 1, 1, 1, 0))
        self.assertEqual({each["id"]: each["reason"] for each in receipt["events"]},
                         {"a": None, "b": "event_conflict", "c": "event_value_not_decimal"})
        self.assertEqual(self.total(), 1300)
        self.assertEqual(self.found("quarantined"), [])
        self.assertEqual(sorted(self.found("rejected")), [("b", "rejected", "event_conflict"),
                                                          ("c", "rejected", "event_value_not_decimal")])

    def test_an_invalid_event_refuses_the_batch_whatever_could_be_held(self):
        errors = self.errors(self.send([self.event("a", subject="later"), self.event("b", "x")], query={"quarantine": "true"}))
        self.assertEqual(errors, {"/1/data/value": "event_value_not_decimal"})
        self.assertEqual(self.found("quarantined"), [])
        receipt = self.receipt([self.event("a", subject="later"), self.event("b", "x")],
                               query={"quarantine": "true", "partial": "true"})
        self.assertEqual(self.counts(receipt), (0, 0, 0, 1, 1))

    def test_at_once_by_several(self):
        name = unique("crm")
        results = []

        def run():
            results.append(self.counts(self.quarantine(
                [self.event(f"e-{place}", "1", subject=name) for place in range(20)])))

        for work in (run, lambda: results.append(self.counts(self.replay()))):
            threads = [threading.Thread(target=work) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if work is run:
                self.assertEqual(results, [(0, 0, 0, 0, 20)] * 6)
                results.clear()
                self.resource(self.owner, "software", external_id=name)
        self.assertEqual((sum(each[0] for each in results), sum(each[2] + each[3] for each in results)), (20, 0))
        self.assertEqual(self.total(), 2000)

    def test_there_is_room_for_so_many(self):
        self.database().execute(f"""
            set session_replication_role = replica;
            insert into held_events (tenant_id, number, source, id, type, subject, time, data, reason, pointer)
            select '{self.tenant_document["id"]}', n, '/full', n::text, 't', 's', now(), '{{}}', 'event_type_unknown', ''
            from generate_series(1, 99999) n""")
        events = [self.event("a", subject="later"), self.event("b", subject="later")]
        self.assertEqual(self.errors(self.send(events, query={"quarantine": "true"})),
                         {"/0": "quarantine_full", "/1": "quarantine_full"})
        self.assertEqual(self.counts(self.quarantine(events[:1])), (0, 0, 0, 0, 1))
        self.database().execute(f"delete from held_events where tenant_id = '{self.tenant_document['id']}'")

    def test_it_is_forgotten_when_too_old(self):
        self.quarantine([self.event("a", subject="later"), self.event("b", subject="later")])
        self.receipt([self.event("c", "x")], query={"partial": "true"})
        self.database().execute(f"""
            update held_events set time = now() - interval '401 days' where id = 'a' and tenant_id = '{self.tenant_document["id"]}';
            update rejected_events set received_at = now() - interval '8 days' where tenant_id = '{self.tenant_document["id"]}';
            update operations set not_before = now() where kind = 'keep_events' and state = 'queued'""")
        self.eventually(lambda: self.found() == [("b", "quarantined", "event_subject_unknown")])


class Rejections(UntakenTest):
    def test_each_is_noted_with_its_reason(self):
        self.send([self.event("a", "x"), self.event("b"), self.event("c", subject="nobody"),
                   {"specversion": "1.0", "id": "d", "data": {}}])
        self.assertEqual(self.found(), [("d", "rejected", "missing_field"), ("c", "rejected", "event_subject_unknown"),
                                        ("a", "rejected", "event_value_not_decimal")])
        event = self.owner.all("/v1/events", query={"id": "a"})[0]
        self.assertEqual((event["source"], event["type"], event["subject"], event["pointer"], event["data"], event["time"]),
                         ("/test", self.meter["event_type"], self.subscription["id"], "/0/data/value", None, None))
        self.assertEqual(self.found(subject="nobody"), [("c", "rejected", "event_subject_unknown")])
        self.receipt([self.event("b")])
        self.receipt([self.event("b", "2")])
        self.assertEqual(self.found(id="b"), [("b", "rejected", "event_conflict"), ("b", "accepted", None)])

    def test_pages_go_through_all_of_them(self):
        for turn in range(6):
            self.receipt([self.event(f"g-{turn}"), self.event(f"h-{turn}", subject="later"), self.event(f"r-{turn}", "x")],
                         query={"quarantine": "true", "partial": "true"})
        names, query = [], {"limit": 4}
        while True:
            page = self.expect(self.owner.get("/v1/events", query=query), 200)
            names += [event["id"] for event in page["data"]]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        self.assertEqual(len(names), 18)
        self.assertEqual({name[0] for name in names[:3]}, {"g", "h", "r"})
        self.assertEqual([name for name in names if name[0] == "r"], [f"r-{turn}" for turn in reversed(range(6))])

    def test_a_flood_is_capped(self):
        self.receipt([self.event(f"e-{place}", "x") for place in range(150)], query={"partial": "true"})
        self.assertEqual(len(self.found()), 100)
        self.database().execute(f"""
            insert into rejected_events (tenant_id, number, reason, pointer)
            select '{self.tenant_document["id"]}', n, 'old', '' from generate_series(1, 20000) n""")
        self.receipt([self.event("last", "x")], query={"partial": "true"})
        count = self.database().value(f"select count(*) from rejected_events where tenant_id = '{self.tenant_document['id']}'")
        self.assertEqual(count, 9901)
        self.assertEqual(self.found("rejected")[0], ("last", "rejected", "event_value_not_decimal"))

    def test_a_stranger_sees_none(self):
        _, stranger = self.tenant()
        self.receipt([self.event("a", "x"), self.event("b", subject="later")], query={"partial": "true", "quarantine": "true"})
        self.assertEqual(stranger.all("/v1/events"), [])
        self.assertEqual(self.counts(self.replay(stranger)), (0, 0, 0, 0, 0))
        self.expect(self.platform.post("/v1/events/replay"), 422, "tenant_required")


if __name__ == "__main__":
    unittest.main()
