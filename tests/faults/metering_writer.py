"""A client that sends all sorts of events, and knows what became of each that was acknowledged."""

import datetime
import random
import threading
import time

from metering_model import Event
from writers import BATCH, UNANSWERED

VOID = "center.usage.void"
SIZES = (1, 3, 20, 120)
USERS, TIES, TIE = 40, 0.1, 600 * 10 ** 6
LATE, ANY_TIME = 0.15, 0.02  # of batches: those of some hours long ago, and those whose events are of any time
LAST, ONE_TYPE = 0.3, 0.5  # those of the last hours, and those of one type: some of them are stored with others'
WITHIN = 6 * 3600 * 10 ** 6  # the events of all others
BAD_VALUES = ["-1", "NaN", "1e9", "", "0x1", "1234567890123456789", -5, None, [], {}, True]


class Writer(threading.Thread):
    """Of one tenant; nobody else uses its source. `events` are those that are stored, by id, and
    `voided` the ids of those that count no more. Its clock goes from the beginning of the span to its end
    while it sends `count` events."""

    def __init__(self, client, tenant, subjects, types, span, name, seed, stop, count):
        super().__init__(name=name, daemon=True)
        self.client, self.tenant, self.subjects, self.types, self.span = client, tenant, subjects, types, span
        self.random, self.stop = random.Random(seed), stop
        self.events, self.sent, self.order, self.voided = {}, {}, [], set()
        self.count = self.failures = self.requests = 0
        self.problem, self.pace = None, (span[1] - span[0]) // count
        self.sizes = SIZES if count < 10000 else SIZES + (1000,)

    def run(self):
        try:
            while not self.stop.is_set():
                self.send(self.compose())
        except Exception as problem:  # told by the test, which waits for this thread
            self.problem = problem

    # ---- What is sent ----

    def times(self):
        """Of a batch: from when to when its events are."""
        begins, ends = self.span
        chance = self.random.random()
        if chance < ANY_TIME:
            return begins, ends
        if chance < LATE:
            begins = self.random.randrange(begins, ends)
        elif chance < LATE + LAST:
            begins = ends
        else:
            begins += self.pace * self.count
        begins = min(begins, ends - WITHIN)
        return begins, begins + WITHIN

    def new_event(self, times, types):
        self.count += 1
        at = self.random.randrange(*times)
        if self.random.random() < TIES:
            at = max(times[0], at - at % TIE)
        value = self.random.randrange(10 ** 6) * self.random.choice((1, 25, 100))
        region = self.random.choice(("cn", "hk", "us", None))
        event = Event(self.tenant, self.random.choice(self.subjects), self.random.choice(types), at, value,
                      f"u{self.random.randrange(USERS)}", region)
        return f"e{self.count}", self.spell(f"e{self.count}", event), event

    def spell(self, identifier, event):
        whole, cents = divmod(event.value, 100)
        data = {"value": whole if cents == 0 else f"{whole}.{cents:02d}", "user": event.user}
        if event.region is not None:
            data["region"] = event.region
        return {"specversion": "1.0", "id": identifier, "source": f"/{self.name}", "type": event.type, "subject": event.subject,
                "time": spell_time(event.time), "data": data}

    def compose(self):
        """Rows of (what is sent, what must become of it, its id, the event or the id that it voids)."""
        rows, used, times, types = [], set(), self.times(), self.types
        if self.random.random() < ONE_TYPE:
            types = [self.random.choice(types)]
        for _ in range(self.random.choice(self.sizes)):
            chance = self.random.random()
            old = self.random.choice(self.order) if self.order else None
            if chance < 0.10 and old is not None and old not in used:
                used.add(old)
                rows.append((self.sent[old], "duplicate", old, None))
            elif chance < 0.14 and old is not None and old not in used:
                used.add(old)
                rows.append(({**self.sent[old], "time": spell_time(self.span[1] - 1)},
                             "conflict", old, None))
            elif chance < 0.22 and old in self.events and old not in self.voided and old not in used:
                used.add(old)
                self.count += 1
                void = {**self.sent[old], "id": f"e{self.count}", "type": VOID, "data": {"id": old}}
                rows.append((void, "accepted", f"e{self.count}", old))
            elif chance < 0.25:
                identifier, document, _ = self.new_event(times, types)
                bad = {**document, "data": {**document["data"], "value": self.random.choice(BAD_VALUES)}}
                if self.random.random() < 0.3:
                    bad = {**document, "subject": "nobody"}
                rows.append((bad, "rejected", identifier, None))
            else:
                identifier, document, event = self.new_event(times, types)
                rows.append((document, "accepted", identifier, event))
        return rows

    # ---- Until it is acknowledged ----

    def send(self, rows):
        again = False
        while not self.attempt([row[0] for row in rows], rows, again):
            again = True
            self.failures += 1
            time.sleep(0.1)

    def attempt(self, documents, rows, again):
        resent = self.client.resent
        try:
            answer = self.client.post("/v1/events", documents, content_type=BATCH, query={"partial": "true"})
        except UNANSWERED:
            return False
        if answer.status == 503:
            return False
        if answer.status != 200:
            raise AssertionError(repr(answer))
        self.requests += 1
        again = again or self.client.resent > resent
        verdicts = {each["index"]: each["state"] for each in answer.json["events"]}
        for place, (document, expected, identifier, what) in enumerate(rows):
            verdict = verdicts.get(place, "accepted")
            if verdict != expected and not (again and expected == "accepted" and verdict == "duplicate"):
                raise AssertionError(f"{self.name}: {document} is {verdict}, not {expected}: {answer!r}")
            if expected == "accepted":
                self.note(document, identifier, what)
        return True

    def note(self, document, identifier, what):
        self.sent[identifier] = document
        self.order.append(identifier)
        if isinstance(what, Event):
            self.events[identifier] = what
        else:
            self.voided.add(what)

    def counting(self):
        return [event for identifier, event in self.events.items() if identifier not in self.voided]


def spell_time(microseconds):
    at = datetime.datetime.fromtimestamp(microseconds // 10 ** 6, datetime.timezone.utc)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{microseconds % 10 ** 6:06d}Z"


def read_time(text):
    at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int(at.timestamp()) * 10 ** 6 + at.microsecond
