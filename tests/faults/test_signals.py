"""Signals that come while a process is on its way out."""

import signal
import unittest

import processes
from harness import ApiTest

RUNNERS = ("jobs", "jobs-periodic", "courier")  # which a reload begins anew


class Signals(ApiTest):
    def ends(self, runner):
        """What the log says of each end of it."""
        return [event["event"] for event in self.daemon.events() if event.get("child") == runner]

    def reload_until_gone(self, runner):
        process = processes.find(self.daemon, runner)
        while processes.is_living(process):
            processes.signal_all([process], signal.SIGHUP)

    def test_bug_0052_a_runner_takes_more_than_one_reload(self):
        """A second one, while it ended because of the first, killed it."""
        for runner in RUNNERS:
            ended = len(self.ends(runner))
            self.reload_until_gone(runner)
            self.eventually(lambda: len(self.ends(runner)) > ended)
            self.assertEqual(set(self.ends(runner)), {"child_stopped"})


if __name__ == "__main__":
    unittest.main()
