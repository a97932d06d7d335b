"""Licence keys of software: added, assigned, revoked, seen in clear by those who may."""

import unittest

from harness import ApiTest, unique


class LicenceKeyTest(ApiTest):
    def setUp(self):
        self.renter, self.owner = self.tenant()
        self.software = self.resource(self.owner, "software")
        self.path = f"/v1/resources/{self.software['id']}/licence-keys"

    def add(self, *keys, path=None, status=201, code=None):
        answer = self.platform.post(path or self.path, {"keys": [
            each if isinstance(each, dict) else {"key": each} for each in keys]})
        found = self.expect(answer, status, code)
        return found["data"] if status == 201 else found

    def one(self, **fields):
        return self.add({"key": unique("LH26-7QX4"), **fields})[0]

    def do(self, key, action, body=None, client=None, status=200, code=None, **options):
        answer = (client or self.platform).post(f"{self.path}/{key['id']}/{action}", body, **options)
        return self.expect(answer, status, code)

    def see(self, key, client=None):
        return self.expect((client or self.owner).get(f"{self.path}/{key['id']}"), 200)

    def seat(self, **fields):
        return self.expect(self.owner.post(f"/v1/resources/{self.software['id']}/seats", {
            "person": "李娜", "email": f"{unique('p')}@lanhai.example", **fields}), 201)

    def release(self, seat):
        self.expect(self.owner.delete(f"/v1/resources/{self.software['id']}/seats/{seat['id']}", if_match="*"), 200)


class TestAdding(LicenceKeyTest):
    def test_what_is_shown(self):
        text = unique("LH26-7QX4")
        key, plain = self.add({"key": text, "label": "2026 年度", "seats": 10, "valid_until": "2027-10-31T16:00:00Z"},
                              {"key": "短" * 11})
        self.assertEqual(
            {name: key[name] for name in ("resource_id", "masked", "label", "state", "seats", "valid_until", "seat_id",
                                          "revoked_at", "reason")},
            {"resource_id": self.software["id"], "masked": "****" + text[-4:], "label": "2026 年度",
             "state": "available", "seats": 10, "valid_until": "2027-10-31T16:00:00Z", "seat_id": None,
             "revoked_at": None, "reason": ""})
        self.assertEqual((plain["masked"], plain["label"], plain["seats"], plain["valid_until"]), ("****", "", None, None))
        self.assertEqual(self.see(key), key)
        self.assertEqual(self.owner.all(self.path, query={"limit": 1}), [plain, key])

    def test_characters_are_shown_whole(self):
        self.assertEqual(self.add("密钥" + unique("k") + "蓝海软件")[0]["masked"], "****蓝海软件")

    def test_as_many_as_a_request_may_bring(self):
        texts = [unique("汉" * 480) for _ in range(500)]
        added = self.add(*texts)
        self.assertEqual([each["masked"] for each in added], ["****" + each[-4:] for each in texts])
        self.assertEqual(self.do(added[499], "reveal")["key"], texts[499])
        self.add(*texts, unique("k"), status=422, code="validation_failed")
        self.add("", status=422, code="validation_failed")
        self.add("two\nlines", status=422, code="validation_failed")
        self.add("x" * 501, status=422, code="validation_failed")
        self.add({"key": unique("k"), "seats": 0}, status=422, code="validation_failed")

    def test_a_key_is_there_once(self):
        text = unique("LH26-7QX4")
        self.add(text)
        fresh = unique("LH26-7QX4")
        problem = self.add(fresh, text, status=409, code="licence_key_used")
        self.assertEqual(problem["detail"], "Key 2 of the request is there already; nothing was added.")
        other, owner = self.tenant()
        elsewhere = f"/v1/resources/{self.resource(owner, 'software')['id']}/licence-keys"
        self.add(text, path=elsewhere, status=409, code="licence_key_used")
        self.add(fresh, fresh, path=elsewhere, status=409, code="licence_key_used")
        self.assertEqual(owner.all(elsewhere), [])
        self.add(fresh, path=elsewhere)

    def test_a_repeated_request_adds_once(self):
        key = {"Idempotency-Key": unique("add")}
        body = {"keys": [{"key": unique("LH26-7QX4")}]}
        first, again = (self.platform.post(self.path, body, headers=key) for _ in range(2))
        self.assertEqual((self.expect(again, 201), again.header("Idempotency-Replayed")), (first.json, "true"))
        self.assertEqual(first.header("Location"), self.path)
        self.assertEqual(len(self.owner.all(self.path)), 1)

    def test_what_takes_no_keys(self):
        line = self.resource(self.owner, "broadband")
        self.add(unique("k"), path=f"/v1/resources/{line['id']}/licence-keys", status=404, code="not_found")
        asked = self.request_resource(self.owner, "software")
        self.add(unique("k"), path=f"/v1/resources/{asked['id']}/licence-keys", status=409, code="state_conflict")


class TestLife(LicenceKeyTest):
    def test_a_key_is_a_seats(self):
        key, seat = self.one(), self.seat()
        held = self.do(key, "assign", {"seat_id": seat["id"]}, client=self.owner)
        self.assertEqual((held["state"], held["seat_id"]), ("assigned", seat["id"]))
        other = self.one()
        self.assertEqual([each["id"] for each in self.owner.all(self.path, query={"state": ["available"]})], [other["id"]])
        self.assertEqual([each["id"] for each in self.owner.all(self.path, query={"seat_id": seat["id"]})], [key["id"]])
        self.do(key, "assign", {"seat_id": self.seat()["id"]}, status=409, code="state_conflict")
        self.do(other, "assign", {"seat_id": seat["id"]}, status=409, code="state_conflict")
        self.assertEqual(self.do(key, "unassign", client=self.owner)["state"], "available")
        self.do(key, "unassign", status=409, code="state_conflict")
        self.do(other, "assign", {"seat_id": seat["id"]})
        self.release(seat)
        freed = self.see(other)
        self.assertEqual((freed["state"], freed["seat_id"]), ("available", None))
        self.do(other, "assign", {"seat_id": seat["id"]}, status=422, code="reference_unknown")

    def test_a_seat_of_another_subscription(self):
        seat = self.seat()
        self.software = self.resource(self.owner, "software")
        self.path = f"/v1/resources/{self.software['id']}/licence-keys"
        self.do(self.one(), "assign", {"seat_id": seat["id"]}, status=422, code="reference_unknown")

    def test_revoked_for_good(self):
        key, seat = self.one(), self.seat()
        self.do(key, "assign", {"seat_id": seat["id"]})
        self.do(key, "revoke", {}, status=422, code="validation_failed")
        self.do(key, "revoke", {"reason": "x"}, client=self.owner, status=403, code="forbidden")
        gone = self.do(key, "revoke", {"reason": "密钥外泄"})
        self.assertEqual((gone["state"], gone["reason"], gone["seat_id"]), ("revoked", "密钥外泄", None))
        self.assertIsNotNone(gone["revoked_at"])
        self.do(key, "assign", {"seat_id": seat["id"]}, status=409, code="state_conflict")
        self.do(key, "revoke", {"reason": "x"}, status=409, code="state_conflict")

    def test_revoked_with_its_subscription(self):
        held, free, seat = self.one(), self.one(), self.seat()
        self.do(held, "assign", {"seat_id": seat["id"]})
        self.act(self.software, "terminate", client=self.owner)
        self.assertEqual([(each["state"], each["seat_id"], each["reason"]) for each in self.owner.all(self.path)],
                         [("revoked", None, "The subscription is terminated.")] * 2)
        self.do(free, "reveal", client=self.owner, status=409, code="state_conflict")
        self.do(free, "reveal")

    def test_revoked_with_a_rejection(self):
        self.software = self.request_resource(self.owner, "software")
        self.path = f"/v1/resources/{self.software['id']}/licence-keys"
        self.act(self.software, "approve")
        key = self.one()
        self.act(self.software, "reject")
        self.assertEqual(self.see(key)["state"], "revoked")

    def test_if_match_guards_actions(self):
        key = self.one()
        etag = self.owner.get(f"{self.path}/{key['id']}").etag
        self.do(key, "assign", {"seat_id": self.seat()["id"]}, headers={"If-Match": etag})
        self.do(key, "unassign", headers={"If-Match": etag}, status=412, code="precondition_failed")
        self.expect(self.owner.get(f"{self.path}/{key['id']}", headers={"If-None-Match": etag}), 200)

    def test_a_seat_released_while_a_key_comes(self):
        """Whoever is first: no key stays with a seat that is nobody's."""
        for _ in range(3):
            key, seat = self.one(), self.seat()
            where = f"/v1/resources/{self.software['id']}/seats/{seat['id']}"
            assigned, _ = self.behind(
                f"select from software_seats where id = '{seat['id']}' for update", "software_seats",
                lambda: self.owner.post(f"{self.path}/{key['id']}/assign", {"seat_id": seat["id"]}),
                lambda: self.platform.delete(where, if_match="*"))
            self.assertIn(assigned.status, (200, 422))
            self.assertEqual(self.see(key)["state"], "available")


class TestReveal(LicenceKeyTest):
    def test_who_may(self):
        text = unique("LH26-7QX4")
        key = self.add(text)[0]
        clients = {role: self.client_of(role, self.renter) for role in ("owner", "admin", "developer", "billing", "member")}
        clients.update({role: self.operator(role) for role in ("platform_admin", "operator", "finance", "auditor",
                                                               "park_manager")})
        for role, client in clients.items():
            with self.subTest(role):
                answer = client.post(f"{self.path}/{key['id']}/reveal")
                if role in ("owner", "admin", "platform_admin", "operator"):
                    self.assertEqual(self.expect(answer, 200),
                                     {"id": key["id"], "resource_id": self.software["id"], "key": text})
                    self.assertEqual(answer.header("Cache-Control"), "no-store")
                else:
                    self.expect(answer, 403, "forbidden")
        self.assertEqual(len(self.owner.all(f"{self.path}/{key['id']}/reveals")), 4)

    def test_each_time_is_on_record(self):
        key = self.one()
        me = self.expect(self.owner.get("/v1/me"), 200)
        for client in (self.owner, self.platform):
            self.do(key, "reveal", client=client)
        seen = self.owner.all(f"{self.path}/{key['id']}/reveals", query={"limit": 1})
        self.assertEqual([each["number"] for each in seen], [2, 1])
        self.assertEqual(seen[1]["actor"], me["actor"])
        trail = self.owner.all("/v1/audit-events", query={"object_type": "licence_key_reveals"})
        self.assertEqual([(each["actor"], each["new"]["licence_key_id"]) for each in reversed(trail)],
                         [(each["actor"], key["id"]) for each in reversed(seen)])
        self.expect(self.client_of("member", self.renter).get(f"{self.path}/{key['id']}/reveals"), 403, "forbidden")

    def test_never_anywhere_else(self):
        text = unique("LH26-7QX4")
        key = self.add(text)[0]
        self.do(key, "assign", {"seat_id": self.seat()["id"]})
        row = self.database().rows(f"select k::text as text from licence_keys k where id = '{key['id']}'")[0]["text"]
        self.assertNotIn(text, row)
        trail = self.platform.get("/v1/audit-events", query={"row_id": key["id"]})
        self.assertEqual([each["action"] for each in self.expect(trail, 200)["data"]], ["update", "insert"])
        for each in trail.json["data"]:
            self.assertFalse({"secret", "digest"} & set(each["new"]))
        self.assertNotIn(text.encode(), trail.body)
        self.assertNotIn(text, self.daemon.log())

    def test_a_moved_row_does_not_open(self):
        one, other = self.one(), self.one()
        self.database().execute(f"""update licence_keys k set secret = o.secret from licence_keys o
                                    where k.id = '{one['id']}' and o.id = '{other['id']}'""")
        self.do(one, "reveal", status=500, code="licence_key_unreadable")

    def test_whose_it_is(self):
        key = self.one()
        _, stranger = self.tenant()
        self.expect(stranger.get(self.path), 404)
        self.expect(stranger.get(f"{self.path}/{key['id']}"), 404)
        self.expect(stranger.get(f"{self.path}/{key['id']}/reveals"), 404)
        self.do(key, "reveal", client=stranger, status=404, code="not_found")
        self.do(key, "assign", {"seat_id": self.seat()["id"]}, client=stranger, status=404, code="not_found")
        self.expect(self.owner.post(self.path, {"keys": [{"key": unique("k")}]}), 403, "forbidden")
        other = self.resource(self.owner, "software")
        self.expect(self.owner.get(f"/v1/resources/{other['id']}/licence-keys/{key['id']}"), 404)


if __name__ == "__main__":
    unittest.main()
