"""What holds for every operation: methods, conditions, retries, parameters, pages, languages, and
the bounds of JSON. Parks and tenants stand for all."""

import concurrent.futures
import secrets
import socket
import ssl
import unittest

from contract import note_coverage
from harness import ApiTest, unique

RANDOM_TENANT = "ten_01k8x7g0v8e2v9m3b1q4t5y6z7"
DEEP, MANY = 33, 100_001


class MethodTest(ApiTest):
    def test_unknown_path(self):
        self.expect(self.platform.get("/v1/nothing"), 404, "not_found")

    def test_unknown_path_without_credential(self):
        self.expect(self.stranger().get("/v1/nothing"), 404, "not_found")

    def test_other_method_names_those_allowed(self):
        answer = self.platform.delete("/v1/parks", check=False)
        self.expect(answer, 405, "method_not_allowed")
        allowed = {name.strip() for name in answer.header("Allow").split(",")}
        self.assertLessEqual({"GET", "POST"}, allowed)
        self.assertNotIn("DELETE", allowed)

    def test_options(self):
        answer = self.platform.request("OPTIONS", "/v1/parks", check=False)
        self.assertEqual(answer.status, 204)
        self.assertIn("GET", answer.header("Allow"))

    def test_unknown_method(self):
        self.assertIn(self.platform.request("BREW", "/v1/parks", check=False).status, (405, 501))

    def test_head_is_get_without_body(self):
        path = f"/v1/parks/{self.park()['id']}"
        full = self.platform.get(path)
        head = self.platform.request("HEAD", path)
        self.assertEqual((head.status, head.body), (200, b""))
        for name in ("ETag", "Content-Type", "Content-Length"):
            self.assertEqual(head.header(name), full.header(name), name)

    def test_standard_fields(self):
        answer = self.platform.get("/v1/parks")
        self.assertIn("max-age=", answer.header("Strict-Transport-Security"))
        self.assertEqual(answer.header("X-Content-Type-Options"), "nosniff")
        self.assertEqual(answer.header("Cache-Control"), "no-store")
        self.assertIsNone(answer.header("Access-Control-Allow-Origin"))
        self.assertNotEqual(answer.header("Request-Id"),
                            self.platform.get("/v1/parks").header("Request-Id"))

    def test_rate_limit_fields(self):
        answer = self.platform.get("/v1/parks")
        self.assertIn("q=", answer.header("RateLimit-Policy"))
        self.assertIn("r=", answer.header("RateLimit"))

    def test_certificate_operations_are_not_on_the_public_listener(self):
        self.assertEqual(self.platform.post("/radius/v1/authorize", {}, check=False).status, 404)


class CredentialTest(ApiTest):
    def test_none(self):
        self.expect(self.stranger().get("/v1/parks"), 401, "unauthenticated")

    def test_wrong_ones(self):
        good = self.platform.key
        for key in ("", "bcc_", "x" * 500, good[:-1] + ("0" if good[-1] != "0" else "1"),
                    good + "0", good.lower() + "A"):
            answer = self.shared.client(key).get("/v1/parks")
            self.expect(answer, 401, "unauthenticated")

    def test_other_scheme(self):
        answer = self.stranger().get("/v1/parks", headers={"Authorization": "Basic Zm9vOmJhcg=="})
        self.expect(answer, 401, "unauthenticated")

    def test_role_without_permission(self):
        tenant, _ = self.tenant()
        member = self.client_of("member", tenant)
        self.expect(member.post("/v1/users", {}), 403, "forbidden")

    def test_permission_comes_before_the_body(self):
        tenant, _ = self.tenant()
        answer = self.client_of("member", tenant).post("/v1/tenants", b"not JSON at all")
        self.expect(answer, 403, "forbidden")

    def test_scopes_narrow_a_key(self):
        tenant, _ = self.tenant()
        narrow = self.client_of("owner", tenant, scopes=["catalog:read"])
        self.expect(narrow.get("/v1/offerings"), 200)
        self.expect(narrow.get("/v1/tenants"), 403, "forbidden")


class ConditionTest(ApiTest):
    def setUp(self):
        super().setUp()
        self.object, _ = self.tenant()
        self.path = f"/v1/tenants/{self.object['id']}"

    def test_not_modified(self):
        etag = self.platform.get(self.path).etag
        answer = self.platform.get(self.path, headers={"If-None-Match": etag})
        self.assertEqual((answer.status, answer.body), (304, b""))
        self.assertEqual(answer.etag, etag)
        self.expect(self.platform.get(self.path, headers={"If-None-Match": '"999"'}), 200)

    def test_change_needs_if_match(self):
        self.expect(self.platform.patch(self.path, {"name": "新"}), 428, "precondition_required")

    def test_stale(self):
        etag = self.platform.get(self.path).etag
        changed = self.platform.patch(self.path, {"name": "新"}, if_match=etag)
        self.expect(changed, 200)
        self.assertNotEqual(changed.etag, etag)
        self.expect(self.platform.patch(self.path, {"name": "旧"}, if_match=etag), 412,
                    "precondition_failed")
        self.assertEqual(self.platform.get(self.path).json["name"], "新")

    def test_any_version(self):
        self.expect(self.platform.patch(self.path, {"name": "新"}, if_match="*"), 200)

    def test_other_spellings_match_nothing(self):
        for value in ('W/"1"', "1", '"x"', '""', '"1", "2"'):
            answer = self.platform.patch(self.path, {"name": "新"}, if_match=value)
            self.expect(answer, 412, "precondition_failed")

    def test_one_of_many_wins(self):
        etag = self.platform.get(self.path).etag

        def change(number):
            return self.platform.patch(self.path, {"name": f"第 {number} 个"}, if_match=etag).status

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(change, range(8)))
        self.assertEqual(sorted(statuses), [200] + [412] * 7)


class IdempotencyTest(ApiTest):
    def body(self, **fields):
        return {"code": unique("park"), "name": "园区", **fields}

    def keyed(self, body, key, **options):
        return self.platform.post("/v1/parks", body, headers={"Idempotency-Key": key}, **options)

    def test_replay(self):
        key, body = secrets.token_hex(8), self.body()
        first = self.keyed(body, key)
        self.expect(first, 201)
        again = self.keyed(body, key)
        self.assertEqual((again.status, again.body), (201, first.body))
        self.assertEqual(again.header("Idempotency-Replayed"), "true")
        self.assertIsNone(first.header("Idempotency-Replayed"))
        self.assertEqual(again.header("Location"), first.header("Location"))
        self.assertEqual(again.etag, first.etag)

    def test_same_payload_spelled_otherwise(self):
        key, code = secrets.token_hex(8), unique("park")
        first = self.keyed(b'{"code":"%s","name":"A"}' % code.encode(), key)
        self.expect(first, 201)
        again = self.keyed(b'{ "name": "\\u0041", "code": "%s" }' % code.encode(), key)
        self.assertEqual((again.status, again.body), (201, first.body))

    def test_other_payload(self):
        key = secrets.token_hex(8)
        self.expect(self.keyed(self.body(), key), 201)
        self.expect(self.keyed(self.body(), key), 422, "idempotency_key_reused")

    def test_refusals_are_not_stored(self):
        key, code = secrets.token_hex(8), unique("park")
        self.expect(self.platform.post("/v1/parks", self.body(code=code)), 201)
        self.expect(self.keyed(self.body(code=code), key), 409, "conflict_unique")
        self.expect(self.keyed(self.body(), key), 201)

    def test_keys_are_of_their_actor(self):
        key, body = secrets.token_hex(8), self.body()
        self.expect(self.keyed(body, key), 201)
        other = self.operator("operator").post("/v1/parks", self.body(),
                                               headers={"Idempotency-Key": key})
        self.expect(other, 201)
        self.assertIsNone(other.header("Idempotency-Replayed"))

    def test_invalid_keys(self):
        for key in ("", "a" * 129, "a b", "é"):
            with self.subTest(key):
                answer = self.keyed(self.body(), key)
                self.expect(answer, 400, "idempotency_key_invalid")

    def test_missing_where_it_is_required(self):
        required = [operation for operation in self.contract.operations.values()
                    if any(parameter["name"] == "Idempotency-Key" and parameter.get("required")
                           for parameter in operation.parameters)]
        self.assertTrue(required)
        for operation in required:
            path = operation.path.replace("{", "").replace("}", "")
            if path != operation.path:
                continue
            answer = self.platform.post(path, {}, headers={"Idempotency-Key": None})
            self.expect(answer, 400, "idempotency_key_missing")

    def test_at_once(self):
        """Many with one key: the work is done once, and the others wait, see it, or are told."""
        key, body = secrets.token_hex(8), self.body()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: self.keyed(body, key), range(8)))
        self.assertLessEqual({answer.status for answer in answers}, {201, 409})
        self.assertEqual(len({answer.body for answer in answers if answer.status == 201}), 1)
        for answer in answers:
            if answer.status == 409:
                self.assertEqual(answer.code, "idempotency_in_progress")
        self.expect(self.keyed(body, key), 201)
        found = self.platform.get("/v1/parks", query={"code": body["code"]}).json["data"]
        self.assertEqual(len(found), 1)


class ParameterTest(ApiTest):
    def pointers(self, answer):
        return {error["pointer"]: error["code"] for error in answer.json["errors"]}

    def test_unknown(self):
        answer = self.platform.get("/v1/parks", query={"colour": "red"})
        self.assertEqual(answer.status, 400)
        self.assertEqual(self.pointers(answer)["/colour"], "unknown_parameter")

    def test_twice(self):
        answer = self.platform.get("/v1/tenants?external_id=a&external_id=b")
        self.assertEqual(answer.status, 400)
        self.assertIn("/external_id", self.pointers(answer))

    def test_all_that_is_wrong_at_once(self):
        answer = self.platform.get("/v1/tenants?limit=0&state=asleep&sort=name&created_at[gte]=today")
        self.assertEqual(answer.status, 400)
        self.assertEqual(set(self.pointers(answer)),
                         {"/limit", "/state", "/sort", "/created_at[gte]"})

    def test_limits(self):
        for limit in ("0", "501", "-1", "1.5", "1e2", "", "x", "99999999999999999999", "+5", " 5"):
            answer = self.platform.get("/v1/parks", query={"limit": limit})
            self.assertEqual(answer.status, 400, limit)
        self.expect(self.platform.get("/v1/parks", query={"limit": 500}), 200)

    def test_bad_percent_encoding(self):
        for query in ("code=%", "code=%zz", "code=%ff%fe", "code=a%00b"):
            self.assertEqual(self.platform.get(f"/v1/parks?{query}").status, 400, query)

    def test_bad_cursors(self):
        for cursor in ("x", "-1", "prk_", "'; drop table parks; --", "9" * 40):
            answer = self.platform.get("/v1/parks", query={"cursor": cursor})
            self.expect(answer, 400, "cursor_invalid")

    def test_ill_spelled_id_names_nothing(self):
        for identifier in ("x", "ten_", "prk_01k8x7g0v8e2v9m3b1q4t5y6z7", "ten_%00",
                           RANDOM_TENANT.upper(), RANDOM_TENANT + "a", "..%2f.."):
            self.expect(self.platform.get(f"/v1/tenants/{identifier}"), 404, "not_found")


class PageTest(ApiTest):
    def test_pages_give_each_entry_once(self):
        prefix = unique("page")
        made = [self.expect(self.platform.post("/v1/parks", {"code": f"{prefix}-{number}",
                                                             "name": "园区"}), 201)["id"]
                for number in range(7)]
        listed = [park["id"] for park in self.platform.all("/v1/parks", {"limit": 2})]
        self.assertEqual(len(listed), len(set(listed)))
        self.assertEqual([park for park in listed if park in made], made[::-1])

    def test_ascending(self):
        for _ in range(3):
            self.tenant()
        ascending = self.platform.all("/v1/tenants", {"limit": 2, "sort": "created_at"})
        descending = self.platform.all("/v1/tenants", {"limit": 2, "sort": "-created_at"})
        self.assertEqual(ascending, descending[::-1])

    def test_last_page_has_no_cursor(self):
        count = len(self.platform.all("/v1/parks"))
        answer = self.platform.get("/v1/parks", query={"limit": min(count, 500)})
        self.assertIsNone(answer.json["next_cursor"])

    def test_filters(self):
        tenant, _ = self.tenant(external_id=unique("crm"))
        found = self.platform.all("/v1/tenants", {"external_id": tenant["external_id"]})
        self.assertEqual([each["id"] for each in found], [tenant["id"]])
        self.assertEqual(self.platform.all("/v1/tenants", {"state": ["closed", "suspended"],
                                                           "external_id": tenant["external_id"]}), [])
        later = {"created_at[gte]": tenant["created_at"], "created_at[lt]": "2999-01-01T00:00:00Z",
                 "park_id": tenant["park_id"]}
        self.assertIn(tenant["id"], [each["id"] for each in self.platform.all("/v1/tenants", later)])


    def test_every_list_takes_limit_and_orders(self):
        for operation in self.contract.operations.values():
            names = {parameter["name"]: parameter for parameter in operation.named("query")}
            if "limit" not in names or "{" in operation.path:
                continue
            orders = self.contract.resolve(names["sort"]["schema"])["enum"] if "sort" in names \
                else [None]
            for order in orders:
                with self.subTest(operation.id, order=order):
                    page = self.expect(self.platform.get(operation.path, query={
                        "limit": 1, "sort": order}), 200)
                    self.assertLessEqual(len(page["data"]), 1)


class PlatformTest(ApiTest):
    """The daemon about itself."""

    def test_ready(self):
        self.assertEqual(self.expect(self.stranger().get("/readyz"), 200), {"status": "ok"})

    def test_contract_is_served(self):
        document = self.expect(self.stranger().get("/openapi.json"), 200)
        self.assertEqual(document, self.contract.document)
        self.assertTrue(document["openapi"].startswith("3.1"))

    def test_metrics_have_a_listener_of_their_own(self):
        self.assertEqual(self.platform.get("/metrics").status, 404)
        self.assertTrue(self.daemon.metrics())
        note_coverage(self.contract.operations["get_metrics"], "", 200)

    def test_change_of_a_park(self):
        park = self.expect(self.platform.post("/v1/parks", {"code": unique("park"),
                                                            "name": "园区"}), 201)
        path = f"/v1/parks/{park['id']}"
        changed = self.expect(self.platform.patch(path, {"name_en": "Park", "metadata": {"a": "b"}},
                                                  if_match=self.platform.get(path).etag), 200)
        self.assertEqual(changed, {**park, "name_en": "Park", "metadata": {"a": "b"},
                                   "updated_at": changed["updated_at"]})


class LanguageTest(ApiTest):
    def problem(self, language):
        return self.platform.get(f"/v1/tenants/{RANDOM_TENANT}",
                                 headers={"Accept-Language": language}).json

    def test_chinese(self):
        chinese, english = self.problem("zh-CN"), self.problem("en")
        self.assertEqual(chinese["code"], english["code"])
        self.assertNotEqual(chinese["detail"], english["detail"])
        self.assertTrue(any("\u4e00" <= character <= "\u9fff" for character in chinese["title"]))

    def test_preferences(self):
        self.assertEqual(self.problem("en;q=0.5, zh-CN")["title"], self.problem("zh-CN")["title"])
        self.assertEqual(self.problem("fr, en;q=0.2")["title"], self.problem("en")["title"])
        for language in ("*", "xx", "", ";;;", "zh-CN;q=x", ","):
            self.assertIn(self.problem(language)["title"],
                          (self.problem("en")["title"], self.problem("zh-CN")["title"]))

    def test_violations_are_told_in_it(self):
        answer = self.platform.post("/v1/parks", {"code": "A B"},
                                    headers={"Accept-Language": "zh-CN"})
        self.expect(answer, 422, "validation_failed")
        for error in answer.json["errors"]:
            self.assertTrue(any("\u4e00" <= character <= "\u9fff" for character in error["detail"]),
                            error)


class BodyTest(ApiTest):
    def send(self, data, content_type="application/json"):
        return self.platform.post("/v1/parks", data, content_type=content_type)

    def refuse(self, data, status, code):
        self.expect(self.send(data), status, code)

    def test_all_violations_at_once(self):
        answer = self.send({"code": "A B", "name": "", "colour": "red", "metadata": {"a": 1}})
        self.expect(answer, 422, "validation_failed")
        found = {error["pointer"]: error["code"] for error in answer.json["errors"]}
        self.assertEqual(set(found), {"/code", "/name", "/colour", "/metadata/a"})
        self.assertEqual(found["/colour"], "unknown_field")

    def test_missing(self):
        self.expect(self.platform.post("/v1/parks"), 400, "body_missing")
        answer = self.send({})
        self.expect(answer, 422, "validation_failed")
        self.assertEqual({error["code"] for error in answer.json["errors"]}, {"missing_field"})

    def test_media_types(self):
        for media in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp"):
            self.expect(self.send(b"{}", media), 415, "unsupported_media_type")
        self.expect(self.send(b'{"code":"%s","name":"A"}' % unique("park").encode(),
                              "Application/JSON; charset=utf-8"), 201)

    def test_encoded_content(self):
        answer = self.platform.post("/v1/parks", b"\x1f\x8b",
                                    headers={"Content-Encoding": "gzip"})
        self.expect(answer, 415, "unsupported_content_encoding")

    def test_malformed(self):
        for data in (b"{", b"{}}", b"[1,]", b"nul", b"{'a':1}", b'{"a":01}', b"\xef\xbb\xbf{}",
                     b"{}\x00", b'"text"', b"1", b'{"a":NaN}'):
            answer = self.send(data)
            self.assertEqual(answer.status, 400, answer)

    def test_duplicate_name(self):
        self.refuse(b'{"code":"a","name":"b","name":"c"}', 400, "json_duplicate_name")
        self.refuse(b'{"metadata":{"a":"1","\\u0061":"2"}}', 400, "json_duplicate_name")

    def test_nul(self):
        self.refuse(b'{"name":"a\\u0000b"}', 400, "json_nul")
        self.refuse(b'{"a\\u0000b":"a"}', 400, "json_nul")

    def test_not_utf8(self):
        self.refuse(b'{"name":"\xff"}', 400, "json_not_utf8")
        self.refuse(b'{"name":"\xc0\xaf"}', 400, "json_not_utf8")
        self.refuse(b'{"name":"\xed\xa0\x80"}', 400, "json_not_utf8")

    def test_numbers_are_strings(self):
        for number in (b"1.5", b"1e3", b"99999999999999999999"):
            self.refuse(b'{"name":' + number + b"}", 400, "number_must_be_string")

    def test_too_deep(self):
        self.refuse(b'{"metadata":' + b"[" * DEEP + b"]" * DEEP + b"}", 400, "json_too_deep")

    def test_too_many_values(self):
        data = b'{"a":[' + b",".join([b"1"] * MANY) + b"]}"
        answer = self.platform.post("/v1/prices/preview", data)
        self.expect(answer, 400, "json_too_many_values")

    def test_too_large(self):
        self.refuse(b'{"name":"' + b"a" * 70000 + b'"}', 413, "body_too_large")

    def test_unexpected(self):
        answer = self.platform.request("GET", "/v1/parks", b"{}")
        self.assertEqual(answer.status, 400, answer)

    def test_unique_value_taken(self):
        park = self.park()
        self.expect(self.send({"code": park["code"], "name": "A"}), 409, "conflict_unique")

    def test_unknown_reference(self):
        answer = self.platform.post("/v1/tenants", {"park_id": "prk_01k8x7g0v8e2v9m3b1q4t5y6z7",
                                                    "code": unique("t"), "name": "A"})
        self.expect(answer, 422, "reference_unknown")

    def test_text_that_would_be_code(self):
        """Whatever is legal text comes back as it went."""
        for text in ("'; drop table parks; --", "<script>alert(1)</script>", "${jndi:ldap://x}",
                     "a\\b\"c", "%s%n", "𝒳 石家庄 \u202e"):
            park = self.expect(self.send({"code": unique("park"), "name": text,
                                          "metadata": {text[:10]: text}}), 201)
            self.assertEqual((park["name"], park["metadata"]), (text, {text[:10]: text}))
            again = self.expect(self.platform.get(f"/v1/parks/{park['id']}"), 200)
            self.assertEqual(again, park)


class ConnectionTest(ApiTest):
    def open(self, context=None):
        context = context or ssl.create_default_context(cafile=self.daemon.authority)
        raw = socket.create_connection(("127.0.0.1", self.daemon.port), 30)
        return context.wrap_socket(raw, server_hostname="localhost")

    def test_kept_alive(self):
        with self.open() as connection:
            for _ in range(3):
                connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertTrue(connection.recv(65536).startswith(b"HTTP/1.1 200 "))

    def test_pipelined(self):
        with self.open() as connection:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" * 4 +
                               b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            received = b""
            while piece := connection.recv(65536):
                received += piece
        self.assertEqual(received.count(b"HTTP/1.1 200 "), 5)

    def test_expect_continue(self):
        with self.open() as connection:
            connection.sendall(b"POST /v1/parks HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                               b"Content-Type: application/json\r\nContent-Length: 2\r\n"
                               b"Authorization: Bearer " + self.platform.key.encode() + b"\r\n\r\n")
            self.assertTrue(connection.recv(65536).startswith(b"HTTP/1.1 100 "))
            connection.sendall(b"{}")
            self.assertTrue(connection.recv(65536).startswith(b"HTTP/1.1 422 "))

    def test_refused_before_continue(self):
        with self.open() as connection:
            connection.sendall(b"POST /v1/parks HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                               b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n")
            self.assertTrue(connection.recv(65536).startswith(b"HTTP/1.1 401 "))

    def test_old_tls_is_refused(self):
        context = ssl.create_default_context(cafile=self.daemon.authority)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.open(context).close()

    def test_plain_text_is_refused(self):
        with socket.create_connection(("127.0.0.1", self.daemon.port), 30) as raw:
            raw.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try:
                self.assertNotIn(b"HTTP/1.1 200", raw.recv(65536))
            except ConnectionError:
                pass

    def test_client_listener_wants_a_certificate(self):
        context = ssl.create_default_context(cafile=self.daemon.authority)
        received = b""
        try:
            with socket.create_connection(("127.0.0.1", self.daemon.client_port), 30) as raw, \
                    context.wrap_socket(raw, server_hostname="localhost") as connection:
                connection.sendall(b"POST /radius/v1/authorize HTTP/1.1\r\nHost: localhost\r\n"
                                   b"Content-Length: 0\r\nConnection: close\r\n\r\n")
                received = connection.recv(65536)
        except (ssl.SSLError, ConnectionError):
            pass
        self.assertNotIn(b"HTTP/1.1 2", received)


class LimitTest(ApiTest):
    settings = {"requests_rate": 1, "requests_burst": 10, "workers": 1}

    def test_credential_is_held(self):
        statuses = [self.platform.get("/v1/parks").status for _ in range(40)]
        self.assertEqual(set(statuses), {200, 429})
        answer = self.eventually(lambda: next(
            (each for each in [self.platform.get("/v1/parks")] if each.status == 429), None))
        self.expect(answer, 429, "rate_limited")
        self.assertGreaterEqual(int(answer.header("Retry-After")), 1)
        self.eventually(lambda: self.platform.get("/v1/parks").status == 200)


class GuessLimitTest(ApiTest):
    """Tenants share an address here, as they do behind a gateway."""
    settings = {"guesses_rate": 1, "guesses_burst": 5, "workers": 1, "credential_cache_time": 0}

    def guess(self):
        cookie = f"__Host-bccd={secrets.token_hex(32)}"
        return self.stranger().get("/v1/me", headers={"Cookie": cookie})

    def test_bug_0020_unknown_credentials_are_held(self):
        tenant, known = self.tenant()
        self.expect(known.get("/v1/me"), 200)
        fresh = self.client_of("owner", tenant)
        answers = [self.guess() for _ in range(20)]
        self.assertEqual({each.status for each in answers[:5]}, {401})
        self.expect(answers[-1], 429, "rate_limited")
        self.assertGreaterEqual(int(answers[-1].header("Retry-After")), 1)
        self.expect(known.get("/v1/me"), 200)
        self.expect(self.shared.client("bcc_").get("/v1/me"), 401)
        self.eventually(lambda: fresh.get("/v1/me").status == 200)


if __name__ == "__main__":
    unittest.main()
