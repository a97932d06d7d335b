"""RADIUS as FreeRADIUS speaks it: who may sign in, and each byte counted once."""

import concurrent.futures
import datetime
import json
import os
import unittest

from harness import ApiTest, unique

RECORDED = os.path.join(os.path.dirname(__file__), "..", "data", "radius-recorded.json")
PASSWORD = "kT9-wes-31q"
START, STOP, INTERIM, ON = 1, 2, 3, 7
HOUR = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=2)).replace(
    minute=0, second=0)


def body(**attributes):
    """Attributes by their names, with _ for -."""
    return {name.replace("_", "-"): {"type": "string", "value": [value]}
            for name, value in attributes.items() if value is not None}


def stamp(seconds):
    """The time so many seconds after the start of these tests' hour, as FreeRADIUS spells it."""
    return (HOUR + datetime.timedelta(seconds=seconds)).strftime("%b %d %Y %H:%M:%S UTC")


class RadiusTest(ApiTest):
    def setUp(self):
        self.renter, self.owner = self.tenant()
        self.server = unique("bras")
        self.node = self.radius()

    def line(self, **part):
        chosen = self.catalog()["broadband"]
        line = self.expect(self.owner.post("/v1/resources", {
            "kind": "broadband", "offering_id": chosen["offering"]["id"],
            "plan_id": chosen["plan"]["id"], "name": "专线", "broadband": {
                "line": unique("line"), "access_technology": "gpon", "password": PASSWORD,
                "maximum_downstream_kbit": 100000, "maximum_upstream_kbit": 50000, **part}}), 201)
        for action in ("approve", "provision", "activate"):
            self.expect(self.platform.post(f"/v1/resources/{line['id']}/{action}"), 200)
        return line

    def authorize(self, login):
        # FreeRADIUS reads no problem documents: a refusal is its status alone.
        return self.node.post("/radius/v1/authorize", body(User_Name=login, User_Password="x"),
                              check=False)

    def account(self, line, status, received=0, sent=0, at=None, **more):
        login = line["broadband"]["login"] if line else None
        attributes = {"User_Name": login, "Acct_Status_Type": status, "NAS_IP_Address": "192.0.2.1",
                      "NAS_Identifier": self.server, "Acct_Session_Id": "0000A1B2",
                      "Acct_Input_Octets64": str(received), "Acct_Output_Octets64": str(sent),
                      "Event_Timestamp": None if at is None else stamp(at), **more}
        self.expect(self.node.post("/radius/v1/accounting", body(**attributes)), 204)

    def sessions(self, line):
        return self.owner.all(f"/v1/resources/{line['id']}/sessions")

    def total(self, line):
        """Bytes in, bytes out, and sessions."""
        found = self.sessions(line)
        counted = self.database().rows(
            "select coalesce(sum(input_bytes), 0)::text as input_bytes, "
            "coalesce(sum(output_bytes), 0)::text as output_bytes "
            f"from radius_traffic where resource_id = '{line['id']}'")[0]
        for name in ("input_bytes", "output_bytes"):
            self.assertEqual(int(counted[name]), sum(int(each[name]) for each in found))
        return int(counted["input_bytes"]), int(counted["output_bytes"]), len(found)


class TestAuthorize(RadiusTest):
    def test_an_active_line_gets_password_and_tier(self):
        line = self.line()
        self.expect(self.platform.post(f"/v1/resources/{line['id']}/change",
                                       {"broadband": {"static_address": "203.0.113.77"}}), 200)
        answer = self.expect(self.authorize(line["broadband"]["login"]), 200)
        self.assertEqual({name: each["value"] for name, each in answer.items()}, {
            "control:Cleartext-Password": [PASSWORD],
            "reply:Framed-IP-Address": ["203.0.113.77"],
            "reply:Acct-Interim-Interval": [300],
            "reply:Mikrotik-Rate-Limit": ["50000k/100000k"],
            "reply:Filter-Id": [self.catalog()["broadband"]["plan"]["code"]]})
        self.assertEqual({each["do_xlat"] for each in answer.values()}, {False})
        self.expect(self.node.post("/radius/v1/post-auth", body(User_Name="x")), 204)

    def test_a_new_password_counts_at_once(self):
        line = self.line()
        for client, password in ((self.owner, "another-one"), (self.platform, "%{User-Name}")):
            self.expect(client.post(f"/v1/resources/{line['id']}/change",
                                    {"broadband": {"password": password}}), 200)
            answer = self.expect(self.authorize(line["broadband"]["login"]), 200)
            self.assertEqual(answer["control:Cleartext-Password"]["value"], [password])

    def test_unknown_and_suspended_lines_are_refused(self):
        line = self.line()
        login = line["broadband"]["login"]
        self.expect(self.authorize(f"nobody@{self.renter['code']}"), 404)
        self.expect(self.node.post("/radius/v1/authorize", b"no json", check=False), 404)
        self.expect(self.owner.post(f"/v1/resources/{line['id']}/suspend"), 200)
        self.expect(self.authorize(login), 403)
        self.expect(self.owner.post(f"/v1/resources/{line['id']}/resume"), 200)
        self.expect(self.authorize(login), 200)
        self.assertNotIn(PASSWORD, self.daemon.log())

    def test_a_key_is_no_certificate(self):
        answer = self.platform.post("/radius/v1/authorize", body(User_Name="x"), check=False)
        self.assertIn(answer.status, (401, 403, 404))


class TestAccounting(RadiusTest):
    def test_duplicates_and_late_packets(self):
        line = self.line()
        packets = [(START, 0, 0, 0), (INTERIM, 100, 10, 300), (INTERIM, 300, 30, 900),
                   (INTERIM, 200, 20, 600), (STOP, 400, 40, 1200)]
        for packet in packets:
            self.account(line, *packet)
            self.account(line, *packet)
        for packet in packets:
            self.account(line, *packet)
        self.assertEqual(self.total(line), (400, 40, 1))
        self.assertIsNotNone(self.sessions(line)[0]["stopped_at"])

    def test_a_lost_start_and_a_session_id_used_again(self):
        line = self.line()
        self.account(line, INTERIM, 1000, 100, 300, Acct_Session_Time=300)
        self.account(line, START, 0, 0, 0)
        self.account(line, STOP, 2000, 200, 600)
        self.account(line, START, 0, 0, 700)
        self.account(line, STOP, 2000, 200, 600)
        self.account(line, INTERIM, 50, 5, 800)
        self.assertEqual(self.total(line), (2050, 205, 2))

    def test_accounting_on_begins_anew(self):
        line = self.line()
        self.account(line, START, 0, 0, 0)
        self.account(line, INTERIM, 1000, 100, 300)
        for _ in range(2):
            self.account(None, ON, at=400, Acct_Session_Id="0")
        self.assertEqual(self.sessions(line)[0]["stop_cause"], "reboot")
        self.account(line, INTERIM, 1200, 120, 390)
        self.account(line, INTERIM, 70, 7, 500)
        self.account(None, ON, at=400, Acct_Session_Id="0")
        self.account(line, INTERIM, 90, 9, 600)
        self.assertEqual(self.total(line), (1290, 129, 2))

    def test_accounting_on_sent_twice_at_once(self):
        line = self.line()
        self.account(line, START, 0, 0, 0)
        attributes = body(Acct_Status_Type=ON, NAS_IP_Address="192.0.2.1",
                          NAS_Identifier=self.server, Event_Timestamp=stamp(400))
        answers = self.behind(
            f"select from radius_servers where identifier = '{self.server}' for share",
            "radius_account(",
            *[lambda: self.node.post("/radius/v1/accounting", attributes)] * 2)
        self.assertEqual([answer.status for answer in answers], [204, 204])
        self.assertNotIn("40P01", self.daemon.log())  # a deadlock
        self.assertEqual(self.sessions(line)[0]["stop_cause"], "reboot")

    def test_counters_of_64_bits(self):
        line = self.line()
        self.account(line, INTERIM, 2**64 - 1, 0, 300)
        self.assertEqual(self.total(line), (2**64 - 1, 0, 1))

    def test_many_at_once_count_each_byte_once(self):
        line = self.line()
        nodes = [self.radius() for _ in range(4)]

        def send(number):
            attributes = body(User_Name=line["broadband"]["login"], Acct_Status_Type=INTERIM,
                              NAS_Identifier=self.server, Acct_Session_Id="s",
                              Acct_Input_Octets64=str(number % 50 * 10),
                              Acct_Output_Octets64=str(number % 50), Event_Timestamp=stamp(60))
            return nodes[number % 4].post("/radius/v1/accounting", attributes).status

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.assertEqual(set(pool.map(send, range(200))), {204})
        self.assertEqual(self.total(line), (490, 49, 1))

    def test_what_belongs_to_no_line_is_kept_apart(self):
        self.account({"broadband": {"login": "测试\u0000"}}, START, Acct_Session_Id=unique("s"))
        self.expect(self.node.post("/radius/v1/accounting", b"{"), 204)
        found = self.platform.all("/v1/radius-quarantine")
        self.assertIn("malformed_json", {each["reason"] for each in found})
        self.assertIn(self.server, {each["server"] for each in found})
        self.expect(self.owner.get("/v1/radius-quarantine"), 403)

    def test_bug_0043_a_status_beyond_31_bits_is_kept_apart(self):
        self.account(self.line(), 2**32 - 1)
        found = self.platform.all("/v1/radius-quarantine", {"reason": "status_unknown"})
        self.assertIn((self.server, 2**32 - 1), {(each["server"], each["status"]) for each in found})

    def test_every_recorded_body_is_answered(self):
        with open(RECORDED, encoding="utf-8") as file:
            recorded = json.load(file)
        for entry in recorded:
            answer = self.node.post(entry["path"], entry["body"], check=False)
            self.assertEqual(answer.status,
                             404 if entry["path"].endswith("authorize") else 204, entry["file"])


if __name__ == "__main__":
    unittest.main()
