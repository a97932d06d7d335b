"""SIGKILL of any process while usage streams in and a month is billed: what was acknowledged is
stored, and counts once; each account is billed once, and the bills are those of a run without
kills."""

import signal
import time
import unittest

import processes
from billing_run import BillingRun
from harness import ApiTest
from ingestion import IngestionTest

PAUSES = (0.2, 1.8)  # seconds between two kills
# A run of billing is given up after ten attempts, so nine kills at most may end one.
ENDING_A_RUN = {"jobs": 4, "supervisor": 2, "postmaster": 2, "backend": 1}
OTHERS = {"worker-1": 5, "worker-2": 5, "jobs-periodic": 5, "hasher": 3, "courier": 3}
ACCOUNTS = 40  # more than kills, so that the last one still meets a run under way


class KillsTest(IngestionTest):
    def kill(self, name):
        """It is gone when this comes back."""
        print(f"SIGKILL {name}", flush=True)
        if name == "supervisor":
            processes.kill_supervisor(self.daemon)
            self.daemon.start()
        elif name == "backend":
            processes.kill(self.random.choice(
                self.eventually(lambda: processes.backends(self.daemon))))
        else:
            processes.kill(processes.find(self.daemon, name))

    def kill_all(self):
        victims = [name for name, count in {**ENDING_A_RUN, **OTHERS}.items()
                   for _ in range(count)]
        self.assertGreaterEqual(len(victims), 30)
        self.random.shuffle(victims)
        for victim in victims:
            if victim in ENDING_A_RUN:
                self.eventually(self.is_billing)
            self.eventually(self.billing.let_one_more)
            time.sleep(self.random.uniform(*PAUSES))
            if victim == "jobs-periodic":
                self.eventually(lambda: self.hurry("fold_usage"))
                time.sleep(self.random.uniform(0, 0.02))
            self.kill(victim)

    def is_billing(self):
        return self.billing.is_run_by(processes.find(self.daemon, "jobs"))

    def test_nothing_is_lost_and_nothing_counts_twice(self):
        self.billing = BillingRun(self, ACCOUNTS)
        with self.streaming():
            self.billing.begin()
            self.kill_all()
            self.eventually(lambda: processes.all_serve(self.daemon))
            settled = self.billing.settled()
            print(f"{settled} of {ACCOUNTS} accounts billed at the last kill")
            self.assertLess(settled, ACCOUNTS)
            self.billing.end()
        self.check_all()
        self.billing.check()
        user = self.user(self.renter)
        login = {"email": user["email"], "password": user["password"]}
        self.expect(self.stranger().post("/v1/sessions", login), 201)


class CrashLoop(ApiTest):
    settings = IngestionTest.settings
    expected_errors = IngestionTest.expected_errors
    KILLS = 6  # makes a loop, and the next start seconds away

    def kill(self, name):
        processes.kill(processes.find(self.daemon, name))

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
        self.eventually(lambda: processes.all_serve(self.daemon))


if __name__ == "__main__":
    unittest.main()
