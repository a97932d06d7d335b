"""A client that takes operations in random order. What was not answered it repeats with the same key
until it is: then it must have the one result of the one time that it was done."""

import collections
import concurrent.futures
import http.client
import random
import threading
import time

from client import Client

UNANSWERED = (OSError, http.client.HTTPException)
PATIENCE = 120.0  # seconds for one answer, however often it is asked for
CHOICES = 200  # that are tried until one can be taken
TWICE = 0.05  # of what has a key is sent by two at once
REMEMBERED = 30  # answers that may be asked for again


class PlainClient(Client):
    """Sends once: whoever uses it must know that it repeats."""

    def exchange(self, method, target, body, headers):
        connection = getattr(self.local, "connection", None)
        try:
            if connection is None or connection.sock is None:
                connection = self.local.connection = self.connect()
            connection.request(method, target, body=body, headers=headers)
            response = connection.getresponse()
            return response, response.read()
        except Exception:
            self.close()
            raise


class Speaker:
    """A credential: its client, its side, and its name in histories."""

    def __init__(self, client, side, actor, tenant=None):
        self.client, self.side, self.actor, self.tenant = client, side, actor, tenant


class Call:
    """What is sent, the code that it must be refused with, and what it makes of the model.

    stock: what is taken of it; then a refusal with the stock's code is right where it can have been
    empty. settled: for what takes no key, whether the object shows that it was done. key: one that was
    answered before."""

    def __init__(self, speaker, method, path, body=None, refusal=None, effect=None, if_match=None,
                 stock=None, settled=None, key=None, content_type="application/json"):
        self.speaker, self.method, self.path, self.body = speaker, method, path, body
        self.refusal, self.effect, self.if_match = refusal, effect, if_match
        self.stock, self.settled, self.key, self.content_type = stock, settled, key, content_type

    @property
    def takes_key(self):
        return self.method == "POST" and self.settled is None


class Walker(threading.Thread):
    def __init__(self, name, part, seed, run):
        super().__init__(name=name, daemon=True)
        self.part, self.random, self.run_of = part, random.Random(seed), run
        self.done, self.refused = collections.Counter(), collections.Counter()
        self.repeats = self.doubles = 0
        self.answered = collections.deque(maxlen=REMEMBERED)  # calls, keys and answers
        self.other = concurrent.futures.ThreadPoolExecutor(1)
        self.count = 0  # of names
        self.problem = self.last = None

    def unique(self, prefix):
        self.count += 1
        return f"{prefix}-{self.part.name}-{self.count}"

    # ---- Speaking ----

    def once(self, call, key):
        """None where it was not answered, or not finally."""
        headers = {"Idempotency-Key": key if call.takes_key else None} if call.method == "POST" else {}
        try:
            answer = call.speaker.client.request(
                call.method, call.path, call.body, headers=headers, if_match=call.if_match,
                content_type=call.content_type)
        except UNANSWERED:
            return None
        final = answer.status != 503 and not (
            answer.status == 409 and answer.code == "idempotency_in_progress")
        return answer if final else None

    def ask(self, call):
        """The answer, and whether it took more than one attempt."""
        key = call.key or f"{self.random.getrandbits(128):032x}"
        double = None
        if call.takes_key and call.key is None and self.random.random() < TWICE:
            double = self.other.submit(self.once, call, key)
        answer, repeated = self.insist(call, key)
        if double is not None:
            self.doubles += 1
            repeated = True
            answer = self.one_of(call, answer, double.result() or self.insist(call, key)[0])
        if call.takes_key and answer.status < 300:
            self.answered.append((call, key, answer))
        return answer, repeated

    def one_of(self, call, answer, other):
        """Both were sent with one key. Of a refusal nothing is kept: what comes back to a stock
        between the two is the second one's."""
        if answer.status < 300 and other.status < 300:
            assert other.body == answer.body, (other, answer)
        elif call.stock is None:
            assert other.code == answer.code, (other, answer)
        return answer if answer.status < 300 else other

    def insist(self, call, key):
        deadline, repeated = time.monotonic() + PATIENCE, False
        while True:
            answer = self.once(call, key)
            if answer is not None:
                return answer, repeated
            if time.monotonic() > deadline:
                raise AssertionError(f"no answer any more: {call.method} {call.path}")
            self.repeats += 1
            repeated = True
            time.sleep(0.02)

    def get(self, speaker, path):
        answer, _ = self.ask(Call(speaker, "GET", path))
        if answer.status != 200:
            raise AssertionError(repr(answer))
        return answer

    def take(self, name, call):
        taker = call.stock.begin() if call.stock is not None else None
        answer, repeated = self.ask(call)
        good = answer.status < 300
        assert repeated or call.key or answer.header("Idempotency-Replayed") is None, repr(answer)
        if taker is not None:
            call.stock.end(taker, good)
        if good or (call.settled is not None and repeated and call.refusal is None
                    and call.settled(answer)):
            if call.refusal is not None:
                raise AssertionError(f"{name}: not refused with {call.refusal}: {call.body} {answer!r}")
            self.done[name] += 1
            call.effect(answer)
            return
        right = answer.code == call.refusal or (
            taker is not None and call.refusal is None and answer.code == call.stock.code
            and taker.lowest <= 0)
        if not right:
            raise AssertionError(f"{name}: {call.refusal} expected, {taker and taker.lowest} left: "
                                 f"{call.body} {answer!r}")
        self.refused[name, answer.code] += 1

    # ---- Walking ----

    def step(self):
        table = self.run_of.table
        for _ in range(CHOICES):
            action = self.random.choices(table, self.run_of.weights)[0]
            call = action.make(self)
            if call is not None:
                self.last = f"{action.name} {call.method} {call.path} {call.body}"
                self.take(action.name, call)
                return
        raise AssertionError("nothing can be done any more")

    def run(self):
        try:
            while self.run_of.next_step():
                self.step()
        except threading.BrokenBarrierError:
            pass
        except Exception as problem:  # told by the test, which waits for this thread
            self.problem = problem
            self.run_of.give_up()
