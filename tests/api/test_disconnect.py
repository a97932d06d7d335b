"""Ending sessions: whatever takes a line's service away or changes it tells the access server, which
has ended the session when its Stop is there, not when it says that it will."""

import time
import unittest

from access_server import DISCONNECT_NAK, AccessServer
from broadband import BroadbandTest
from harness import unique
from test_tiers import ahead

SECRET = "xyzzy5461"
START, STOP, INTERIM, ON = 1, 2, 3, 7


class DisconnectTest(BroadbandTest):
    def setUp(self):
        super().setUp()
        self.nas = AccessServer(SECRET)
        self.addCleanup(self.nas.stop)
        self.identifier = unique("bras")
        self.server = self.make("/v1/network-access-servers", {
            "identifier": self.identifier, "address": "192.0.2.1", "coa_address": "127.0.0.1",
            "coa_port": self.nas.port, "coa_secret": SECRET})
        self.node = self.radius()

    def account(self, line, status, session="s-1", **more):
        attributes = {"User-Name": line["broadband"]["login"], "Acct-Status-Type": status,
                      "NAS-IP-Address": "192.0.2.1", "NAS-Identifier": self.identifier,
                      "Acct-Session-Id": session, **more}
        self.expect(self.node.post("/radius/v1/accounting", {
            name: {"type": "string", "value": [value]} for name, value in attributes.items()}), 204)

    def online(self, *sessions, **line):
        """An active line with sessions."""
        line = self.line(**line)
        for session in sessions or ("s-1",):
            self.account(line, START, session)
        return line

    def told(self, *sessions):
        """Waits until the server was told to end just these."""
        self.eventually(lambda: len(self.nas.sessions()) >= len(sessions), 30)
        self.assertEqual(sorted(self.nas.sessions()), sorted(sessions))
        self.assertEqual(self.nas.forged, [])

    def session(self, line):
        return self.owner.all(f"/v1/resources/{line['id']}/sessions")[0]

    def messages(self, line):
        return self.database().rows(
            "select state, attempts, result from courier_messages "
            f"where payload ->> 'user_name' = '{line['broadband']['login']}' order by id")


class TestReasons(DisconnectTest):
    def test_a_hold_and_its_stop(self):
        line = self.online("s-1", "s-2")
        self.act(line, "suspend", {"hold": "abuse"})
        self.told("s-1", "s-2")
        self.assertEqual({request["user_name"] for request in self.nas.requests}, {line["broadband"]["login"]})
        self.eventually(lambda: [each["state"] for each in self.messages(line)] == ["sent", "sent"])
        # The server said that it will; the session is open until it says that it did.
        open_session = self.session(line)
        self.assertIsNotNone(open_session["disconnect_requested_at"])
        self.assertIsNone(open_session["stopped_at"])
        for name in ("s-1", "s-2"):
            self.account(line, STOP, name, **{"Acct-Terminate-Cause": "Admin-Reset"})
        closed = self.session(line)
        self.assertIsNotNone(closed["stopped_at"])
        self.assertEqual(closed["stop_cause"], "Admin-Reset")
        # What is over is not told again.
        self.act(line, "suspend", {"hold": "billing"})
        self.act(line, "resume", {"hold": "abuse"})
        self.act(line, "resume", {"hold": "billing"})
        self.act(line, "suspend", client=self.owner)
        time.sleep(1.5)
        self.told("s-1", "s-2")

    def test_termination(self):
        line = self.online()
        self.act(line, "terminate", client=self.owner)
        self.told("s-1")

    def test_a_tier_at_once(self):
        line = self.online()
        self.change(line, tier_id=self.tier(self_service=True)["id"], client=self.owner)
        self.told("s-1")

    def test_a_tier_that_begins_later_once(self):
        line = self.online()
        self.change(line, tier_id=self.tier()["id"], body={"effective_at": ahead(2)})
        time.sleep(1)
        self.assertEqual(self.nas.requests, [])
        self.told("s-1")
        self.account(line, STOP)
        self.account(line, START, "s-2")
        time.sleep(12)  # the job has come round again
        self.told("s-1")

    def test_a_move(self):
        here, there = self.access_point(), self.access_point()
        pool, _, _ = self.plan(access_point_id=here["id"])
        line = self.online(access_point_id=here["id"])
        self.give(line, pool_id=pool["id"])
        time.sleep(1.5)
        self.assertEqual(self.nas.requests, [])  # an address more ends nothing
        self.act(line, "move", {"access_point_id": there["id"]})
        self.told("s-1")
        time.sleep(1.5)
        self.told("s-1")  # once, though an address went back as well

    def test_an_address_taken_away(self):
        pool, _, _ = self.plan()
        line = self.line()
        given = self.give(line, pool_id=pool["id"])
        self.account(line, START)
        self.take(line, given)
        self.told("s-1")

    def test_a_session_that_begins_while_its_line_ends(self):
        line = self.line()
        self.act(line, "suspend")
        self.account(line, START)
        self.told("s-1")
        self.account(line, INTERIM)
        time.sleep(1.5)
        self.told("s-1")


class TestServers(DisconnectTest):
    def test_without_a_stop_it_is_told_again(self):
        line = self.online()
        self.act(line, "suspend")
        self.told("s-1")
        self.database().execute(
            "update radius_sessions set disconnect_requested_at = now() - interval '10 minutes' "
            "where stopped_at is null and disconnect_attempts = 1; "
            "update operations set not_before = now() where kind = 'end_sessions' and state = 'queued'")
        self.eventually(lambda: len(self.messages(line)) >= 3, 30)
        self.account(line, STOP)
        self.assertIsNotNone(self.session(line)["stopped_at"])

    def test_a_server_that_knows_no_such_session(self):
        self.nas.answer = DISCONNECT_NAK
        line = self.online()
        self.act(line, "suspend")
        self.eventually(lambda: [each["state"] for each in self.messages(line)] == ["sent"])
        self.assertIsNone(self.session(line)["stopped_at"])

    def test_one_that_has_no_secret_is_told_nothing(self):
        path = f"/v1/network-access-servers/{self.server['id']}"
        line = self.online()
        changed = self.expect(self.platform.patch(path, {"coa_secret": None}, if_match="*"), 200)
        self.assertFalse(changed["has_coa_secret"])
        self.act(line, "suspend")
        self.assertEqual(self.messages(line), [])
        self.assertIsNotNone(self.session(line)["disconnect_requested_at"])

    def test_one_that_names_itself_more_fully_elsewhere(self):
        line = self.line()
        attributes = {"User-Name": line["broadband"]["login"], "Acct-Status-Type": START,
                      "NAS-Identifier": self.identifier, "Acct-Session-Id": "s-1"}
        self.expect(self.node.post("/radius/v1/accounting", {
            name: {"type": "string", "value": [value]} for name, value in attributes.items()}), 204)
        self.act(line, "suspend")
        self.told("s-1")

    def test_what_is_written_is_read(self):
        path = f"/v1/network-access-servers/{self.server['id']}"
        answer = self.platform.get(path)
        self.assertEqual(self.expect(answer, 200), self.server)
        self.assertEqual((self.server["has_coa_secret"], self.server["last_seen_at"], self.server["coa_port"]),
                         (True, None, self.nas.port))
        self.online()
        self.assertIsNotNone(self.expect(self.platform.get(path), 200)["last_seen_at"])
        changed = self.expect(self.platform.patch(path, {"name": "一号", "coa_address": None, "coa_port": 1700},
                                                  if_match=answer.etag), 200)
        self.assertEqual((changed["name"], changed["coa_address"], changed["coa_port"], changed["has_coa_secret"]),
                         ("一号", None, 1700, True))
        self.expect(self.platform.patch(path, {"name": "x"}, if_match=answer.etag), 412)
        self.assertEqual([each["id"] for each in self.platform.all("/v1/network-access-servers", {
            "identifier": self.identifier})], [self.server["id"]])
        self.expect(self.platform.post("/v1/network-access-servers", {
            "identifier": self.identifier, "address": "192.0.2.1"}), 409, "conflict_unique")
        self.expect(self.platform.post("/v1/network-access-servers", {"name": "x"}), 422)
        self.expect(self.owner.get(path), 403)
        self.assertNotIn(SECRET, self.daemon.log())
        self.assertNotIn(SECRET, self.database().value(
            "select coalesce(string_agg(new::text, ''), '') from audit_events"))

    def test_one_that_made_itself_known_is_listed(self):
        name, line = unique("unknown"), self.line()
        self.identifier = name
        self.account(line, START)
        [found] = self.platform.all("/v1/network-access-servers", {"identifier": name})
        self.assertTrue(found["id"].startswith("nas_"))
        self.assertEqual((found["address"], found["name"], found["coa_port"]), ("192.0.2.1", "", 3799))
        self.account(None or line, ON)
        self.assertEqual(self.expect(self.platform.get(
            f"/v1/network-access-servers/{found['id']}"), 200)["id"], found["id"])


if __name__ == "__main__":
    unittest.main()
