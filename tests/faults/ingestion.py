"""Usage that streams in while a fault is made, and what must be true of it afterwards: what was
acknowledged is stored, each event once, and counts once; what was not may be either, and its retry
settles it. FAULT_SEED replays a run."""

import contextlib
import datetime
import os
import random
import tempfile
import threading

import processes
from database import Database
from harness import ApiTest, unique
from writers import AccessServer, EventWriter

ANSWERS = 20  # that each writer has before the first fault, and after the last
ANSWERS_TIME = 150.0  # seconds; longer than the daemon waits for anything


def new_seed():
    seed = int(os.environ.get("FAULT_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"FAULT_SEED={seed}", flush=True)
    return random.Random(seed)


class IngestionTest(ApiTest):
    settings = {"job_lease_time": 10}
    # What a daemon says of children and a database that were killed.
    expected_errors = ("child_ended", "cluster_ended", "jobs_without_database",
                       "courier_without_database")

    def setUp(self):
        self.random = new_seed()
        self.renter, self.owner = self.tenant("stream")
        now = datetime.datetime.now(datetime.timezone.utc)
        self.now = now.replace(minute=0, second=0, microsecond=0)
        self.times = [(self.now - datetime.timedelta(minutes=15 * i)).strftime("%Y-%m-%dT%H:%M:%SZ")
                      for i in range(12)]
        self.subjects = [self.resource(self.owner, "software")["id"] for _ in range(3)]
        code = unique("meter")
        self.event_type = f"test.{code}"
        self.meter = self.expect(self.platform.post("/v1/meters", {
            "code": code, "name": "计量", "event_type": self.event_type, "aggregation": "sum",
            "value_property": "value", "unit": "X"}), 201)
        self.line = self.resource(self.owner, "broadband")
        self.stop = threading.Event()
        self.make_writers(tempfile.mkdtemp(prefix="journals"))

    def make_writers(self, directory):
        def seed():
            return self.random.randrange(1 << 32)

        self.event_writers = [EventWriter(self, name, size, directory, seed(), self.stop)
                              for name, size in (("batches-a", 40), ("batches-b", 40),
                                                 ("singles", 1))]
        self.server = AccessServer(self, unique("bras"), self.line, directory, seed(), self.stop)
        self.writers = [*self.event_writers, self.server]

    # ---- While it streams ----

    def await_answers(self):
        """Waits until each writer has had some more; a problem of one is told at once."""
        before = [writer.answers for writer in self.writers]

        def answered():
            for writer in self.writers:
                self.assertIsNone(writer.problem, writer.name)
            return all(writer.answers >= count + ANSWERS
                       for writer, count in zip(self.writers, before))

        self.eventually(answered, ANSWERS_TIME)

    @contextlib.contextmanager
    def streaming(self):
        """Usage comes in before, during and after what is done within."""
        for writer in self.writers:
            writer.start()
        try:
            self.await_answers()
            yield
            self.await_answers()
        finally:
            self.stop.set()
            for writer in self.writers:
                writer.join(120)
        for writer in self.writers:
            self.assertIsNone(writer.problem, writer.name)

    def try_database(self, call, sql):
        """What a method of the database gives, or True; None while there is no database."""
        try:
            found = call(self.database(), sql)
            return True if found is None else found
        except (AssertionError, OSError, IndexError):
            return None

    def hurry(self, kind):
        """Jobs of that kind that wait come to their turn at once. None while there is no database."""
        return self.try_database(Database.execute, "update operations set not_before = now() "
                                 f"where kind = '{kind}' and state = 'queued'; notify bccd_jobs")

    # ---- Afterwards ----

    def stored(self):
        rows = self.database().rows(
            "select id, count(*) as times, min(data ->> 'value') as value from events "
            f"where tenant_id = '{self.renter['id']}' group by id")
        self.assertEqual([row["id"] for row in rows if row["times"] > 1], [], "stored twice")
        return {row["id"]: int(row["value"]) for row in rows}

    def usage(self):
        usage = self.expect(self.owner.get("/v1/usage", query={
            "meter": self.meter["code"], "window": "month",
            "from": (self.now - datetime.timedelta(days=40)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "to": (self.now + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")}), 200)
        return sum(int(window["value"]) for window in usage["data"])

    def check_events(self):
        """Gives what was sent and what is stored."""
        sent, acknowledged = {}, set()
        for writer in self.event_writers:
            more, theirs = writer.journal.read()
            sent.update(more)
            acknowledged |= theirs
        stored = self.stored()
        self.assertEqual(acknowledged - set(stored), set(), "acknowledged, and lost")
        self.assertEqual({name: value for name, value in stored.items()
                          if sent.get(name) != value}, {}, "never sent")
        self.assertEqual(self.usage(), sum(stored.values()))
        return sent, stored

    def check_sessions(self):
        """Gives what is counted and the most that was sent."""
        least, most = self.server.totals()
        rows = self.database().rows(
            "select session_id, input_bytes::text, output_bytes::text from radius_sessions "
            f"where resource_id = '{self.line['id']}'")
        counted = {row["session_id"]: int(row["input_bytes"]) for row in rows}
        self.assertEqual(len(counted), len(rows), "a session stands there twice")
        for row in rows:
            self.assertEqual(int(row["output_bytes"]), 2 * int(row["input_bytes"]))
        for session, octets in most.items():
            if session in counted or least[session]:
                self.assertTrue(least[session] <= counted[session] <= octets,
                                f"{session}: {least[session]} {counted[session]} {octets}")
        total = self.database().value(
            "select coalesce(sum(input_bytes), 0)::text from radius_traffic "
            f"where resource_id = '{self.line['id']}'")
        self.assertEqual(int(total), sum(counted.values()))
        return counted, dict(most)

    def folded(self):
        self.assertEqual(self.usage(), sum(self.stored().values()))
        return self.database().value("select count(*) = 0 from usage_deltas "
                                     f"where tenant_id = '{self.renter['id']}'")

    def check_all(self):
        """Once the writers have stopped."""
        self.eventually(lambda: processes.all_serve(self.daemon))
        sent, stored = self.check_events()
        self.check_sessions()
        print(f"{len(sent)} events, {len(stored)} stored, {self.server.count} packets; "
              f"{sum(writer.failures for writer in self.writers)} attempts failed, "
              f"{sum(len(writer.open) for writer in self.writers)} portions unsettled")
        for writer in self.writers:
            writer.settle()
        sent, stored = self.check_events()
        self.assertEqual(stored, sent)
        counted, most = self.check_sessions()
        self.assertEqual(counted, most)
        self.assertTrue(self.hurry("fold_usage"))
        self.eventually(self.folded)
