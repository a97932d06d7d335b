"""Debian's FreeRADIUS between an access server and bccd: who signs in, and each byte once."""

import datetime
import time
import unittest

from freeradius import FreeRadius
from harness import ApiTest, unique

PASSWORD = "kT9-wes-31q"
QUARTER = datetime.timedelta(minutes=15)
SILENCE = 3  # seconds without an answer that tell that none comes
WAITING_TIME = 90.0  # seconds until FreeRADIUS has handed on what it holds


class FreeRadiusTest(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.freeradius = FreeRadius(cls.daemon)
        cls.addClassCleanup(cls.freeradius.stop)
        cls.freeradius.start()

    def setUp(self):
        _, self.owner = self.tenant()
        self.server = unique("bras")
        self.session = unique("session")
        self.line = self.make_line(PASSWORD)

    def make_line(self, password):
        line = self.resource(self.owner, "broadband", broadband={
            "line": unique("line"), "access_technology": "gpon", "password": password,
            "maximum_downstream_kbit": 100000, "maximum_upstream_kbit": 50000})
        self.login = line["broadband"]["login"]
        return line

    # ---- The access server ----

    def sign_in(self, password, login=None, **more):
        return self.freeradius.ask("auth", self.freeradius.authorization, {
            "User-Name": login or self.login, "User-Password": password,
            "NAS-IP-Address": "192.0.2.1", "NAS-Identifier": self.server,
            "Message-Authenticator": 0, **more})

    def packet(self, status, received=0, sent=0, **more):
        attributes = {
            "User-Name": self.login, "Acct-Status-Type": status, "NAS-IP-Address": "192.0.2.1",
            "NAS-Identifier": self.server, "Acct-Session-Id": self.session,
            "Event-Timestamp": int(time.time()),
            "Acct-Input-Octets": received % 2**32, "Acct-Input-Gigawords": received // 2**32,
            "Acct-Output-Octets": sent % 2**32, "Acct-Output-Gigawords": sent // 2**32}
        attributes.update((name.replace("_", "-"), value) for name, value in more.items())
        return attributes

    def send(self, packet, port=None):
        answer = self.freeradius.ask("acct", port or self.freeradius.accounting, packet)
        self.assertEqual(answer.kind, "Accounting-Response", answer.output)

    def account(self, *arguments, **more):
        self.send(self.packet(*arguments, **more))

    # ---- What bccd made of it ----

    def used(self):
        """The meter's total, as a tenant sees it."""
        now = datetime.datetime.now(datetime.timezone.utc).replace(minute=0, second=0)
        usage = self.expect(self.owner.get("/v1/usage", query={
            "meter": "broadband-bytes", "subject": self.line["id"], "window": "month",
            "from": (now - 8 * QUARTER).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "to": (now + 8 * QUARTER).strftime("%Y-%m-%dT%H:%M:%SZ")}), 200)
        return sum(int(window["value"]) for window in usage["data"])

    def sessions(self):
        return self.owner.all(f"/v1/resources/{self.line['id']}/sessions")

    def settle(self):
        """Waits until bccd has all that FreeRADIUS holds: one more session comes behind it."""
        marker, session = unique("marker"), self.session
        self.session = marker
        self.account("Start")
        self.session = session
        self.eventually(lambda: marker in {each["session_id"] for each in self.sessions()},
                        WAITING_TIME)

    def expect_used(self, total):
        self.settle()
        self.assertEqual(self.used(), total)


class TestSignIn(FreeRadiusTest):
    def expect_refused(self, answer):
        self.assertEqual(answer.kind, "Access-Reject", answer.output)
        self.assertLessEqual(set(answer.attributes), {"Message-Authenticator"})

    def test_the_right_password_gets_the_tier(self):
        self.expect(self.platform.post(f"/v1/resources/{self.line['id']}/change", {
            "broadband": {"static_address": "203.0.113.77"}}), 200)
        answer = self.sign_in(PASSWORD)
        self.assertEqual(answer.kind, "Access-Accept", answer.output)
        answer.attributes.pop("Message-Authenticator", None)
        self.assertEqual(answer.attributes, {
            "Framed-IP-Address": "203.0.113.77", "Acct-Interim-Interval": "300",
            "Mikrotik-Rate-Limit": "50000k/100000k",
            "Filter-Id": self.catalog()["broadband"]["plan"]["code"]})

    def test_a_wrong_password_is_refused_and_shows_nothing(self):
        self.expect_refused(self.sign_in("wrong"))

    def test_an_unknown_login_is_refused(self):
        self.expect_refused(self.sign_in(PASSWORD, login=unique("nobody")))

    def test_a_suspended_line_is_refused(self):
        self.act(self.line, "suspend", client=self.owner)
        self.expect_refused(self.sign_in(PASSWORD))
        self.act(self.line, "resume", client=self.owner)
        self.assertEqual(self.sign_in(PASSWORD).kind, "Access-Accept")

    def test_chap(self):
        for password, kind in ((PASSWORD, "Access-Accept"), ("wrong", "Access-Reject")):
            answer = self.freeradius.ask("auth", self.freeradius.authorization, {
                "User-Name": self.login, "CHAP-Password": password,
                "NAS-Identifier": self.server, "Message-Authenticator": 0})
            self.assertEqual(answer.kind, kind, answer.output)

    def test_a_new_password_counts_for_chap_at_once(self):
        self.expect(self.owner.post(f"/v1/resources/{self.line['id']}/change",
                                    {"broadband": {"password": "another-one"}}), 200)
        for password, kind in ((PASSWORD, "Access-Reject"), ("another-one", "Access-Accept")):
            answer = self.freeradius.ask("auth", self.freeradius.authorization, {
                "User-Name": self.login, "CHAP-Password": password,
                "CHAP-Challenge": "0x000102030405060708090a0b0c0d0e0f",
                "NAS-Identifier": self.server, "Message-Authenticator": 0})
            self.assertEqual(answer.kind, kind, answer.output)

    def test_a_tier_and_addresses_of_the_plan(self):
        tier = self.expect(self.platform.post("/v1/broadband-tiers", {
            "code": unique("tier"), "name": "档位", "maximum_downstream_kbit": 300000,
            "maximum_upstream_kbit": 30000, "session_timeout": 86400, "idle_timeout": 1800}), 201)
        self.act(self.line, "change", {"broadband": {"tier_id": tier["id"]}})
        for family, prefix in ((4, {"prefix": "10.251.0.0/29"}),
                               (6, {"prefix": "2001:db8:ff00::/48", "delegated_length": 56}),
                               (6, {"prefix": "2001:db8:ff01::/56", "delegated_length": 64})):
            pool = self.expect(self.platform.post("/v1/address-pools", {
                "code": unique("pool"), "name": "固定", "family": family, "purpose": "static"}), 201)
            self.expect(self.platform.post(f"/v1/address-pools/{pool['id']}/prefixes", prefix), 201)
            for _ in range(3 if family == 4 else 2):
                self.expect(self.platform.post(f"/v1/resources/{self.line['id']}/addresses",
                                               {"pool_id": pool["id"]}), 201)
        answer = self.sign_in(PASSWORD)
        self.assertEqual(answer.kind, "Access-Accept", answer.output)
        self.assertEqual(answer.values("Framed-IP-Address"), ["10.251.0.1"])
        self.assertEqual(answer.values("Framed-Route"), ["10.251.0.2/32 0.0.0.0 1", "10.251.0.3/32 0.0.0.0 1"])
        self.assertEqual(answer.values("Delegated-IPv6-Prefix"), ["2001:db8:ff00::/56", "2001:db8:ff00:100::/56"])
        self.assertEqual(answer.values("Framed-IPv6-Prefix"), ["2001:db8:ff01::/64", "2001:db8:ff01:1::/64"])
        self.assertEqual({name: answer.values(name) for name in (
            "Session-Timeout", "Idle-Timeout", "Mikrotik-Rate-Limit", "Filter-Id")}, {
                "Session-Timeout": ["86400"], "Idle-Timeout": ["1800"],
                "Mikrotik-Rate-Limit": ["30000k/300000k"], "Filter-Id": [tier["code"]]})
        self.act(self.line, "change", {"broadband": {"static_address": "10.251.0.3"}})
        answer = self.sign_in(PASSWORD)
        self.assertEqual(answer.values("Framed-IP-Address"), ["10.251.0.3"])
        self.assertEqual(answer.values("Framed-Route"), ["10.251.0.1/32 0.0.0.0 1", "10.251.0.2/32 0.0.0.0 1"])

    def test_one_without_authenticator_gets_no_answer(self):
        answer = self.freeradius.ask("auth", self.freeradius.authorization, {
            "User-Name": self.login, "User-Password": PASSWORD}, SILENCE)
        self.assertIsNone(answer.kind, answer.output)

    def test_nothing_in_a_name_or_password_is_expanded(self):
        for login in ("%{NAS-Identifier}", "%{control:Cleartext-Password}", f"{self.login}%{{1}}"):
            self.expect_refused(self.sign_in(PASSWORD, login=login))
        self.line = self.make_line("%{User-Name}")
        self.expect_refused(self.sign_in(self.login))
        self.assertEqual(self.sign_in("%{User-Name}").kind, "Access-Accept")


class TestAccounting(FreeRadiusTest):
    def test_a_session_counts_exactly(self):
        self.account("Start")
        self.account("Interim-Update", 1000, 200, Acct_Session_Time=1)
        self.account("Stop", 12345, 6789, Acct_Session_Time=2, Acct_Terminate_Cause="User-Request")
        self.expect_used(12345 + 6789)
        session = self.sessions()[-1]
        self.assertEqual((session["session_id"], session["input_bytes"], session["output_bytes"]),
                         (self.session, "12345", "6789"))
        self.assertIsNotNone(session["stopped_at"])

    def test_a_packet_that_comes_again_counts_once(self):
        for packet in (self.packet("Interim-Update", 1000, 200, Acct_Session_Time=5),
                       self.packet("Stop", 3000, 400, Acct_Session_Time=9)):
            for _ in range(3):
                self.send(packet)
        self.expect_used(3400)

    def test_late_packets_and_a_lost_start(self):
        now = int(time.time())
        self.account("Interim-Update", 3000, 300, Event_Timestamp=now - 30, Acct_Session_Time=60)
        self.account("Interim-Update", 1000, 100, Event_Timestamp=now - 60, Acct_Session_Time=30)
        self.account("Start", Event_Timestamp=now - 90)
        self.account("Stop", 4000, 400, Event_Timestamp=now, Acct_Session_Time=90)
        self.account("Interim-Update", 3500, 350, Event_Timestamp=now - 10, Acct_Session_Time=80)
        self.expect_used(4400)
        self.assertEqual([each["session_id"] for each in self.sessions()].count(self.session), 1)

    def test_what_a_suspended_line_still_sends_counts(self):
        self.account("Start")
        self.account("Interim-Update", 1000, 0, Acct_Session_Time=1)
        self.settle()
        self.act(self.line, "suspend")
        self.account("Stop", 1700, 7, Acct_Session_Time=2)
        self.settle()
        self.assertEqual(self.used(), 1707)

    def test_five_minutes_of_it(self):
        begin = int(time.time()) // 900 * 900 - 900
        self.account("Start", Event_Timestamp=begin)
        for place, (received, sent) in enumerate(((37500000, 10), (37500000, 10), (3 * 2**32, 10)), 1):
            for _ in range(2):
                self.account("Interim-Update", received, sent, Event_Timestamp=begin + 300 * place, Acct_Session_Time=300 * place)
        self.settle()
        samples = self.owner.all(f"/v1/resources/{self.line['id']}/samples")
        self.assertEqual([(each["radius"]["input_bytes"], each["radius"]["output_bytes"]) for each in samples],
                         [(str(3 * 2**32 - 37500000), "0"), ("0", "0"), ("37500000", "10")])
        self.assertEqual(samples[2]["rate"], "1")
        usage = self.expect(self.owner.get("/v1/usage", query={
            "meter": "line-p95", "subject": self.line["id"], "window": "hour",
            "from": datetime.datetime.fromtimestamp(begin, datetime.timezone.utc).isoformat(),
            "to": datetime.datetime.fromtimestamp(begin + 900, datetime.timezone.utc).isoformat()}), 200)
        self.assertEqual([each["value"] for each in usage["data"]], [samples[0]["rate"]])

    def test_counters_beyond_32_bits(self):
        self.account("Interim-Update", 2**32 - 1, 0, Acct_Session_Time=1)
        self.account("Interim-Update", 2**32 + 5, 3 * 2**32, Acct_Session_Time=2)
        self.account("Stop", 5 * 2**32 + 7, 2**34 + 1, Acct_Session_Time=3)
        self.expect_used(5 * 2**32 + 7 + 2**34 + 1)

    def test_accounting_on_closes_sessions(self):
        # Events of one second cannot be told apart.
        now = int(time.time())
        self.account("Start", Event_Timestamp=now - 60)
        self.account("Interim-Update", 500, 50, Event_Timestamp=now - 40, Acct_Session_Time=20)
        self.send({"Acct-Status-Type": "Accounting-On", "NAS-IP-Address": "192.0.2.1",
                   "NAS-Identifier": self.server, "Acct-Session-Id": "0",
                   "Event-Timestamp": now - 20})
        self.expect_used(550)
        [session] = [each for each in self.sessions() if each["session_id"] == self.session]
        self.assertEqual(session["stop_cause"], "reboot")
        self.account("Interim-Update", 30, 3, Event_Timestamp=now, Acct_Session_Time=10)
        self.expect_used(583)

    def quarantined(self):
        return [each["login"] for each in self.platform.all("/v1/radius-quarantine")
                if each["server"] == self.server][::-1]

    def test_nothing_in_a_name_is_expanded(self):
        names = ["%{NAS-Identifier}", "a\"b\\n`id`", "%{exec:/bin/id}", "%t%S"]
        spelled = [name.replace("\\", "\\x5c") for name in names]
        for name in names:
            self.send(self.packet("Start", User_Name=name), self.freeradius.direct)
        self.assertEqual(self.quarantined(), spelled)
        # FreeRADIUS reads none back from its file that it could expand. No line has such a login.
        for name in names:
            self.account("Start", User_Name=name)
        self.settle()
        self.assertEqual(self.quarantined()[len(names):],
                         [None if "%{" in name else name for name in spelled])


class TestAway(FreeRadiusTest):
    def tearDown(self):
        if self.daemon.process.poll() is not None:
            self.daemon.start()

    def test_what_is_answered_waits_for_bccd(self):
        self.account("Start")
        self.settle()
        self.assertEqual(self.daemon.stop(), 0)
        packet = self.packet("Interim-Update", 700, 70, Acct_Session_Time=5)
        self.send(packet)
        self.send(packet)
        self.account("Stop", 1000, 100, Acct_Session_Time=9)
        time.sleep(SILENCE)
        self.daemon.start()
        self.expect_used(1100)

    def test_what_is_not_answered_is_sent_again(self):
        direct = self.freeradius.direct
        self.send(self.packet("Start"), direct)
        self.assertEqual(self.daemon.stop(), 0)
        packet = self.packet("Interim-Update", 700, 70, Acct_Session_Time=5)
        answer = self.freeradius.ask("acct", direct, packet, SILENCE)
        self.assertIsNone(answer.kind, answer.output)
        self.daemon.start()
        self.eventually(lambda: self.freeradius.ask("acct", direct, packet, SILENCE).kind,
                        WAITING_TIME)
        self.send(packet, direct)
        self.assertEqual(self.used(), 770)

    def test_nobody_signs_in(self):
        self.assertEqual(self.daemon.stop(), 0)
        self.assertNotEqual(self.sign_in(PASSWORD).kind, "Access-Accept")
        self.daemon.start()
        self.eventually(lambda: self.sign_in(PASSWORD).kind == "Access-Accept")


if __name__ == "__main__":
    unittest.main()
