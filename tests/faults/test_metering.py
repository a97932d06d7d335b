"""Random events of all sorts, in part late, twice, in conflict, void or invalid, while processes and PostgreSQL are killed, a
month is closed, and meters are made and computed back: for every meter and window, usage is what a plain recomputation from
the acknowledged events gives, and nothing that was acknowledged is missing. FAULT_SEED replays a run, METERING_EVENTS makes it
longer."""

import datetime
import os
import threading
import time
import unittest
from fractions import Fraction

import processes
from harness import ApiTest, unique
from ingestion import new_seed
from metering_model import FILTERED, GROUPS, THIRD, Meter, Recomputation
from metering_writer import UNANSWERED, Writer, read_time

EVENTS = int(os.environ.get("METERING_EVENTS", "8000"))
WRITERS, RESOURCES = 4, 3  # writers share two tenants
VICTIMS = ("worker-1", "worker-2", "jobs", "jobs-periodic", "backend", "postmaster")
SHANGHAI = datetime.timezone(datetime.timedelta(hours=8))
KINDS = [("sum", {}), ("count", {}), ("max", {}), ("min", {}), ("latest", {}), ("unique", {"value_property": "user"}),
         ("sum", FILTERED), ("max", FILTERED), ("unique", {"value_property": "user", **FILTERED}), ("sum", THIRD),
         ("p95", {}), ("p95", FILTERED), ("time_weighted", {}), ("time_weighted", FILTERED)]
MADE_LATER = KINDS[4:8] + KINDS[-2:]  # twenty of a type at most


def exact(text):
    return None if text is None else Fraction(text)


class MeteringTest(ApiTest):
    settings = {"job_lease_time": 10}
    # A backend may outlive its postmaster for a moment, in which the next one cannot start.
    expected_errors = ("child_ended", "cluster_ended", "cluster_failed", "jobs_without_database", "courier_without_database")

    def setUp(self):
        self.random = new_seed()
        self.types = [unique("test.load"), unique("test.use")]
        self.meters = [self.make(kind, of_type, fields) for kind, fields in KINDS for of_type in self.types
                       if kind != "time_weighted" or of_type == self.types[0]]
        self.first_meters = len(self.meters)
        today = datetime.datetime.now(SHANGHAI)
        first = today.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        before = (first - datetime.timedelta(days=1)).replace(day=1)
        self.closed = before.strftime("%Y-%m")
        self.begins = before.astimezone(datetime.timezone.utc)
        self.ends = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        self.stop = threading.Event()
        self.tenants = [self.tenant(f"metered-{place}") for place in range(2)]
        self.writers = [self.make_writer(place) for place in range(WRITERS)]

    def make(self, kind, of_type, fields):
        return Meter(self.insist("/v1/meters", {
            "code": unique("meter"), "name": "计量", "event_type": of_type, "aggregation": kind, "unit": "X",
            **({} if kind == "count" else {"value_property": "value"}), **fields}, 201))

    def insist(self, path, body, status):
        """Until there is an answer, whatever is killed meanwhile."""
        key = unique("key")
        while True:
            try:
                answer = self.platform.post(path, body, headers={"Idempotency-Key": key})
            except UNANSWERED:
                time.sleep(0.2)
                continue
            if answer.status != 503:
                return self.expect(answer, status)
            time.sleep(0.2)

    def make_writer(self, place):
        tenant, owner = self.tenants[place % len(self.tenants)]
        if place < len(self.tenants):
            self.subjects = getattr(self, "subjects", {})
            self.subjects[tenant["id"]] = [self.resource(owner, "software")["id"] for _ in range(RESOURCES)]
        span = (int(self.begins.timestamp()) * 10 ** 6, int(self.ends.timestamp()) * 10 ** 6)
        return Writer(self.client_of("developer", tenant), tenant["id"], self.subjects[tenant["id"]], self.types, span,
                      f"writer-{place}-{unique('run')}", self.random.randrange(1 << 32), self.stop, EVENTS // WRITERS)

    # ---- While it streams ----

    def stored(self):
        for writer in self.writers:
            self.assertIsNone(writer.problem, writer.name)
        return sum(len(writer.order) for writer in self.writers)

    def await_events(self, count):
        while self.stored() < count:
            time.sleep(0.1)

    def kill(self, victim):
        print(f"SIGKILL {victim} at {self.stored()} events", flush=True)
        if victim == "backend":
            processes.kill(self.random.choice(self.eventually(lambda: processes.backends(self.daemon))))
        else:
            processes.kill(processes.find(self.daemon, victim))

    def close_month(self):
        self.assertEqual(self.bill(self.closed, finalize=True)["state"], "succeeded")
        answer = self.platform.post(f"/v1/periods/{self.closed}/close")
        self.expect(answer, 202)
        closed = self.operation(answer)
        self.assertEqual(closed["state"], "succeeded", closed)

    def begin_back_computation(self):
        made = [self.make(kind, self.types[0], fields) for kind, fields in MADE_LATER]
        self.meters += made
        for meter in made:
            found = self.expect(self.platform.get("/v1/meters", query={"code": meter.code}), 200)["data"][0]
            self.insist(f"/v1/meters/{found['id']}/back-compute", None, 202)

    # ---- Afterwards ----

    def computed_back(self):
        documents = {each["code"]: each for each in self.platform.all("/v1/meters")}
        return all(documents[meter.code]["back_computed_at"] for meter in self.meters[self.first_meters:])

    def check_events(self):
        for tenant, _ in self.tenants:
            rows = self.database().rows(f"""
                select e.source || ' ' || e.id as key, count(*) as times, bool_or(e.voided_in is not null) as voided
                from events e where e.tenant_id = '{tenant["id"]}' group by 1""")
            stored = {row["key"]: row["voided"] for row in rows}
            self.assertEqual([row["key"] for row in rows if row["times"] > 1], [], "stored twice")
            expected = {f"/{writer.name} {identifier}": identifier in writer.voided
                        for writer in self.writers if writer.tenant == tenant["id"] for identifier in writer.order}
            self.assertEqual(stored, expected)

    def check_usage(self, counting):
        compared = 0
        for meter in self.meters:
            for tenant, owner in self.tenants:
                for window, zone in (("day", "Asia/Shanghai"), ("day", "Asia/Kathmandu"), ("month", "UTC"), ("hour", "UTC")):
                    compared += self.check_windows(counting, meter, tenant, owner, window, zone)
        print(f"{compared} values agree", flush=True)

    def check_windows(self, counting, meter, tenant, owner, window, zone):
        begins = self.ends - datetime.timedelta(days=30) if window == "hour" else self.begins
        # What is held goes on; all else ends with what was sent.
        ends = self.ends if meter.aggregation == "time_weighted" else self.ends + datetime.timedelta(hours=1)
        query = {"meter": meter.code, "window": window, "time_zone": zone,
                 "from": begins.strftime("%Y-%m-%dT%H:00:00Z"), "to": ends.strftime("%Y-%m-%dT%H:00:00Z")}

        def ask(**more):  # the answers of hours are long, and their contract is that of months
            return self.expect(owner.get("/v1/usage", query={**query, **more}, check=window != "hour"), 200)["data"]

        data = ask()
        windows = [(read_time(each["from"]), read_time(each["to"])) for each in data]
        self.assertEqual([end for _, end in windows[:-1]], [begin for begin, _ in windows[1:]])
        found = [exact(each["value"]) for each in data]
        expected = counting.windows(meter, tenant["id"], windows, "")
        self.assertEqual(found, [expected.get((place, GROUPS[""](None)), meter.add_up([])) for place in range(len(windows))],
                         f"{meter.aggregation} {meter.code} by {window} of {zone}")
        places = {window: place for place, window in enumerate(windows)}
        for by in ("subject", "region", "region,subject") if meter.by_region else ("subject",):
            grouped = {(places[read_time(each["from"]), read_time(each["to"])],
                        (each.get("subject"), each.get("dimensions", {}).get("region"))): exact(each["value"])
                       for each in ask(group_by=by)}
            self.assertEqual(grouped, counting.windows(meter, tenant["id"], windows, by),
                             f"{meter.aggregation} {meter.code} by {window} of {zone}, {by}")
            found += grouped
        return len(found)

    def fold(self):
        self.database().execute("update operations set not_before = now() where kind = 'fold_usage' and state = 'queued'")
        self.eventually(lambda: self.database().value("select count(*) from usage_deltas") == 0, 120)

    def test_usage_is_what_was_acknowledged(self):
        for writer in self.writers:
            writer.start()
        try:
            self.await_events(EVENTS // 4)
            self.close_month()
            self.await_events(EVENTS // 3)
            kills = max(10, EVENTS // 10000)
            for turn in range(kills):
                self.await_events(EVENTS // 3 + turn * EVENTS * 2 // 3 // kills)
                if turn == kills // 3:
                    self.begin_back_computation()
                time.sleep(self.random.uniform(0, 0.5))
                self.kill(self.random.choice(VICTIMS))
            self.await_events(EVENTS)
        finally:
            self.stop.set()
            for writer in self.writers:
                writer.join(180)
        self.eventually(lambda: processes.all_serve(self.daemon))
        self.eventually(self.computed_back, 120)
        print(f"{self.stored()} events stored, {sum(len(writer.voided) for writer in self.writers)} of them voided, "
              f"{sum(writer.requests for writer in self.writers)} requests, "
              f"{sum(writer.failures for writer in self.writers)} attempts failed", flush=True)
        self.check_events()
        counting = Recomputation(event for writer in self.writers for event in writer.counting())
        self.check_usage(counting)
        self.fold()
        self.check_usage(counting)


if __name__ == "__main__":
    unittest.main()
