"""Two daemons on one database take events of the same tenants, void them, and fold, while one of them is killed and started
again: each event counts once, and is seen by the next query, whichever daemon is asked."""

import datetime
import os
import random
import shutil
import threading
import time
import unittest

from client import Client
from daemon import Daemon
from harness import ApiTest, unique
from ingestion import new_seed

THREADS, TURNS, EVENTS = 6, 30, 20
STEP = datetime.timedelta(minutes=15)
KINDS = ("sum", "count", "max", "unique", "p95")


class TwoDaemonsTest(ApiTest):
    # One is killed: its connections break, and its jobs.
    expected_errors = ("child_ended",)

    def setUp(self):
        self.random = new_seed()
        self.other = Daemon({"database": f"host={self.database().socket_directory()} dbname=bccd",
                             "master_key_file": os.path.join(self.daemon.state, "master.key")})
        self.addCleanup(shutil.rmtree, self.other.directory, ignore_errors=True)
        self.addCleanup(self.end_other)
        self.other.start()
        _, owner = self.tenant("two")
        self.clients = [owner, self.on_other(owner.key)]
        self.resource = self.resource(owner, "software")
        self.type = unique("test.two")
        self.meters = {kind: self.expect(self.platform.post("/v1/meters", {
            "code": unique("meter"), "name": "计量", "event_type": self.type, "aggregation": kind, "unit": "X",
            **({} if kind == "count" else {"value_property": "value"})}), 201) for kind in KINDS}
        now = datetime.datetime.now(datetime.timezone.utc).replace(minute=0, second=0, microsecond=0)
        self.begin = now - 8 * STEP
        self.known, self.lock, self.stop = {}, threading.Lock(), threading.Event()

    def end_other(self):
        self.other.end(self.expected_errors)

    def on_other(self, key):
        return Client(self.contract, self.other.port, self.other.authority, key)

    def event(self, identifier, value, time_of):
        return {"specversion": "1.0", "id": identifier, "source": "/two", "type": self.type,
                "subject": self.resource["id"], "time": time_of.isoformat(), "data": {"value": str(value)}}

    def send(self, source, client, batch):
        """Until one of the two answers."""
        while True:
            try:
                answer = client.post("/v1/events", batch, content_type="application/cloudevents-batch+json")
                if answer.status == 200:
                    return answer.json
                if answer.status != 503:
                    self.fail(repr(answer))
            except OSError:
                pass
            client = source.choice(self.clients)

    def run_sender(self, place, seed):
        source = random.Random(seed)
        for turn in range(TURNS):
            batch = [self.event(f"{place}-{turn}-{each}", source.randrange(1000), self.begin + source.randrange(100) * STEP / 20)
                     for each in range(source.choice((1, 3, EVENTS)))]
            for client in source.sample(self.clients, 2):  # both get it
                receipt = self.send(source, client, batch)
                self.assertEqual((receipt["accepted"] + receipt["duplicates"], receipt["conflicts"]), (len(batch), 0), receipt)
            with self.lock:
                self.known.update({each["id"]: each for each in batch})
            if source.random() < 0.3:
                target = batch[0]["id"]
                void = {**self.event(f"void-{target}", 0, self.begin), "type": "center.usage.void", "data": {"id": target}}
                self.send(source, source.choice(self.clients), [void])
                with self.lock:
                    del self.known[target]

    def fold(self):
        """Both are made to fold and to keep the partitions, again and again."""
        while not self.stop.is_set():
            self.database().execute("""update operations set not_before = now()
                                       where kind in ('fold_usage', 'keep_events') and state = 'queued'""")
            time.sleep(0.2)

    def kill_other(self):
        time.sleep(1)
        self.other.process.kill()
        self.other.process.wait()
        self.other.start()

    def expected(self):
        values = [int(each["data"]["value"]) for each in self.known.values()]
        rates = {}
        for each in self.known.values():
            slot = int(datetime.datetime.fromisoformat(each["time"]).timestamp()) // 300
            rates[slot] = max(rates.get(slot, 0), int(each["data"]["value"]))
        rates = sorted(rates.values(), reverse=True)
        return {"sum": sum(values), "count": len(values), "max": max(values), "unique": len(set(values)),
                "p95": rates[len(rates) * 5 // 100]}

    def found(self, client):
        """One window: it is a whole month of a year that begins before and ends after."""
        begin = self.begin.replace(hour=0) - datetime.timedelta(days=1)
        values = {}
        for kind, meter in self.meters.items():
            usage = self.expect(client.get("/v1/usage", query={
                "meter": meter["code"], "window": "month", "from": begin.isoformat(),
                "to": (begin + datetime.timedelta(days=4)).isoformat()}), 200)
            values[kind] = [int(window["value"]) for window in usage["data"] if window["value"] is not None]
        return values

    def test_each_counts_once(self):
        threads = [threading.Thread(target=self.run_sender, args=(place, self.random.random())) for place in range(THREADS)]
        folder, killer = threading.Thread(target=self.fold), threading.Thread(target=self.kill_other)
        for thread in (*threads, folder, killer):
            thread.start()
        for thread in (*threads, killer):
            thread.join()
        for client in self.clients:  # with deltas that are not folded yet
            self.compare(self.found(client))
        self.eventually(lambda: self.database().value("select count(*) from usage_deltas") == 0)
        self.stop.set()
        folder.join()
        for client in self.clients:
            self.compare(self.found(client))
        stored = self.database().rows("""
            select sum(n_tup_upd)::integer as changed from pg_stat_user_tables
            where relname = 'event_keys' or relname like 'event_batches%'""")
        self.assertEqual(stored, [{"changed": 0}])  # there is nothing to vacuum in what only grows
        days = self.database().value("select count(*) from pg_inherits where inhparent = 'event_batches'::regclass")
        self.assertGreaterEqual(days, 30)

    def compare(self, found):
        expected = self.expected()
        for kind in ("sum", "count"):
            self.assertEqual(sum(found[kind]), expected[kind], kind)
        if len(found["sum"]) == 1:  # no month ended meanwhile
            self.assertEqual({kind: values[0] for kind, values in found.items()}, expected)


if __name__ == "__main__":
    unittest.main()
