"""SIGKILL of any process while usage streams in: what was acknowledged is stored, and counts once.

Each writer keeps a journal of its own, synced line by line, as a client would have to:
"sent ID VALUE" before it sends, "acknowledged ID" once it has the answer. FAULT_SEED replays a run.
"""

import collections
import datetime
import http.client
import os
import random
import signal
import tempfile
import threading
import time
import unittest

import processes
from harness import ApiTest, unique

BATCH = "application/cloudevents-batch+json"
STREAM_TIME = 2.0  # seconds of undisturbed sending before the first kill, and after the last
PAUSES = (0.2, 1.8)  # seconds between two kills
VICTIMS = ("worker-1", "worker-2", "worker-1", "hasher", "jobs", "jobs-periodic", "jobs-periodic",
           "courier", "supervisor", "postmaster")
CHILDREN = {"worker-1", "worker-2", "hasher", "jobs", "jobs-periodic", "courier"}
START, INTERIM = 1, 3
# What a daemon says of children and a database that were killed.
PROVOKED = ("child_ended", "cluster_ended", "jobs_without_database", "courier_without_database")
SETTINGS = {"job_lease_time": 10}
UNANSWERED = (OSError, http.client.HTTPException)


def new_seed():
    seed = int(os.environ.get("FAULT_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"FAULT_SEED={seed}", flush=True)
    return random.Random(seed)


class Journal:
    """A file of what was sent and what was acknowledged; a line is on the disk before the next
    step."""

    def __init__(self, directory, name):
        self.path = os.path.join(directory, name)
        self.file = open(self.path, "w", encoding="utf-8")

    def write(self, lines):
        self.file.write("".join(line + "\n" for line in lines))
        self.file.flush()
        os.fsync(self.file.fileno())

    def sent(self, values):
        self.write(f"sent {name} {value}" for name, value in values.items())

    def acknowledged(self, names):
        self.write(f"acknowledged {name}" for name in names)

    def read(self):
        """Values by what was sent, and what of it was acknowledged."""
        sent, acknowledged = {}, set()
        with open(self.path, encoding="utf-8") as file:
            for line in file:
                word, name, *value = line.split()
                if word == "sent":
                    sent[name] = int(value[0])
                else:
                    acknowledged.add(name)
        return sent, acknowledged


class Writer(threading.Thread):
    """Sends until it is told to stop. What is not acknowledged it tries again, now or at the end."""

    def __init__(self, name, directory, seed, stop):
        super().__init__(name=name, daemon=True)
        self.random = random.Random(seed)
        self.journal = Journal(directory, name)
        self.stop = stop
        self.open = []  # not acknowledged
        self.failures = 0
        self.problem = None

    def run(self):
        try:
            self.stream()
        except Exception as problem:  # told by the test, which waits for this thread
            self.problem = problem

    def stream(self):
        while not self.stop.is_set():
            portion = self.next()
            self.journal.sent(portion)
            if not self.attempt(portion) and (self.random.random() < 0.5
                                              or not self.attempt(portion)):
                self.open.append(portion)

    def attempt(self, portion):
        try:
            answer = self.send(portion)
        except UNANSWERED:
            self.failures += 1
            time.sleep(0.05)
            return False
        if answer.status == 503 and answer.header("Retry-After") is not None:
            self.failures += 1
            time.sleep(0.2)
            return False
        self.judge(answer, portion)
        self.journal.acknowledged(portion)
        return True

    def settle(self):
        """Sends what is open until it is acknowledged."""
        deadline = time.monotonic() + 30
        for portion in self.open:
            while not self.attempt(portion):
                if time.monotonic() > deadline:
                    raise AssertionError(f"{self.name}: no answer any more")
        self.open = []


class EventWriter(Writer):
    def __init__(self, test, name, size, directory, seed, stop):
        super().__init__(name, directory, seed, stop)
        self.test, self.size = test, size
        self.client = test.client_of("developer", test.renter)
        self.count = 0

    def next(self):
        size = self.random.randint(1, self.size)
        self.count += size
        return {f"{self.name}-{self.count - i}": self.random.randint(1, 1000)
                for i in range(size)}

    def event(self, name, value):
        # By its name, so that a repetition is the same to the letter.
        place = int(name.rpartition("-")[2])
        test = self.test
        return {"specversion": "1.0", "id": name, "source": "/faults", "type": test.event_type,
                "subject": test.subjects[place % len(test.subjects)],
                "time": test.times[place % len(test.times)], "data": {"value": str(value)}}

    def send(self, portion):
        return self.client.post("/v1/events", [self.event(*pair) for pair in portion.items()],
                                content_type=BATCH)

    def judge(self, answer, portion):
        if answer.status != 200:
            raise AssertionError(repr(answer))
        receipt = answer.json
        if (receipt["conflicts"], receipt["rejected"]) != (0, 0) or \
                receipt["accepted"] + receipt["duplicates"] != len(portion):
            raise AssertionError(repr(answer))


class AccessServer(Writer):
    """Counters of one session after another, which only grow; a packet that was not acknowledged
    may come after later ones."""

    PACKETS = 20  # of a session

    def __init__(self, test, name, line, directory, seed, stop):
        super().__init__(name, directory, seed, stop)
        self.line, self.client, self.base = line, test.radius(), int(time.time()) - 3600
        self.count = self.bytes = 0

    def next(self):
        if self.count % self.PACKETS == 0:
            self.bytes = 0
        elif self.random.random() < 0.9:
            self.bytes += self.random.randint(1, 10000)
        self.count += 1
        return {f"{self.name}-{self.count}": self.bytes}

    def send(self, portion):
        [(name, octets)] = portion.items()
        place = int(name.rpartition("-")[2]) - 1
        values = {"User-Name": self.line["broadband"]["login"], "NAS-Identifier": self.name,
                  "NAS-IP-Address": "192.0.2.9",
                  "Acct-Status-Type": START if place % self.PACKETS == 0 else INTERIM,
                  "Acct-Session-Id": f"s{place // self.PACKETS}",
                  "Acct-Input-Octets64": str(octets), "Acct-Output-Octets64": str(2 * octets),
                  "Event-Timestamp": time.strftime("%b %d %Y %H:%M:%S UTC",
                                                   time.gmtime(self.base + place))}
        return self.client.post("/radius/v1/accounting", {
            name: {"type": "string", "value": [value]} for name, value in values.items()})

    def judge(self, answer, portion):
        if answer.status != 204:
            raise AssertionError(repr(answer))

    def totals(self):
        """The input counters that sessions have by what was acknowledged, and by what was sent."""
        sent, acknowledged = self.journal.read()
        least, most = collections.Counter(), collections.Counter()
        for name, octets in sent.items():
            session = f"s{(int(name.rpartition('-')[2]) - 1) // self.PACKETS}"
            most[session] = max(most[session], octets)
            if name in acknowledged:
                least[session] = max(least[session], octets)
        return least, most


class KillsTest(ApiTest):
    settings = SETTINGS
    expected_errors = PROVOKED

    def setUp(self):
        self.random = new_seed()
        self.renter, self.owner = self.tenant("kills")
        self.directory = tempfile.mkdtemp(prefix="journals")
        now = datetime.datetime.now(datetime.timezone.utc)
        self.now = now.replace(minute=0, second=0, microsecond=0)
        self.times = [(self.now - datetime.timedelta(minutes=15 * i)).strftime("%Y-%m-%dT%H:%M:%SZ")
                      for i in range(12)]

    def kill(self, name):
        """It is gone when this comes back."""
        if name == "supervisor":
            processes.kill_supervisor(self.daemon)
            self.daemon.start()
        else:
            processes.kill(processes.find(self.daemon, name))

    def alive(self):
        return self.daemon.is_ready() and CHILDREN <= set(processes.named(self.daemon))


class Ingestion(KillsTest):
    def prepare(self):
        self.subjects = [self.resource(self.owner, "software")["id"] for _ in range(3)]
        code = unique("meter")
        self.event_type = f"test.{code}"
        self.meter = self.expect(self.platform.post("/v1/meters", {
            "code": code, "name": "计量", "event_type": self.event_type, "aggregation": "sum",
            "value_property": "value", "unit": "X"}), 201)
        self.line = self.resource(self.owner, "broadband")

    def writers(self, stop):
        def seed():
            return self.random.randrange(1 << 32)

        events = [EventWriter(self, name, size, self.directory, seed(), stop)
                  for name, size in (("batches-a", 40), ("batches-b", 40), ("singles", 1))]
        return events, AccessServer(self, unique("bras"), self.line, self.directory, seed(), stop)

    def fold_now(self):
        """The folder of usage comes to its next turn at once. False while there is no database."""
        try:
            self.database().execute("update operations set not_before = now() "
                                    "where kind = 'fold_usage' and state = 'queued'; "
                                    "notify bccd_jobs")
            return True
        except (AssertionError, OSError, IndexError):
            return False

    def kill_all(self):
        victims = list(VICTIMS)
        self.random.shuffle(victims)
        for victim in victims:
            time.sleep(self.random.uniform(*PAUSES))
            if victim == "jobs-periodic":
                self.eventually(self.fold_now)
                time.sleep(self.random.uniform(0, 0.02))
            print(f"SIGKILL {victim}", flush=True)
            self.kill(victim)

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

    def check_events(self, writers):
        """Gives what was sent and what is stored."""
        sent, acknowledged = {}, set()
        for writer in writers:
            more, theirs = writer.journal.read()
            sent.update(more)
            acknowledged |= theirs
        stored = self.stored()
        self.assertEqual(acknowledged - set(stored), set(), "acknowledged, and lost")
        self.assertEqual({name: value for name, value in stored.items()
                          if sent.get(name) != value}, {}, "never sent")
        self.assertEqual(self.usage(), sum(stored.values()))
        return sent, stored

    def check_sessions(self, server):
        """Gives what is counted and the most that was sent."""
        least, most = server.totals()
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

    def test_nothing_acknowledged_is_lost_and_nothing_counts_twice(self):
        self.prepare()
        stop = threading.Event()
        writers, server = self.writers(stop)
        for writer in (*writers, server):
            writer.start()
        try:
            time.sleep(STREAM_TIME)
            self.kill_all()
            time.sleep(STREAM_TIME)
        finally:
            stop.set()
            for writer in (*writers, server):
                writer.join(120)
        for writer in (*writers, server):
            self.assertIsNone(writer.problem, writer.name)
        self.eventually(self.alive)
        sent, stored = self.check_events(writers)
        self.check_sessions(server)
        unsettled = sum(len(writer.open) for writer in (*writers, server))
        print(f"{len(sent)} events, {len(stored)} stored, {server.count} packets; "
              f"{sum(writer.failures for writer in (*writers, server))} attempts failed, "
              f"{unsettled} portions unsettled")
        self.assertGreater(len(stored), 100)
        for writer in (*writers, server):
            writer.settle()
        sent, stored = self.check_events(writers)
        self.assertEqual(stored, sent)
        counted, most = self.check_sessions(server)
        self.assertEqual(counted, most)
        self.assertTrue(self.fold_now())
        self.eventually(self.folded)
        user = self.user(self.renter)
        login = {"email": user["email"], "password": user["password"]}
        self.expect(self.stranger().post("/v1/sessions", login), 201)


class CrashLoop(KillsTest):
    KILLS = 6  # makes a loop, and the next start seconds away

    def test_a_sibling_serves_for_it(self):
        for _ in range(self.KILLS):
            self.kill("worker-1")
        self.kill("worker-2")  # what takes its place is asked to help as soon as it is there
        self.eventually(lambda: any(each["event"] == "serving_sibling"
                                    for each in self.daemon.events()))
        alone = 0
        while alone < 12:  # answers, of which some come from its socket
            returned = processes.named(self.daemon).get("worker-1")
            if returned is not None:
                processes.kill(returned)
            self.expect(self.stranger().get("/livez"), 200)
            alone += "worker-1" not in processes.named(self.daemon)
        ended = [each for each in self.daemon.events() if each["event"] == "child_ended"]
        self.assertEqual({each["signal"] for each in ended}, {signal.SIGKILL})
        self.eventually(self.alive)


class Billing(KillsTest):
    ACCOUNTS = 60
    KILLS = 2

    def rent(self, tenant, plan, since):
        body = {"effective_at": since}
        resource = self.expect(self.platform.post("/v1/resources", {
            "kind": "software", "tenant": tenant["id"], "offering_id": plan["offering"]["id"],
            "plan_id": plan["plan"]["id"], "name": "CRM", "software": {"seats": 1}, **body}), 201)
        for action in ("approve", "provision", "activate"):
            self.act(resource, action, body)

    def accounts(self, since):
        plan = self.offer("software")
        made = []
        for _ in range(self.ACCOUNTS):
            tenant = self.shared.create("/v1/tenants", {
                "park_id": self.park()["id"], "code": unique("account"), "name": "账户"})
            self.rent(tenant, plan, since)
            made.append(tenant["id"])
        return made

    def interrupt(self, operation, least):
        """Kills the runner after `least` accounts at the earliest; how many were billed then."""
        self.eventually(lambda: self.progress(operation) >= least)
        runner = processes.find(self.daemon, "jobs")
        os.kill(runner, signal.SIGSTOP)  # that it is in the middle is seen while it cannot move
        done = self.progress(operation)
        state = self.database().value(f"select state from operations where id = '{operation}'")
        print(f"SIGKILL jobs after {done} accounts")
        processes.kill(runner)
        self.assertEqual(state, "running")
        self.assertLess(done, self.ACCOUNTS)
        return done

    def progress(self, operation):
        return self.database().value(f"select done from operations where id = '{operation}'")

    def test_an_interrupted_run_bills_each_account_once(self):
        now = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=8)))
        last = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        first = (last - datetime.timedelta(days=1)).replace(day=1)
        period = first.strftime("%Y-%m")
        accounts = self.accounts(first.isoformat())
        # So slow that there is time to kill in the middle, on whatever machine.
        self.database().execute("""
            create function slow_down() returns trigger language plpgsql as
                $$ begin perform pg_sleep(0.3); return new; end $$;
            create trigger slow before insert on invoices for each row execute function slow_down()""")
        answer = self.platform.post("/v1/billing-runs", {"period": period, "finalize": True})
        self.expect(answer, 202)
        operation = answer.header("Location").rpartition("/")[2]
        least = self.random.randint(1, 10)
        for _ in range(self.KILLS):
            least = self.interrupt(operation, least) + 1
        self.database().execute("drop trigger slow on invoices")
        ended = self.operation(operation)
        self.assertEqual(ended["state"], "succeeded", ended)
        rows = self.database().rows("select tenant_id, state, number from invoices "
                                    f"where period = '{period}' order by number")
        billed = [row["tenant_id"] for row in rows]
        self.assertEqual(sorted(set(billed) & set(accounts)), sorted(accounts))
        self.assertEqual(len(billed), len(set(billed)), "an account has two invoices")
        self.assertEqual({row["state"] for row in rows}, {"finalized"})
        places = [int(row["number"].rpartition("-")[2]) for row in rows]
        self.assertEqual(places, list(range(1, len(places) + 1)))
        run = self.expect(self.platform.get("/v1/billing-runs", query={"period": period}), 200)
        self.assertEqual([(each["state"], each["accounts"], each["invoices"]) for each in run["data"]],
                         [("succeeded", len(rows), len(rows))])


if __name__ == "__main__":
    unittest.main()
