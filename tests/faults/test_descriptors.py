"""Workers out of descriptors: they wait without spinning and without a flood of the log, serve who is
connected, and take new connections as soon as there is room again."""

import concurrent.futures
import os
import select
import signal
import socket
import time
import unittest

import processes
from harness import ApiTest

WORKERS = ("worker-1", "worker-2")
SPARE = 30  # descriptors that a worker may still open
FEW = 200  # descriptors of a worker in all
CROWD = 500  # connections: more than any of these let in
KEPT = 12  # connections of live clients, enough that each worker has some
WINDOW = 4.0  # seconds in which the time of the processor is measured
SHARE = 0.05  # of a processor
LOG_INTERVAL = 10.0  # seconds between two lines of one worker
POOLS = "('bccd_tenant', 'bccd_operator', 'bccd_auth')"


class Descriptors(ApiTest):
    settings = {"handshake_timeout": 120000}  # nobody of a crowd leaves before it is told to

    def setUp(self):
        _, self.owner = self.tenant()
        self.workers = [processes.find(self.daemon, name) for name in WORKERS]
        self.kept = [self.shared.client(self.owner.key) for _ in range(KEPT)]
        for client in self.kept:
            self.addCleanup(client.close)
            self.expect(client.get("/v1/resources"), 200)
        self.addCleanup(self.limit, {worker: processes.descriptors(worker)[1]
                                     for worker in self.workers})

    def limit(self, limits):
        """With a reload, which looks at them."""
        for worker, limit in limits.items():
            processes.limit_descriptors(worker, limit)
        reloads = self.said("reloaded")
        os.kill(processes.supervisor(self.daemon), signal.SIGHUP)
        self.eventually(lambda: self.said("reloaded") >= reloads + 1 + len(WORKERS))

    def serve_kept(self):
        """On the connections that are there; a new one would have to wait."""
        for client in self.kept:
            connection = client.local.connection
            self.expect(client.get("/v1/resources"), 200)
            self.assertIs(client.local.connection, connection)

    def ask_anew(self):
        client = self.stranger()
        self.expect(client.get("/livez"), 200)
        client.close()

    def said(self, event):
        return sum(each["event"] == event for each in self.daemon.events())

    def paused(self):
        return [event["process"] for event in self.daemon.events()
                if event["event"] == "accept_paused"]

    def crowd(self):
        """They connect, and say nothing."""
        sockets = [socket.create_connection(("127.0.0.1", self.daemon.port), 60)
                   for _ in range(CROWD)]
        self.addCleanup(self.leave, sockets)
        return sockets

    def ended(self, sockets):
        """How many the daemon has closed."""
        return len(select.select(sockets, [], [], 0)[0])

    def leave(self, sockets):
        for each in sockets:
            each.close()

    def lines(self):
        """That workers have logged."""
        return sum(each["process"] in WORKERS for each in self.daemon.events())

    def measure(self):
        """The share of a processor that each worker needs, and how many lines they log."""
        lines, begun = self.lines(), time.monotonic()
        before = [processes.processor_time(worker) for worker in self.workers]
        time.sleep(WINDOW)
        after = [processes.processor_time(worker) for worker in self.workers]
        elapsed = time.monotonic() - begun
        shares = [(late - early) / elapsed for early, late in zip(before, after)]
        return shares, self.lines() - lines

    def test_who_is_connected_is_served_and_the_others_wait(self):
        for worker in self.workers:
            processes.limit_descriptors(worker, processes.descriptors(worker)[0] + 1 + SPARE)
        begun = time.monotonic()
        crowd = self.crowd()
        self.eventually(lambda: set(self.paused()) == set(WORKERS))
        with concurrent.futures.ThreadPoolExecutor(KEPT) as pool:
            late = [pool.submit(self.ask_anew) for _ in range(KEPT)]
            shares, lines = self.measure()
            print(f"shares of a processor: {shares}; lines logged: {lines}")
            self.serve_kept()
            waited, count = time.monotonic() - begun, len(self.paused())
            early = [each for each in late if each.done()]
            self.leave(crowd)
            for each in late:
                each.result()
        self.ask_anew()
        self.assertEqual(early, [])
        self.assertLess(max(shares), SHARE)
        self.assertLessEqual(lines, 2 * len(WORKERS))
        self.assertLessEqual(count, len(WORKERS) * (1 + waited / LOG_INTERVAL))

    def test_bug_0051_connections_leave_descriptors_for_the_database(self):
        """Clients took all that there were, and none was left to connect to the database again."""
        paused = len(self.paused())
        self.limit(dict.fromkeys(self.workers, FEW))
        crowd = self.crowd()
        self.eventually(lambda: len(self.paused()) > paused
                        or self.ended(crowd) >= CROWD - FEW * len(WORKERS))
        self.database().execute("select pg_terminate_backend(pid, 60000) from pg_stat_activity "
                                f"where usename in {POOLS}")
        self.serve_kept()
        self.assertEqual(len(self.paused()), paused)


if __name__ == "__main__":
    unittest.main()
