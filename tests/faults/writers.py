"""Clients that send usage without pause and note what was acknowledged.

Each keeps a journal of its own, synced line by line, as a client would have to: "sent ID VALUE"
before it sends, "acknowledged ID" once it has the answer.
"""

import collections
import http.client
import os
import random
import threading
import time

BATCH = "application/cloudevents-batch+json"
START, INTERIM = 1, 3
UNANSWERED = (OSError, http.client.HTTPException)


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
        self.answers = self.failures = 0
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
        self.answers += 1
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
    """Events in batches of a random size."""

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
