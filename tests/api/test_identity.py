"""People and keys: who may come in, and that nobody rises by what he makes."""

import datetime
import unittest

from harness import ApiTest, unique

RANDOM_USER = "usr_01k8x7g0v8e2v9m3b1q4t5y6z7"
RANDOM_KEY = "key_01k8x7g0v8e2v9m3b1q4t5y6z7"
ATTEMPTS = 10  # that may fail within an hour before an account is locked


def person(role=None, **fields):
    body = {"email": f"{unique('person')}@example.com", "name": "李娜",
            "password": "crane-over-the-river", **fields}
    return body if role is None else {**body, "role": role}


class IdentityTest(ApiTest):
    def sign_in(self, user, **fields):
        return self.stranger().post("/v1/sessions", {
            "email": user["email"], "password": user["password"], **fields})

    def signed_in(self, user, **fields):
        """A client with the session's cookie, as a browser keeps it."""
        answer = self.sign_in(user, **fields)
        self.expect(answer, 201)
        cookie = answer.header("Set-Cookie").partition(";")[0]
        return self.shared.client(headers={"Cookie": cookie})

    def ends(self, client):
        """What was cached of a credential is dropped as soon as the news has come."""
        self.eventually(lambda: client.get("/v1/me").status == 401)

    def refused_alike(self, one, other, status):
        """A foreign id answers exactly as a random one."""
        first, second = self.expect(one, status), self.expect(other, status)
        for problem in first, second:
            problem.pop("request_id")
        self.assertEqual(first, second)


class Sessions(IdentityTest):
    def test_sign_in_and_out(self):
        tenant, _ = self.tenant()
        user = self.user(tenant, role="admin")
        answer = self.sign_in({**user, "email": user["email"].upper()})
        session = self.expect(answer, 201)
        self.assertEqual((session["side"], session["role"], session["tenant"]["id"]),
                         ("tenant", "admin", tenant["id"]))
        cookie = answer.header("Set-Cookie")
        self.assertRegex(cookie, r"^__Host-bccd=[0-9a-f]{64}; ")
        for attribute in "Path=/", "Secure", "HttpOnly", "SameSite=Strict":
            self.assertIn(attribute, cookie)
        client = self.shared.client(headers={"Cookie": cookie.partition(";")[0]})
        me = self.expect(client.get("/v1/me"), 200)
        self.assertEqual((me["actor"], me["user"]["email"]), (user["id"], user["email"]))
        self.assertIn("users:write", me["permissions"])
        self.assertEqual(me["time_zone"], "Asia/Shanghai")
        self.assertIsNone(me["api_key"])
        out = client.delete("/v1/sessions/current")
        self.expect(out, 204)
        self.assertIn("Max-Age=0", out.header("Set-Cookie"))
        self.ends(client)

    def test_wrong_password_and_unknown_account_answer_alike(self):
        tenant, _ = self.tenant()
        user = self.user(tenant)
        self.refused_alike(self.sign_in({**user, "password": "not-the-password"}),
                           self.sign_in({**user, "email": f"{unique('no')}@example.com"}), 401)

    def test_sign_in_to_a_foreign_tenant_fails(self):
        tenant, _ = self.tenant()
        foreign, _ = self.tenant()
        user = self.user(tenant)
        self.expect(self.sign_in(user, tenant=foreign["id"]), 401, "sign_in_failed")
        self.expect(self.sign_in(user, tenant=tenant["id"]), 201)

    def test_guessing_is_throttled_for_known_and_unknown_alike(self):
        tenant, _ = self.tenant()
        for user in self.user(tenant), person():
            for _ in range(ATTEMPTS):
                self.expect(self.sign_in({**user, "password": "wrong"}), 401, "sign_in_failed")
            answer = self.sign_in(user)
            self.expect(answer, 429, "sign_in_throttled")
            self.assertTrue(0 < int(answer.header("Retry-After")) <= 60)

    def test_permissions_without_an_operation_are_told(self):
        me = self.expect(self.platform.get("/v1/me"), 200)
        self.assertIn("resources:backdate", me["permissions"])

    def test_bug_0042_ones_own_sign_in_clears_no_other_count(self):
        """Names that PostgreSQL's hash alone puts together, which anybody can look for."""
        tenant, _ = self.tenant()
        prefix = unique("namesake")
        names = self.database().value(f"""
            select array_agg(name) from (
                select '{prefix}-' || n || '@example.com' as name from generate_series(1, 20000) n) q
            group by hashtextextended(name, 0) & 1048575 having count(*) > 1 limit 1""")
        victim, guesser = (self.user(tenant, email=name) for name in names[:2])
        for _ in range(ATTEMPTS - 1):
            self.expect(self.sign_in({**victim, "password": "wrong"}), 401, "sign_in_failed")
        self.expect(self.sign_in(guesser), 201)
        self.expect(self.sign_in({**victim, "password": "wrong"}), 401, "sign_in_failed")
        self.expect(self.sign_in(victim), 429, "sign_in_throttled")

    def test_operator_signs_in(self):
        user = self.user(operator_role="finance")
        client = self.signed_in(user)
        me = self.expect(client.get("/v1/me"), 200)
        self.assertEqual((me["side"], me["role"], me["tenant"]), ("operator", "finance", None))

    def test_session_follows_role_tenant_and_account(self):
        tenant, owner = self.tenant()
        user = self.user(tenant, role="admin")
        client = self.signed_in(user)
        path = f"/v1/tenants/{tenant['id']}/members/{user['id']}"
        self.expect(client.get("/v1/users"), 200)
        self.expect(owner.patch(path, {"role": "member"}, if_match=owner.get(path).etag), 200)
        self.eventually(lambda: client.get("/v1/users").status == 403)
        self.expect(self.platform.post(f"/v1/tenants/{tenant['id']}/suspend"), 200)
        self.ends(client)
        self.expect(self.platform.post(f"/v1/tenants/{tenant['id']}/resume"), 200)
        self.eventually(lambda: client.get("/v1/me").status == 200)
        self.expect(self.platform.post(f"/v1/users/{user['id']}/disable"), 200)
        self.ends(client)
        self.expect(self.sign_in(user), 401, "sign_in_failed")
        self.expect(self.platform.post(f"/v1/users/{user['id']}/enable"), 200)
        self.expect(self.sign_in(user), 201)
        self.assertEqual(client.get("/v1/me").status, 401)

    def test_another_sites_page_cannot_use_the_cookie(self):
        tenant, _ = self.tenant()
        client = self.signed_in(self.user(tenant, role="owner"))
        self.expect(client.post("/v1/users", person("member"),
                                headers={"Origin": "https://evil.example"}),
                    403, "cross_origin_refused")

    def test_an_api_key_has_no_session(self):
        self.expect(self.platform.delete("/v1/sessions/current"), 403, "session_needed")
        self.expect(self.platform.post("/v1/me/password", {
            "current": "crane-over-the-river", "new": "heron-over-the-river"}),
            403, "session_needed")


class Passwords(IdentityTest):
    def test_change_keeps_this_session_and_ends_the_others(self):
        tenant, _ = self.tenant()
        user = self.user(tenant)
        here, elsewhere = self.signed_in(user), self.signed_in(user)
        body = {"current": "not-the-password", "new": "heron-over-the-river"}
        self.expect(here.post("/v1/me/password", body), 403, "password_wrong")
        body["current"] = user["password"]
        self.expect(here.post("/v1/me/password", body), 204)
        self.ends(elsewhere)
        self.expect(here.get("/v1/me"), 200)
        self.expect(self.sign_in(user), 401, "sign_in_failed")
        self.expect(self.sign_in({**user, "password": body["new"]}), 201)

    def while_a_new_one_is_set(self, user, function, call):
        """What the call answers that waits in that function while another transaction sets the
        user's password."""
        return self.behind("update users set password_hash = password_hash || 'x' "
                           f"where id = '{user['id']}'", f"{function}(", call)[0]

    def test_bug_0041_the_old_one_is_worth_nothing_while_a_new_one_is_set(self):
        tenant, _ = self.tenant()
        user, other = self.user(tenant), self.user(tenant)
        client = self.signed_in(user)
        self.expect(self.while_a_new_one_is_set(
            user, "change_password", lambda: client.post("/v1/me/password", {
                "current": user["password"], "new": "heron-over-the-river"})),
            403, "password_wrong")
        self.expect(self.while_a_new_one_is_set(
            other, "open_session", lambda: self.sign_in(other)), 401, "sign_in_failed")

    def test_poor_ones_are_refused(self):
        _, owner = self.tenant()
        for password in "Password123", "1234567890":
            self.expect(owner.post("/v1/users", person(password=password)), 422,
                        "password_refused")
        address = f"{unique('person')}@example.com"
        self.expect(owner.post("/v1/users", person(email=address, password=address.upper())), 422,
                    "password_refused")
        self.expect(owner.post("/v1/users", person(password="short")), 422, "validation_failed")

    def test_owner_sets_a_lost_one(self):
        tenant, owner = self.tenant()
        user = self.user(tenant)
        client = self.signed_in(user)
        self.expect(owner.post(f"/v1/users/{user['id']}/set-password",
                               {"password": "heron-over-the-river"}), 204)
        self.ends(client)
        self.expect(self.sign_in({**user, "password": "heron-over-the-river"}), 201)


class Users(IdentityTest):
    def test_tenant_keeps_its_own(self):
        tenant, owner = self.tenant()
        made = owner.post("/v1/users", person("developer"))
        user = self.expect(made, 201)
        self.assertEqual(user["memberships"], [{"tenant": tenant["id"], "role": "developer"}])
        self.assertEqual(made.header("Location"), f"/v1/users/{user['id']}")
        self.assertEqual(self.expect(owner.get(made.header("Location")), 200), user)
        path = f"/v1/users/{user['id']}"
        self.expect(owner.patch(path, {"name": "赵敏"}, if_match='"99"'), 412)
        changed = self.expect(owner.patch(path, {"name": "赵敏"}, if_match=made.etag), 200)
        self.assertEqual((changed["name"], changed["email"]), ("赵敏", user["email"]))
        self.assertEqual([each["id"] for each in owner.all("/v1/users")], [user["id"]])

    def test_foreign_users_are_as_unknown_ones(self):
        _, owner = self.tenant()
        foreign_tenant, foreign_owner = self.tenant()
        foreign = self.user(foreign_tenant)
        calls = [lambda client, user: client.get(f"/v1/users/{user}"),
                 lambda client, user: client.patch(f"/v1/users/{user}", {"name": "x"},
                                                   if_match="*"),
                 lambda client, user: client.post(f"/v1/users/{user}/disable"),
                 lambda client, user: client.post(f"/v1/users/{user}/enable"),
                 lambda client, user: client.post(f"/v1/users/{user}/set-password",
                                                  {"password": "heron-over-the-river"})]
        for call in calls:
            self.refused_alike(call(owner, foreign["id"]), call(owner, RANDOM_USER), 404)
        self.expect(self.sign_in(foreign), 201)
        self.assertEqual(owner.all("/v1/users"), [])
        self.expect(owner.post("/v1/users", person(tenant=foreign_tenant["id"])), 404)
        self.assertEqual(len(foreign_owner.all("/v1/users")), 1)

    def test_nobody_rises(self):
        tenant, owner = self.tenant()
        admin = self.client_of("admin", tenant)
        member = self.user(tenant)
        self.expect(admin.post("/v1/users", person("owner")), 403, "role_not_allowed")
        self.expect(owner.post("/v1/users", person(operator_role="auditor")), 422,
                    "role_mismatch")
        boss = self.user(tenant, role="owner")
        for action, body in ("disable", None), ("set-password", {"password": "x" * 12}):
            self.expect(admin.post(f"/v1/users/{boss['id']}/{action}", body), 403,
                        "role_not_allowed")
        path = f"/v1/tenants/{tenant['id']}/members/{member['id']}"
        self.expect(admin.patch(path, {"role": "owner"}, if_match="*"), 403, "role_not_allowed")
        self.expect(self.operator("operator").post("/v1/users", person(operator_role="finance")),
                    403, "role_not_allowed")
        root = self.user(operator_role="platform_admin")
        self.expect(self.operator("operator").post(f"/v1/users/{root['id']}/set-password",
                                                   {"password": "heron-over-the-river"}),
                    403, "role_not_allowed")
        scoped = self.client_of("owner", tenant, ["users:write", "users:read"])
        self.expect(scoped.post("/v1/users", person("admin")), 403, "role_not_allowed")
        self.expect(scoped.post("/v1/users", person("member")), 201)

    def test_shared_accounts_are_the_operators(self):
        tenant, owner = self.tenant()
        other, _ = self.tenant()
        user = self.user(tenant)
        self.expect(self.platform.post(f"/v1/tenants/{other['id']}/members",
                                       {"user_id": user["id"], "role": "member"}), 201)
        self.expect(owner.post(f"/v1/users/{user['id']}/disable"), 409, "account_shared")
        seen = self.expect(owner.get(f"/v1/users/{user['id']}"), 200)
        self.assertEqual(len(seen["memberships"]), 1)
        session = self.expect(self.sign_in(user), 201)
        self.assertEqual(session["tenant"]["id"], tenant["id"])
        self.assertEqual(len(session["memberships"]), 2)

    def test_operator_roles(self):
        user = self.user()
        path = f"/v1/users/{user['id']}/set-operator-role"
        self.expect(self.platform.post(path, {"operator_role": "park_manager"}), 422,
                    "role_mismatch")
        given = self.expect(self.platform.post(path, {"operator_role": "park_manager",
                                                      "park_id": self.park()["id"]}), 200)
        self.assertEqual(given["park_id"], self.park()["id"])
        self.expect(self.operator("operator").post(path, {"operator_role": None}), 403,
                    "role_not_allowed")
        taken = self.expect(self.platform.post(path, {"operator_role": None}), 200)
        self.assertIsNone(taken["operator_role"])


class Members(IdentityTest):
    def test_a_tenant_keeps_an_owner(self):
        tenant, owner = self.tenant()
        first = self.user(tenant, role="owner")
        path = f"/v1/tenants/{tenant['id']}/members/{first['id']}"
        self.expect(owner.delete(path), 428)
        self.expect(owner.delete(path, if_match="*"), 409, "last_owner")
        self.expect(owner.patch(path, {"role": "admin"}, if_match="*"), 409, "last_owner")
        self.user(tenant, role="owner")
        self.expect(owner.delete(path, if_match='"99"'), 412)
        self.expect(owner.delete(path, if_match=owner.get(path).etag), 204)
        self.expect(owner.get(path), 404)

    def test_two_owners_are_not_removed_at_once(self):
        tenant, owner = self.tenant()
        path = f"/v1/tenants/{tenant['id']}/members"
        owners = [self.user(tenant, role="owner") for _ in range(2)]
        answers = self.behind(
            f"select from members where tenant_id = '{tenant['id']}' for share", "last_owner",
            *(lambda user=user: owner.delete(f"{path}/{user['id']}", if_match="*")
              for user in owners))
        self.assertEqual(sorted(answer.status for answer in answers), [204, 409])
        self.assertNotIn("40P01", self.daemon.log())  # a deadlock

    def test_foreign_tenants_are_as_unknown_ones(self):
        _, owner = self.tenant()
        foreign, foreign_owner = self.tenant()
        user = self.user(foreign)
        unknown = "ten_01k8x7g0v8e2v9m3b1q4t5y6z7"
        for suffix in "", f"/{user['id']}":
            self.refused_alike(owner.get(f"/v1/tenants/{foreign['id']}/members{suffix}"),
                               owner.get(f"/v1/tenants/{unknown}/members{suffix}"), 404)
        self.expect(owner.delete(f"/v1/tenants/{foreign['id']}/members/{user['id']}",
                                 if_match="*"), 404)
        self.assertEqual(len(foreign_owner.all(f"/v1/tenants/{foreign['id']}/members")), 1)


class ApiKeys(IdentityTest):
    def test_shown_once(self):
        tenant, owner = self.tenant()
        made = owner.post("/v1/api-keys", {"name": "ERP", "scopes": ["usage:read"]})
        key = self.expect(made, 201)
        self.assertRegex(key["secret"], r"^bcc_[0-9A-Za-z]{38}$")
        self.assertTrue(key["secret"].startswith(key["prefix"]))
        self.assertEqual((key["role"], key["tenant"], key["state"]),
                         ("owner", tenant["id"], "active"))
        stored = self.expect(owner.get(made.header("Location")), 200)
        self.assertNotIn("secret", stored)
        me = self.expect(self.shared.client(key["secret"]).get("/v1/me"), 200)
        self.assertEqual((me["api_key"]["id"], me["permissions"]), (key["id"], ["usage:read"]))
        self.assertIsNone(me["user"])

    def test_rotation_and_revocation(self):
        _, owner = self.tenant()
        key = self.expect(owner.post("/v1/api-keys", {"name": "ERP"}), 201)
        first = self.shared.client(key["secret"])
        path = f"/v1/api-keys/{key['id']}"
        self.expect(first.get("/v1/me"), 200)
        rotated = self.expect(owner.post(f"{path}/rotate", {"overlap_seconds": 3600}), 200)
        second = self.shared.client(rotated["secret"])
        self.expect(first.get("/v1/me"), 200)
        self.expect(second.get("/v1/me"), 200)
        third = self.shared.client(self.expect(owner.post(f"{path}/rotate"), 200)["secret"])
        self.ends(first)
        self.ends(second)
        self.expect(third.get("/v1/me"), 200)
        self.assertEqual(self.expect(owner.post(f"{path}/revoke"), 200)["state"], "revoked")
        self.ends(third)
        self.expect(owner.post(f"{path}/rotate"), 409, "api_key_ended")

    def test_bounds(self):
        tenant, owner = self.tenant()
        admin = self.client_of("admin", tenant)
        scoped = self.client_of("owner", tenant, ["api-keys:write", "usage:read"])
        make = "/v1/api-keys"
        self.expect(admin.post(make, {"name": "k", "role": "owner"}), 403, "role_not_allowed")
        self.expect(owner.post(make, {"name": "k", "role": "operator"}), 403, "role_not_allowed")
        self.expect(scoped.post(make, {"name": "k"}), 403, "scope_not_allowed")
        self.expect(scoped.post(make, {"name": "k", "scopes": ["users:write"]}), 403,
                    "scope_not_allowed")
        self.expect(scoped.post(make, {"name": "k", "scopes": ["usage:read"]}), 201)
        whole = self.expect(owner.post(make, {"name": "k"}), 201)
        self.expect(scoped.post(f"{make}/{whole['id']}/rotate"), 403, "scope_not_allowed")
        self.expect(admin.post(f"{make}/{whole['id']}/rotate"), 403, "role_not_allowed")
        self.expect(owner.post(make, {"name": "k", "scopes": ["no:such"]}), 422,
                    "validation_failed")
        self.expect(owner.post(make, {"name": "k", "expires_at": "2020-01-01T00:00:00Z"}), 422,
                    "expires_in_past")
        self.expect(self.operator("operator").post(make, {"name": "k"}), 403, "role_not_allowed")

    def test_foreign_keys_are_as_unknown_ones(self):
        _, owner = self.tenant()
        foreign_tenant, foreign_owner = self.tenant()
        key = self.expect(foreign_owner.post("/v1/api-keys", {"name": "k"}), 201)
        for action in "rotate", "revoke":
            self.refused_alike(owner.post(f"/v1/api-keys/{key['id']}/{action}"),
                               owner.post(f"/v1/api-keys/{RANDOM_KEY}/{action}"), 404)
        self.refused_alike(owner.get(f"/v1/api-keys/{key['id']}"),
                           owner.get(f"/v1/api-keys/{RANDOM_KEY}"), 404)
        self.expect(owner.post("/v1/api-keys", {"name": "k", "tenant": foreign_tenant["id"]}), 404)
        self.expect(self.shared.client(key["secret"]).get("/v1/me"), 200)


class Audit(IdentityTest):
    def test_trail(self):
        tenant, owner = self.tenant()
        key = self.expect(owner.post("/v1/api-keys", {"name": "k"}), 201)
        self.expect(owner.post(f"/v1/api-keys/{key['id']}/revoke"), 200)
        events = owner.all("/v1/audit-events", {"row_id": key["id"], "limit": 1})
        self.assertEqual([event["action"] for event in events], ["update", "insert"])
        me = self.expect(owner.get("/v1/me"), 200)["actor"]
        for event in events:
            self.assertEqual((event["actor"], event["tenant"], event["object_type"]),
                             (me, tenant["id"], "api_keys"))
            self.assertNotIn("digest", event["new"])
        self.assertIsNone(events[0]["old"]["revoked_at"])

    def test_a_tenant_sees_its_own(self):
        tenant, owner = self.tenant()
        foreign, foreign_owner = self.tenant()
        self.expect(foreign_owner.post("/v1/api-keys", {"name": "k"}), 201)
        self.assertEqual({event["tenant"] for event in owner.all("/v1/audit-events")},
                         {tenant["id"]})
        self.expect(owner.get("/v1/audit-events", query={"tenant": foreign["id"]}), 404)
        since = {"tenant": tenant["id"], "at[gte]": "2020-01-01T00:00:00Z"}
        self.assertTrue(self.platform.all("/v1/audit-events", since))
        self.assertEqual(self.platform.all("/v1/audit-events", {
            **since, "at[lt]": "2020-01-02T00:00:00Z"}), [])

    def test_bug_0090_the_trail_says_what_was_changed(self):
        """Of a table without secret columns it did not: neither the row, nor whose it was."""
        tenant, owner = self.tenant()
        resource = self.resource(owner, "software")
        me = self.expect(owner.get("/v1/me"), 200)["actor"]
        path = f"/v1/resources/{resource['id']}"
        answer = owner.patch(path, {"name": "新名"}, if_match=owner.get(path).etag)
        self.expect(answer, 200)
        events = owner.all("/v1/audit-events", {"row_id": resource["id"]})
        self.assertEqual([event["action"] for event in events], ["update"] * 4 + ["insert"])
        self.assertEqual({(event["object_type"], event["tenant"]) for event in events},
                         {("resources", tenant["id"])})
        renamed, activated, made = events[0], events[1], events[-1]
        self.assertEqual((renamed["actor"], renamed["request_id"]), (me, answer.header("Request-Id")))
        self.assertEqual((renamed["old"]["name"], renamed["new"]["name"]), (resource["name"], "新名"))
        self.assertEqual((activated["old"]["state"], activated["new"]["state"]),
                         ("provisioning", "active"))
        self.assertEqual((made["old"], made["new"]["state"]), (None, "requested"))

    def test_a_draft_of_a_bill_is_not_shown_there(self):
        tenant, owner = self.tenant()
        self.resource(owner, "broadband")
        period = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m")
        self.assertEqual(self.bill(period, tenant)["state"], "succeeded")
        kinds = {"object_type": "invoices"}, {"object_type": "billing_runs"}
        for kind in kinds:
            self.assertTrue(self.platform.all("/v1/audit-events", {"tenant": tenant["id"], **kind}))
            self.assertEqual(owner.all("/v1/audit-events", kind), [])
        found = self.database("bccd_tenant").rows(
            "select number from audit_events, set_config('bccd.tenant', "
            f"'{tenant['id']}', false) where table_name in ('invoices', 'billing_runs')")
        self.assertEqual(found, [])

    def test_nobody_alters_it(self):
        self.expect(self.platform.post("/v1/audit-events", {}, check=False), 405)


if __name__ == "__main__":
    unittest.main()
