"""Entitlements: what a vendor's application is told, and what it can verify by itself."""

import base64
import datetime
import hashlib
import json
import os
import re
import subprocess
import tempfile
import time
import unittest

from harness import ApiTest, unique

WINDOW = 300  # seconds
# SubjectPublicKeyInfo of Ed25519 (RFC 8410) without the key.
PUBLIC_KEY_HEAD = bytes.fromhex("302a300506032b6570032100")


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def seconds(text):
    return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def later(**time_from_now):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**time_from_now)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class EntitlementTest(ApiTest):
    def setUp(self):
        self.renter, self.owner = self.tenant()
        self.client = self.client_of("developer", self.renter, scopes=["entitlements:read"])
        self.software = self.resource(self.owner, "software", external_id=unique("CRM"))

    def ask(self, client=None, **question):
        return self.expect((client or self.client).get("/v1/entitlements", query=question), 200)

    def check(self, key, client=None, **fields):
        return self.expect((client or self.client).post("/v1/entitlements/check", {"licence_key": key, **fields}), 200)

    def seat(self, email=None, software=None):
        return self.expect(self.owner.post(f"/v1/resources/{(software or self.software)['id']}/seats", {
            "person": "李娜", "email": email or f"{unique('p')}@lanhai.example"}), 201)

    def add_key(self, **fields):
        """A licence key's text and what is shown of it."""
        text = unique("LH26-7QX4")
        answer = self.platform.post(f"/v1/resources/{self.software['id']}/licence-keys", {"keys": [{"key": text, **fields}]})
        return text, self.expect(answer, 201)["data"][0]

    def act_on_key(self, key, action, body=None):
        return self.expect(self.platform.post(
            f"/v1/resources/{self.software['id']}/licence-keys/{key['id']}/{action}", body), 200)

    def release(self, seat):
        self.expect(self.owner.delete(f"/v1/resources/{self.software['id']}/seats/{seat['id']}", if_match="*"), 200)

    def keys(self):
        return self.expect(self.shared.client().get("/v1/entitlement-keys"), 200)["keys"]

    def claims(self, token, keys=None):
        """What a token says, verified by OpenSSL with the key that it names."""
        head, body, signature = token.split(".")
        header = json.loads(decode(head))
        key = next(each for each in keys or self.keys() if each["kid"] == header["kid"])
        self.assertEqual(header, {"alg": "EdDSA", "kid": key["kid"], "typ": "JWT"})
        parts = {"key": PUBLIC_KEY_HEAD + decode(key["x"]), "message": f"{head}.{body}".encode(), "signature": decode(signature)}
        with tempfile.TemporaryDirectory() as folder:
            paths = {name: os.path.join(folder, name) for name in parts}
            for name, data in parts.items():
                with open(paths[name], "wb") as file:
                    file.write(data)
            done = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", paths["key"],
                                   "-rawin", "-in", paths["message"], "-sigfile", paths["signature"]],
                                  capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stdout.strip()), (0, "Signature Verified Successfully"), done.stderr)
        return json.loads(decode(body))

    @staticmethod
    def stay_in_a_window():
        """Waits where the next one is near."""
        left = WINDOW - time.time() % WINDOW
        if left < 30:
            time.sleep(left + 1)


class TestQuestions(EntitlementTest):
    def test_by_each_name_of_a_subscription(self):
        seat = self.seat("Li.Na@lanhai.example")
        offer = self.catalog()["software"]
        expected = {"entitled": True, "reason": None, "resource_id": self.software["id"],
                    "offering_id": offer["offering"]["id"], "offering_code": offer["offering"]["code"],
                    "plan_id": offer["plan"]["id"], "seats": 5, "seat_id": seat["id"], "email": "Li.Na@lanhai.example"}
        for question in ({"resource_id": self.software["id"]}, {"external_id": self.software["external_id"]},
                         {"offering": offer["offering"]["code"]}):
            with self.subTest(question):
                found = self.ask(**question, email="li.na@LANHAI.example")
                self.assertEqual({name: found[name] for name in expected}, expected)

    def test_whom_nobody_knows(self):
        found = self.ask(resource_id=self.software["id"], email="nobody@lanhai.example")
        self.assertEqual((found["entitled"], found["reason"], found["seat_id"], found["email"]),
                         (False, "no_seat", None, "nobody@lanhai.example"))
        for question in ({"external_id": "none"}, {"offering": "none"},
                         {"resource_id": self.resource(self.owner, "broadband")["id"]}):
            found = self.ask(**question, email="nobody@lanhai.example")
            self.assertEqual([found[name] for name in ("entitled", "reason", "resource_id", "offering_id",
                                                       "offering_code", "plan_id", "seats", "seat_id")],
                             [False, "unknown"] + [None] * 6)
        self.assertNotIn("aud", self.claims(self.ask(external_id="none", email="a@b.example")["token"]))

    def test_what_is_no_question(self):
        email = "li.na@lanhai.example"
        for question in ({}, {"email": email}, {"resource_id": self.software["id"]}, {"offering": "cad"},
                         {"resource_id": self.software["id"], "offering": "cad", "email": email}):
            with self.subTest(question):
                self.expect(self.client.get("/v1/entitlements", query=question), 400, "entitlement_question")

    def test_a_seat_is_the_persons_for_a_time(self):
        seat = self.seat()
        question = {"resource_id": self.software["id"], "email": seat["email"]}
        self.assertTrue(self.ask(**question)["entitled"])
        self.release(seat)
        self.assertEqual(self.ask(**question)["reason"], "no_seat")

    def test_states_of_a_subscription(self):
        seat = self.seat()
        question = {"resource_id": self.software["id"], "email": seat["email"]}
        self.act(self.software, "suspend", {"hold": "billing"})
        self.assertEqual((self.ask(**question)["entitled"], self.ask(**question)["reason"]), (False, "suspended"))
        self.act(self.software, "resume", {"hold": "billing"})
        self.assertTrue(self.ask(**question)["entitled"])
        self.act(self.software, "terminate")
        found = self.ask(**question)
        self.assertEqual((found["reason"], found["plan_id"], found["seats"]), ("not_active", None, None))
        asked = self.request_resource(self.owner, "software")
        self.assertEqual(self.ask(resource_id=asked["id"], email=seat["email"])["reason"], "not_active")

    def test_of_several_subscriptions_the_one_that_serves(self):
        offering = self.catalog()["software"]["offering"]["code"]
        seat = self.seat()
        others = [self.resource(self.owner, "software") for _ in range(2)]
        found = self.ask(offering=offering, email=seat["email"])
        self.assertEqual((found["entitled"], found["resource_id"]), (True, self.software["id"]))
        self.act(self.software, "suspend")
        found = self.ask(offering=offering, email=seat["email"])
        self.assertEqual((found["reason"], found["resource_id"]), ("suspended", self.software["id"]))
        again = self.seat(seat["email"], others[0])
        found = self.ask(offering=offering, email=seat["email"])
        self.assertEqual((found["entitled"], found["seat_id"]), (True, again["id"]))

    def test_an_operator_names_the_tenant(self):
        seat = self.seat()
        question = {"resource_id": self.software["id"], "email": seat["email"]}
        self.expect(self.platform.get("/v1/entitlements", query=question), 422, "tenant_required")
        self.expect(self.platform.post("/v1/entitlements/check", {"licence_key": "x"}), 422, "tenant_required")
        self.assertTrue(self.ask(self.platform, tenant=self.renter["id"], **question)["entitled"])
        other, _ = self.tenant()
        self.assertEqual(self.ask(self.platform, tenant=other["id"], **question)["reason"], "unknown")
        self.expect(self.platform.post(f"/v1/tenants/{self.renter['id']}/suspend"), 200)
        self.assertEqual(self.ask(self.platform, tenant=self.renter["id"], **question)["reason"], "suspended")

    def test_who_may_ask(self):
        question = {"resource_id": self.software["id"], "email": "a@b.example"}
        self.expect(self.client.get(f"/v1/resources/{self.software['id']}"), 403, "forbidden")
        for role in ("billing", "member"):
            self.expect(self.client_of(role, self.renter).get("/v1/entitlements", query=question), 403, "forbidden")
        for role in ("finance", "auditor", "park_manager"):
            self.expect(self.operator(role).get("/v1/entitlements", query=question), 403, "forbidden")
        self.expect(self.shared.client().get("/v1/entitlements", query=question), 401)


class TestKeys(EntitlementTest):
    def test_by_the_key_and_by_its_id(self):
        text, key = self.add_key(seats=40)
        for found in (self.check(text), self.ask(licence_key_id=key["id"])):
            self.assertEqual([found[name] for name in ("entitled", "resource_id", "seats", "seat_id", "email")],
                             [True, self.software["id"], 40, None, None])
            self.assertEqual(self.claims(found["token"])["sub"], key["id"])
        self.assertEqual(self.check(text + "x")["reason"], "unknown")
        self.assertNotIn("sub", self.claims(self.check(text + "x")["token"]))
        self.assertNotIn(text, self.daemon.log())

    def test_whose_it_is(self):
        text, key = self.add_key()
        seat, other = self.seat(), self.seat()
        self.assertEqual(self.check(text, email=other["email"])["seat_id"], other["id"])
        self.act_on_key(key, "assign", {"seat_id": seat["id"]})
        found = self.check(text)
        self.assertEqual((found["entitled"], found["seat_id"], found["email"]), (True, seat["id"], seat["email"]))
        self.assertTrue(self.check(text, email=seat["email"])["entitled"])
        self.assertEqual(self.check(text, email=other["email"])["reason"], "no_seat")
        self.assertEqual(self.ask(licence_key_id=key["id"], email=other["email"])["reason"], "no_seat")

    def test_revoked_and_expired(self):
        text, key = self.add_key()
        self.act_on_key(key, "revoke", {"reason": "密钥外泄"})
        self.assertEqual((self.check(text)["entitled"], self.check(text)["reason"]), (False, "key_revoked"))
        text, _ = self.add_key(valid_until="2026-01-01T00:00:00Z")
        self.assertEqual(self.check(text)["reason"], "key_expired")
        text, _ = self.add_key(valid_until=later(days=3))
        self.assertIsNone(self.check(text)["reason"])
        self.act(self.software, "suspend")
        self.assertEqual(self.check(text)["reason"], "suspended")

    def test_the_answer_ends_with_the_key(self):
        self.stay_in_a_window()
        ends = later(seconds=60)
        _, key = self.add_key(valid_until=ends)
        answer = self.client.get("/v1/entitlements", query={"licence_key_id": key["id"]})
        found = self.expect(answer, 200)
        self.assertEqual(found["valid_until"], ends)
        self.assertEqual(self.claims(found["token"])["exp"], seconds(ends))
        self.assertLessEqual(int(answer.header("Cache-Control").rpartition("=")[2]), 60)

    def test_nothing_of_another_tenants(self):
        text, key = self.add_key()
        seat = self.seat()
        _, stranger = self.tenant()
        never = "lic_01k8x7g0v8e2v9m3b1q4t5y6z7"
        unknown = [False, "unknown", None, None, None, None]
        offering = self.catalog()["software"]["offering"]["code"]
        for found in (self.check(text, stranger), self.check(text, stranger, email=seat["email"]),
                      self.ask(stranger, licence_key_id=key["id"]), self.ask(stranger, licence_key_id=never),
                      self.ask(stranger, resource_id=self.software["id"], email=seat["email"]),
                      self.ask(stranger, external_id=self.software["external_id"], email=seat["email"]),
                      self.ask(stranger, offering=offering, email=seat["email"])):
            self.assertEqual([found[name] for name in ("entitled", "reason", "resource_id", "offering_id", "seats",
                                                       "seat_id")], unknown)
        self.expect(stranger.get("/v1/entitlements", query={"licence_key_id": key["id"], "tenant": self.renter["id"]}), 404)


class TestCaching(EntitlementTest):
    def test_the_same_until_something_changes(self):
        self.stay_in_a_window()
        seat = self.seat()
        query = {"resource_id": self.software["id"], "email": seat["email"]}
        answer = self.client.get("/v1/entitlements", query=query)
        found = self.expect(answer, 200)
        self.assertEqual(answer.header("Cache-Control"), "private, max-age=300")
        self.assertEqual(answer.header("Vary"), "Authorization, Cookie")
        self.assertRegex(answer.etag, re.compile('"[0-9a-f]{32}"'))
        start = seconds(found["checked_at"])
        self.assertEqual((start % WINDOW, start, seconds(found["valid_until"])),
                         (0, int(time.time()) // WINDOW * WINDOW, start + 2 * WINDOW))
        again = self.client.get("/v1/entitlements", query=query, headers={"If-None-Match": answer.etag})
        self.assertEqual((again.status, again.body, again.etag, again.header("Cache-Control")),
                         (304, b"", answer.etag, "private, max-age=300"))
        self.assertEqual(self.client.get("/v1/entitlements", query=query).body, answer.body)
        self.act(self.software, "suspend")
        changed = self.client.get("/v1/entitlements", query=query, headers={"If-None-Match": answer.etag})
        self.assertFalse(self.expect(changed, 200)["entitled"])
        self.assertNotEqual(changed.etag, answer.etag)

    def test_what_is_posted_is_not_kept(self):
        answer = self.client.post("/v1/entitlements/check", {"licence_key": "x"})
        self.assertEqual((answer.status, answer.header("Cache-Control"), answer.etag), (200, "no-store", None))


class TestToken(EntitlementTest):
    def test_claims(self):
        seat = self.seat()
        found = self.ask(resource_id=self.software["id"], email=seat["email"])
        claims = self.claims(found["token"])
        self.assertEqual(claims, {
            "iss": "bccd", "sub": seat["email"], "aud": found["offering_code"], "iat": seconds(found["checked_at"]),
            "nbf": seconds(found["checked_at"]), "exp": seconds(found["valid_until"]),
            **{name: value for name, value in found.items() if name not in ("checked_at", "valid_until", "token")}})
        self.assertEqual(self.claims(self.ask(offering="none", email="a@b.example")["token"])["aud"], "none")

    def test_keys_are_anybodys(self):
        answer = self.shared.client().get("/v1/entitlement-keys")
        keys = self.expect(answer, 200)["keys"]
        self.assertEqual(answer.header("Cache-Control"), "public, max-age=300")
        self.assertEqual(len(keys), 1)
        for key in keys:
            thumbprint = json.dumps({name: key[name] for name in ("crv", "kty", "x")}, separators=(",", ":"))
            digest = base64.urlsafe_b64encode(hashlib.sha256(thumbprint.encode()).digest()).decode().rstrip("=")
            self.assertEqual((key["kid"], key["kty"], key["crv"], key["alg"], key["use"], len(decode(key["x"]))),
                             (digest, "OKP", "Ed25519", "EdDSA", "sig", 32))

    def test_a_token_that_was_altered(self):
        head, _, signature = self.ask(offering="none", email="a@b.example")["token"].split(".")
        body = base64.urlsafe_b64encode(b'{"entitled":true}').decode().rstrip("=")
        with self.assertRaises(AssertionError):
            self.claims(f"{head}.{body}.{signature}")


class TestRotation(EntitlementTest):
    """Another master key comes: what was sealed opens, what was signed verifies."""

    settings = {"public_url": "https://cloud.example"}

    def add_master_key(self):
        self.assertEqual(self.daemon.stop(), 0)
        path = os.path.join(self.daemon.state, "master.key")
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join([*lines, os.urandom(32).hex()]) + "\n")
        self.daemon.start()

    def test_after_another_key(self):
        seat = self.seat()
        text, key = self.add_key()
        before = self.ask(resource_id=self.software["id"], email=seat["email"])["token"]
        old = self.keys()
        self.add_master_key()
        keys = self.keys()
        self.assertEqual((keys[0], len(keys)), (old[0], 2))
        self.assertEqual(self.claims(before, keys)["iss"], "https://cloud.example")
        after = self.ask(resource_id=self.software["id"], email=seat["email"])["token"]
        self.assertEqual(json.loads(decode(after.split(".")[0]))["kid"], keys[1]["kid"])
        self.assertTrue(self.claims(after, keys)["entitled"])
        self.assertTrue(self.check(text)["entitled"])
        path = f"/v1/resources/{self.software['id']}/licence-keys"
        self.assertEqual(self.act_on_key(key, "reveal")["key"], text)
        self.expect(self.platform.post(path, {"keys": [{"key": text}]}), 409, "licence_key_used")
        fresh, other = self.add_key()
        self.assertEqual(self.act_on_key(other, "reveal")["key"], fresh)
        self.assertTrue(self.check(fresh)["entitled"])


if __name__ == "__main__":
    unittest.main()
