"""However a vendor's broker behaves, no orphan stays there, no seat is billed that it did not deliver, and the operator
sees what to do."""

import os
import signal
import sys
import time
import unittest

from vendors import VendorTest

sys.path.append(os.path.join(os.path.dirname(__file__), os.pardir, "faults"))
import processes  # noqa: E402  pylint: disable=wrong-import-position


class TestProvisioning(VendorTest):
    """Each mood of a broker, and what becomes of the resource: with what failure."""

    expected_errors = ("child_ended",)  # the courier is killed

    def failing(self, code, **moods):
        self.vendor.moods.update({method: list(list_of) for method, list_of in moods.items()})
        made = self.subscribe()
        failed = self.becomes(made, "failed")
        self.assertEqual((failed["failure"]["code"], failed["failure"]["retryable"]), (code, True), moods)
        self.assertEqual(failed["failure"]["detail"], self.operations(made)[0]["problem"]["detail"])
        self.assertIsNotNone(self.operations(made)[0]["problem"]["advice"])
        self.no_orphan()
        return failed

    def test_what_it_declines(self):
        for mood in ("declined", "unsupported", "gone"):
            self.failing("vendor-rejected", PUT=[mood])
        self.assertEqual(self.vendor.calls("DELETE"), [])

    def test_what_may_have_been_made(self):
        for mood in ("500", "503", "done and 500", "no json", "a list", "no json accepted", "204", "conflict", "elsewhere"):
            self.failing("vendor-error", PUT=[mood])

    def test_lost_answers(self):
        self.failing("vendor-silent", PUT=["lost"])

    def test_an_answer_that_is_too_late(self):
        # It is made after we asked for its removal: it is asked once more.
        self.vendor.silence = 2.0
        failed = self.failing("vendor-silent", PUT=["slow"])
        self.assertGreater(len(self.vendor.calls("DELETE")), 1)
        retried = self.act(failed, "retry")
        self.assertEqual(retried["state"], "provisioning")
        self.becomes(failed, "active")
        self.assertEqual(len({call["id"] for call in self.vendor.calls("PUT")}), 2)
        self.no_orphan()

    def test_one_that_never_ends(self):
        failed = self.failing("vendor-slow", PUT=["never"])
        self.assertEqual([each["state"] for each in self.operations(failed)], ["undone"])

    def test_one_that_fails_later(self):
        failed = self.failing("vendor-failed", PUT=["fails later"])
        self.assertIn("The disk is full", failed["failure"]["detail"])

    def test_busy_ones(self):
        self.vendor.moods["PUT"] = ["busy", "concurrent"]
        self.subscribed()
        self.vendor.moods["PUT"] = ["timeout"]
        self.subscribed()
        self.vendor.moods.update(PUT=["asynchronous"], POLL=["500", "no json", "gone", "declined", "lost", "slow"])
        self.expect(self.platform.patch(self.path, {"deadline_seconds": 120}, if_match="*"), 200)
        self.subscribed()
        self.no_orphan()

    def test_one_that_is_busy_for_too_long(self):
        self.vendor.usual["PUT"] = "busy"
        self.failing("vendor-busy")

    def test_an_undoing_that_takes_several_attempts(self):
        self.failing("vendor-silent", PUT=["lost"], DELETE=["500", "no json", "concurrent", "lost"])

    def test_one_that_cannot_be_reached(self):
        self.expect(self.platform.patch(self.path, {"url": "https://127.0.0.1:1/osb"}, if_match="*"), 200)
        self.failing("vendor-unreachable")
        self.assertEqual(self.vendor.calls("DELETE"), [])

    def test_ended_on_its_way(self):
        self.vendor.silence = 2.0
        for mood in ("never", "slow"):
            self.vendor.moods["PUT"] = [mood]
            made = self.subscribe()
            self.eventually(lambda: len(self.vendor.calls("PUT")) > 0)
            self.act(made, "terminate", client=self.owner)
            self.becomes(made, "terminated")
        self.no_orphan()

    def test_killed_in_between(self):
        self.vendor.usual["PUT"] = "slow"
        self.vendor.silence = 0.7
        made = self.subscribe()
        self.eventually(lambda: len(self.vendor.calls("PUT")) > 0)
        os.kill(processes.named(self.daemon)["courier"], signal.SIGKILL)
        self.vendor.usual["PUT"] = "good"
        self.becomes(made, "active")
        self.assertEqual(len({call["id"] for call in self.vendor.calls("PUT")}), 1)
        self.no_orphan()


class TestChanging(VendorTest):
    def changing(self, seats, state, code=None):
        """Nothing is billed that the vendor did not confirm."""
        made = self.subscribed()
        started = self.change(made, {"software": {"seats": 9}})
        self.assertEqual(started["software"]["seats"], 5)
        ended = self.settled(made)
        self.assertEqual(ended["software"]["seats"], seats)
        operation = self.operations(made)[0]
        self.assertEqual((operation["kind"], operation["state"]), ("change", state))
        if code is not None:
            self.assertEqual(operation["problem"]["code"], code)
        [instance] = [self.vendor.instances[each["instance_id"]] for each in self.operations(made)[:1]]
        self.assertEqual(instance["parameters"]["seats"], seats)
        quantities = self.database().rows(
            f"select quantity::text from resource_quantities where resource_id = '{made['id']}' order by number")
        self.assertEqual([each["quantity"] for each in quantities], ["5"] + (["9"] if seats == 9 else []))
        return made

    def test_declined(self):
        self.vendor.moods["PATCH"] = ["unsupported"]
        self.changing(5, "failed", "vendor_rejected")

    def test_failed_later(self):
        self.vendor.moods["PATCH"] = ["fails later"]
        self.changing(5, "failed", "vendor_failed")

    def test_errors_and_lost_answers_first(self):
        self.vendor.moods["PATCH"] = ["500", "lost", "busy"]
        self.changing(9, "succeeded")

    def test_one_that_never_ends_is_changed_back(self):
        self.vendor.moods["PATCH"] = ["never", "500", "lost"]
        self.changing(5, "undone", "vendor_slow")
        back = self.vendor.calls("PATCH")[-1]["body"]
        self.assertEqual((back["plan_id"], back["parameters"]["seats"]), ("small", 5))

    def test_errors_for_ever(self):
        self.vendor.usual["PATCH"] = "500"
        self.changing(5, "failed", "vendor_error")


class TestRemoving(VendorTest):
    def test_however_it_misbehaves(self):
        self.vendor.moods["DELETE"] = ["500", "no json", "lost", "declined", "fails later", "busy"]
        made = self.subscribed()
        self.act(made, "terminate", client=self.owner)
        self.assertEqual(self.now(made)["state"], "terminating")
        self.becomes(made, "terminated")
        self.no_orphan()

    def test_what_the_operator_sees_and_does(self):
        self.vendor.usual["DELETE"] = "503"
        made = self.subscribed()
        self.act(made, "terminate", client=self.owner)
        operation = self.eventually(lambda: next(iter(self.operations(made, attention=True)), None), 60)
        self.assertEqual((operation["kind"], operation["waiting_for"], operation["actions"], operation["problem"]["code"]),
                         ("terminate", "deprovision", ["abandon", "retry"], "vendor_error"))
        self.assertIn("tell the vendor", operation["problem"]["advice"]["en"])
        path = f"/v1/vendor-operations/{operation['id']}"
        self.assertEqual(self.expect(self.owner.get(path), 200)["actions"], [])
        self.expect(self.owner.post(f"{path}/retry"), 403)
        _, stranger = self.tenant()
        self.expect(stranger.get(path), 404)
        retried = self.expect(self.platform.post(f"{path}/retry"), 200)
        self.assertFalse(retried["attention"])
        self.eventually(lambda: self.expect(self.platform.get(path), 200)["attempts"] > 0)
        self.expect(self.platform.post(f"{path}/abandon", {}), 422)
        abandoned = self.expect(self.platform.post(f"{path}/abandon", {"reason": "电话确认"}), 200)
        self.assertEqual((abandoned["state"], abandoned["reason"], abandoned["actions"]), ("abandoned", "电话确认", []))
        self.assertEqual(self.now(made)["state"], "terminated")
        self.expect(self.platform.post(f"{path}/retry"), 409, "state_conflict")
        calls = len(self.vendor.calls("DELETE"))
        time.sleep(2)
        self.assertEqual(len(self.vendor.calls("DELETE")), calls)

    def test_an_undoing_and_a_change_that_are_abandoned(self):
        self.vendor.usual["DELETE"] = "500"
        self.vendor.moods["PUT"] = ["done and 500"]
        made = self.subscribe()
        operation = self.eventually(lambda: next(
            (each for each in self.operations(made, state="undoing") if each["actions"]), None))
        self.expect(self.platform.post(f"/v1/vendor-operations/{operation['id']}/abandon", {"reason": "已确认"}), 200)
        self.assertEqual(self.now(made)["failure"]["code"], "abandoned")
        self.vendor.usual.update(DELETE="good", PATCH="never")
        there = self.subscribed()
        self.change(there, {"software": {"seats": 8}})
        [operation] = self.operations(there, state="running")
        self.expect(self.platform.post(f"/v1/vendor-operations/{operation['id']}/abandon", {"reason": "已确认"}), 200)
        self.assertEqual(self.now(there)["software"]["seats"], 5)


if __name__ == "__main__":
    unittest.main()
