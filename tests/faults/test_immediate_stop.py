"""PostgreSQL stops at once (pg_ctl stop -m immediate) while usage streams in: it is started again,
recovers from its log, and has what was acknowledged."""

import os
import signal
import time
import unittest

import processes
from ingestion import IngestionTest

STOPS = 5
PAUSES = (0.2, 1.8)  # seconds between PostgreSQL's return and its next stop


class ImmediateStop(IngestionTest):
    def said(self, event):
        return sum(each["event"] == event for each in self.daemon.events())

    def log_of_postgresql(self):
        directory = os.path.join(self.daemon.state, "postgresql", "log")
        text = ""
        for name in sorted(os.listdir(directory)):
            with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
                text += file.read()
        return text

    def stop_at_once(self):
        postmaster = processes.find(self.daemon, "postmaster")
        os.kill(postmaster, signal.SIGQUIT)
        processes.wait_gone([postmaster])

    def test_what_was_acknowledged_is_there_after_each_stop(self):
        restarts = self.said("cluster_restarted")
        with self.streaming():
            for stop in range(1, STOPS + 1):
                time.sleep(self.random.uniform(*PAUSES))
                self.eventually(lambda: self.hurry("fold_usage"))
                time.sleep(self.random.uniform(0, 0.02))
                self.stop_at_once()
                self.eventually(lambda: self.said("cluster_restarted") == restarts + stop)
                self.await_answers()
        self.assertEqual(self.said("cluster_ended"), STOPS)
        said = self.log_of_postgresql()
        self.assertEqual(said.count("received immediate shutdown request"), STOPS)
        self.assertGreaterEqual(said.count("automatic recovery in progress"), STOPS)
        self.check_all()


if __name__ == "__main__":
    unittest.main()
