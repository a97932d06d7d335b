"""How events are kept: in partitions made ahead, until nobody may need them, each key once."""

import datetime
import unittest

from database import quote
from test_events import EventTest, instant


class StorageTest(EventTest):
    settings = {"log_level": "warning"}

    def run_job(self):
        self.database().execute("update operations set not_before = now() where kind = 'keep_events' and state = 'queued'")

    def partitions(self):
        """The days that have one."""
        return self.database().value("""
            select json_agg(right(c.relname, 8) order by c.relname) from pg_inherits i join pg_class c on c.oid = i.inhrelid
            where i.inhparent = 'event_batches'::regclass""")

    def day(self, ahead):
        return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=ahead)).strftime("%Y%m%d")

    def kept(self):
        """How many keys, batches and resources' batches there are of the tenant."""
        return self.database().rows(f"""
            select (select count(*) from event_keys k join tenants t on t.number = k.tenant where t.id = {quote(self.tenant_document["id"])})
                       as keys,
                   (select count(*) from event_batches where tenant_id = {quote(self.tenant_document["id"])}) as batches,
                   (select count(*) from event_resources where tenant_id = {quote(self.tenant_document["id"])}) as resources""")[0]

    def received_ago(self, days, period):
        """The tenant's batches came so many days ago, and count in that month."""
        tenant = quote(self.tenant_document["id"])
        self.database().execute(f"""
            set session_replication_role = replica;
            select make_event_partitions((now() at time zone 'UTC')::date - {days}, (now() at time zone 'UTC')::date - {days});
            create temporary table moved as
            select b.number as old, event_batch_first((now() at time zone 'UTC')::date - {days}) | (b.number & ((1::bigint << 36) - 1)) as new
            from event_batches b where b.tenant_id = {tenant};
            update event_batches b set number = m.new, periods = '{{{period}}}' from moved m where b.number = m.old;
            update event_keys k set batch = m.new from moved m where k.batch = m.old;
            update event_resources r set batch = m.new from moved m where r.batch = m.old""")


class TestPartitions(StorageTest):
    def test_they_are_there_before_they_are_needed(self):
        found = self.partitions()
        self.assertTrue({self.day(ahead) for ahead in range(30)} <= set(found), found)
        self.database().execute(f"drop table event_batches_{self.day(29)}")
        self.run_job()
        self.eventually(lambda: self.day(29) in self.partitions())

    def test_who_may_not_touch_them(self):
        self.assertEqual(self.database().rows("""
            select c.relname, g.grantee::regrole::text from pg_inherits i join pg_class c on c.oid = i.inhrelid,
                 aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) g
            where i.inhparent = 'event_batches'::regclass and g.grantee <> c.relowner"""), [])

    def test_what_is_past_its_window_is_forgotten(self):
        events = [self.event(f"e{number}") for number in range(30)]
        self.assertEqual(self.counts(self.receipt(events)), (30, 0, 0, 0))
        self.assertEqual(self.counts(self.receipt(events[:3])), (0, 3, 0, 0))
        self.assertEqual(self.kept(), {"keys": 30, "batches": 1, "resources": 1})
        # One whose month is not closed stays, however old it is, and holds up no younger one.
        self.received_ago(430, "2025-09")
        self.database().execute(
            "select make_event_partitions((now() at time zone 'UTC')::date - 420, (now() at time zone 'UTC')::date - 420)")
        self.run_job()
        self.eventually(lambda: self.day(-420) not in self.partitions())
        self.assertEqual(self.kept(), {"keys": 30, "batches": 1, "resources": 1})
        self.database().execute("""
            set session_replication_role = replica;
            insert into periods (period, state, starts_at, ends_at, gate, closed_at, closed_by)
            values ('2025-09', 'closed', '2025-08-31T16:00:00Z', '2025-09-30T16:00:00Z', '[]', now(), 'storage')""")
        self.run_job()
        self.eventually(lambda: self.day(-430) not in self.partitions())
        self.assertEqual(self.kept(), {"keys": 0, "batches": 0, "resources": 0})

    def test_one_that_is_within_it_stays(self):
        self.receipt([self.event("young")])
        self.received_ago(405, "2025-09")
        self.run_job()
        self.eventually(lambda: self.database().value(
            "select not_before > now() from operations where kind = 'keep_events' and state = 'queued'"))
        self.assertEqual(self.kept()["keys"], 1)


class TestMetersAndBatches(StorageTest):
    def test_an_event_type_has_so_many_meters(self):
        body = {"name": "计量", "event_type": self.meter["event_type"], "aggregation": "sum", "value_property": "value",
                "unit": "X"}
        for number in range(19):
            self.expect(self.platform.post("/v1/meters", {**body, "code": f"{self.meter['code']}-{number}"}), 201)
        self.expect(self.platform.post("/v1/meters", {**body, "code": f"{self.meter['code']}-x"}), 422, "value_refused")

    def test_pages_of_batches(self):
        """Each event once, whatever the page is cut at."""
        for number in range(4):
            self.receipt([self.event(f"{number}-{place}", time=instant(self.now)) for place in range(7)])
        sent = {f"{number}-{place}" for number in range(4) for place in range(7)}
        for limit in (3, 7, 10):
            found = [event["id"] for event in self.owner.all("/v1/events", query={"limit": limit})]
            self.assertEqual((len(found), set(found)), (28, sent))
        self.assertEqual(found[0].partition("-")[0], "3")


if __name__ == "__main__":
    unittest.main()
