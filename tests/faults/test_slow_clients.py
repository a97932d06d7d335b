"""Hundreds of clients that are slow on purpose, from one address: as many as it may have are held,
each until its deadline and in little memory, and all others are served meanwhile."""

import os
import unittest
from unittest import mock

import processes
from crowd import Crowd, SlowClient, live_clients
from harness import ApiTest, unique

WORKERS = ("worker-1", "worker-2")
SLOW_ADDRESS = "127.0.0.9"
CAP = 100  # connections of one address, a worker
TRIED = 300  # so many that each worker meets its cap
LIVE = 6
PAUSE = 0.2  # seconds between two bytes of one client
KIBIBYTE, MEBIBYTE = 1024, 1024 * 1024
DEADLINE = 4.0  # seconds, of heads and of writing
BODY_GRACE = 5.0  # seconds before the rate of a body counts
# Seconds that a deadline may be early, since timers begin with a turn of the event loop, and late on a
# busy machine; no other deadline lies within.
EARLY, LATE = 0.5, 25.0
BODY_MEMORY = 16 * MEBIBYTE
# Of a worker, with sanitizers: for TLS and a head; for live clients; for pages on their way from the
# database.
CONNECTION_MEMORY, LIVE_MEMORY, PAGES_MEMORY = 64 * KIBIBYTE, 8 * MEBIBYTE, 24 * MEBIBYTE
EVENTS, NOTE = 64, 15000  # a page of a megabyte
PAGE = "/v1/events?limit=100"


class SlowTest(ApiTest):
    settings = {"connections_address": CAP, "head_timeout": int(DEADLINE * 1000),
                "write_timeout": int(DEADLINE * 1000), "body_memory": BODY_MEMORY}

    @classmethod
    def setUpClass(cls):
        # What was freed would count as memory for as long as AddressSanitizer keeps it back.
        options = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"
        with mock.patch.dict(os.environ, ASAN_OPTIONS=options):
            super().setUpClass()

    def setUp(self):
        _, self.owner = self.tenant()
        self.workers = [processes.find(self.daemon, name) for name in WORKERS]
        self.before = self.most = self.memory()

    def memory(self):
        return [processes.memory(worker) for worker in self.workers]

    def note_memory(self):
        self.most = [max(pair) for pair in zip(self.most, self.memory())]

    def refused(self):
        return self.daemon.metrics()["bccd_connections_refused_total"]

    def crowd(self, narrow=False):
        """As many as both workers take; the others were refused and counted."""
        before = self.refused()
        crowd = Crowd(self.daemon, SLOW_ADDRESS, TRIED, narrow)
        self.addCleanup(crowd.close)
        held = CAP * len(WORKERS)
        self.assertEqual((len(crowd.clients), crowd.refused), (held, TRIED - held))
        self.assertEqual(self.refused() - before, crowd.refused)
        return crowd

    def hold(self, crowd, request, trickle=b""):
        """Each sends the request, and then slowly what is to follow, until it is ended. Live clients
        are served from when the last one began until none is held any more. How much memory each
        worker took."""
        def meanwhile(there):
            self.note_memory()
            for client in there:
                if trickle:
                    client.send(trickle)

        with live_clients(self, self.owner, LIVE) as live:
            crowd.send(request)
            crowd.await_ends(PAUSE, meanwhile)
        begun = max(client.began for client in crowd.clients)
        held = max(client.ended for client in crowd.clients)
        served = [client.answers(begun, held) for client in live]
        grown = [most - before for most, before in zip(self.most, self.before)]
        print(f"answers to live clients: {served}; memory: {grown}")
        self.assertGreater(min(served), 0)
        return grown

    def check_ends(self, clients, deadline):
        for client in clients:
            self.assertTrue(deadline - EARLY <= client.ended - client.began <= deadline + LATE,
                            client.ended - client.began)

    def check_memory(self, grown, answers=0):
        self.assertLess(max(grown), CAP * CONNECTION_MEMORY + LIVE_MEMORY + answers)

    def check_places(self):
        """There is a place again for that address."""
        def served():
            try:
                client = SlowClient(self.daemon, SLOW_ADDRESS)
            except OSError:
                return False
            client.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            received = client.received()
            client.close()
            return received.startswith(b"HTTP/1.1 200 ")

        self.eventually(served)

    def check_told(self, crowd, deadline):
        """Each was told at its deadline."""
        self.check_ends(crowd.clients, deadline)
        for client in crowd.clients:
            received = client.received()
            self.assertTrue(received.startswith(b"HTTP/1.1 408 "), received)
            self.assertIn(b'"code":"request_timeout"', received)

    def test_heads_that_come_byte_by_byte(self):
        crowd = self.crowd()
        grown = self.hold(crowd, b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b"x")
        self.check_told(crowd, DEADLINE)
        self.check_memory(grown)
        self.check_places()

    def test_bodies_that_come_byte_by_byte(self):
        """Memory is taken for what has come, and not for what was announced."""
        crowd = self.crowd()
        head = ("POST /v1/events HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: Bearer {self.owner.key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {8 * MEBIBYTE}\r\n\r\n")
        grown = self.hold(crowd, head.encode() + b"[", b" ")
        self.check_told(crowd, BODY_GRACE)
        self.check_memory(grown)
        self.check_places()

    def test_bug_0050_the_contract_that_nobody_reads_takes_no_memory(self):
        """Each had a copy of it, and a crowd of strangers left no memory for the answers of others."""
        crowd = self.crowd(narrow=True)
        grown = self.hold(crowd, b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual([client for client in crowd.clients if not client.was_reset], [])
        self.check_ends(crowd.clients, DEADLINE)
        self.check_memory(grown)
        self.check_places()

    def fill_page(self):
        """Events that make one page of a megabyte."""
        resource = self.resource(self.owner, "software")
        code = unique("meter")
        self.expect(self.platform.post("/v1/meters", {
            "code": code, "name": "计量", "event_type": f"test.{code}", "aggregation": "count",
            "unit": "X"}), 201)
        now = self.database().value("select instant_text(now())")
        events = [{"specversion": "1.0", "id": str(i), "source": "/slow", "type": f"test.{code}",
                   "subject": resource["id"], "time": now, "data": {"note": "x" * NOTE}}
                  for i in range(EVENTS)]
        self.expect(self.owner.post("/v1/events", events), 200)
        self.assertGreater(len(self.owner.get(PAGE).body), EVENTS * NOTE)

    def test_answers_of_the_database_that_nobody_reads(self):
        """Those that memory was left for are held until their deadline; the others are answered at
        once that there is none."""
        self.fill_page()
        crowd = self.crowd(narrow=True)
        grown = self.hold(crowd, (f"GET {PAGE} HTTP/1.1\r\nHost: localhost\r\n"
                                  f"Authorization: Bearer {self.owner.key}\r\n\r\n").encode())
        held = [client for client in crowd.clients if client.was_reset]
        told = [client for client in crowd.clients if not client.was_reset]
        print(f"{len(held)} of {len(crowd.clients)} were held")
        self.assertGreaterEqual(len(held), len(WORKERS))
        self.check_ends(held, DEADLINE)
        for client in told:
            received = client.received()
            self.assertTrue(received.startswith(b"HTTP/1.1 503 "), received)
            self.assertIn(b"\r\nRetry-After: ", received)
        self.check_memory(grown, BODY_MEMORY + PAGES_MEMORY)
        self.check_places()


if __name__ == "__main__":
    unittest.main()
