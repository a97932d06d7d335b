"""Events in the forms that HTTP alone has: with their attributes in the header, and packed."""

import gzip
import json
import unittest
import urllib.parse

from harness import unique
from test_events import BATCH, LINES, ONE, EventTest

JSON = "application/json"


def fields_of(event):
    """The header fields of an event in binary mode."""
    return {f"ce-{name}": urllib.parse.quote(value, safe="/:")
            for name, value in event.items() if name != "data"}


class BinaryMode(EventTest):
    def send_binary(self, event, data=None, **changes):
        """In binary mode; `data` as it is sent, and header fields with other values (None: left out)."""
        body = json.dumps(event["data"]).encode() if data is None else data
        fields = {**fields_of(event), **{f"ce-{name}": value for name, value in changes.items()}}
        return self.send(body, content_type=JSON, headers=fields, check=False)

    def send_fields(self, fields, data=b'{"value": "1"}'):
        """With just these fields beside the usual ones, which may stand twice."""
        connection = self.owner.connect()
        connection.putrequest("POST", "/v1/events")
        for name, value in [("Authorization", f"Bearer {self.owner.key}"), ("Content-Type", JSON),
                            ("Content-Length", str(len(data))), *fields]:
            connection.putheader(name, value)
        connection.endheaders(data)
        response = connection.getresponse()
        body = json.loads(response.read())
        connection.close()
        return response.status, body

    def stored(self, identifier):
        [event] = self.expect(self.owner.get("/v1/events", query={"id": identifier, "state": "accepted"}), 200)["data"]
        return event

    def test_an_event_is_stored_and_counted(self):
        receipt = self.expect(self.send_binary(self.event("e-1", "12.5")), 200)
        self.assertEqual(receipt, {"accepted": 1, "duplicates": 0, "conflicts": 0, "rejected": 0, "quarantined": 0,
                                   "events": []})
        self.assertEqual(self.total(), 1250)
        self.assertEqual(self.stored("e-1")["data"], {"value": "12.5"})

    def test_it_is_the_same_event_in_every_mode(self):
        event = self.event("计量 1%\"2\"", "2.5")
        self.receipt(event, content_type=ONE)
        receipt = self.expect(self.send_binary(event, b' { "value" : "2.5" } ', comextension="x"), 200)
        self.assertEqual(self.counts(receipt), (0, 1, 0, 0))
        self.assertEqual(receipt["events"][0]["digest"], self.stored(event["id"])["digest"])
        receipt = self.expect(self.send_binary(event, b'{"value": "3"}'), 200)
        self.assertEqual(self.counts(receipt), (0, 0, 1, 0))
        self.assertEqual(receipt["events"][0]["pointer"], "")
        self.assertEqual(self.total(), 250)

    def test_quoted_values_are_taken(self):
        self.expect(self.send_binary(self.event("-"), id='"a \\"b\\" c"'), 200)
        self.assertEqual(self.stored('a "b" c')["source"], "/test")

    def test_what_is_wrong_is_named_as_in_structured_mode(self):
        event = self.event("e-1")
        for change, pointer, code in (
                ({"time": "yesterday"}, "/time", "wrong_format"),
                ({"time": None}, "/time", "missing_field"),
                ({"specversion": "0.3"}, "/specversion", "not_one_of"),
                ({"id": None}, "/id", "missing_field"), ({"id": ""}, "/id", "wrong_format"),
                ({"id": "x" * 257}, "/id", "too_long"),
                ({"source": "a%20b"}, "/source", "wrong_format"),
                ({"subject": "nobody"}, "/subject", "event_subject_unknown"),
                ({"type": "no.such"}, "/type", "event_type_unknown"),
                ({"id": "%"}, "/id", "malformed"), ({"id": "%f"}, "/id", "malformed"),
                ({"id": "%FF"}, "/id", "malformed"), ({"id": "a%00"}, "/id", "malformed"),
                ({"extension": "%C0%AF"}, "/extension", "malformed")):
            with self.subTest(change=change):
                self.assertEqual(self.errors(self.send_binary(event, **change)), {pointer: code})
        for data, pointer, code in ((b"[]", "/data", "wrong_type"), (b"null", "/data", "missing_field"),
                                    (b"{}", "/data/value", "event_value_missing"),
                                    (b'{"value": "many"}', "/data/value", "event_value_not_decimal"),
                                    (b'{"value": "%s"}' % (b"1" * 16384), "/data", "too_long")):
            with self.subTest(data=data[:20]):
                self.assertEqual(self.errors(self.send_binary(event, data)), {pointer: code})
        self.assertEqual(self.owner.all("/v1/events", {"state": "accepted"}), [])
        self.assertEqual(self.total(), 0)

    def test_a_body_that_is_no_json_is_refused_whole(self):
        for data, status, code in ((b"{", 400, "json_malformed"), (b'{"a":1.5}', 400, "number_must_be_string"),
                                   (b'{"a":1,"a":1}', 400, "json_duplicate_name"),
                                   (b"", 400, "body_missing"),
                                   (b" " * (1 << 20) + b"{}", 413, "body_too_large")):
            with self.subTest(code=code):
                self.expect(self.send_binary(self.event("e-1"), data), status, code)
        self.assertEqual(self.owner.all("/v1/events", {"state": "accepted"}), [])

    def test_each_attribute_is_given_once(self):
        fields = list(fields_of(self.event("e-1")).items())
        for name, pointer in (("CE-ID", "/id"), ("ce-specversion", "/specversion"),
                              ("ce-trace", "/trace"), ("ce-data", "/data")):
            status, problem = self.send_fields([*fields, ("ce-trace", "1"), (name, "1.0")])
            self.assertEqual((status, problem["code"]), (422, "validation_failed"))
            self.assertEqual([(error["pointer"], error["code"]) for error in problem["errors"]],
                             [(pointer, "given_twice")])
        self.assertEqual(self.owner.all("/v1/events", {"state": "accepted"}), [])
        self.assertEqual(self.send_fields(fields)[0], 200)

    def test_partial_says_it_in_the_receipt(self):
        event = self.event("e-1")
        receipt = self.expect(self.send(
            json.dumps(event["data"]).encode(), content_type=JSON, query={"partial": True},
            headers={**fields_of(event), "ce-id": "%"}), 200)
        self.assertEqual(self.counts(receipt), (0, 0, 0, 1))
        [verdict] = receipt["events"]
        self.assertEqual((verdict["pointer"], verdict["reason"], verdict["id"]), ("/id", "malformed", None))

    def test_structured_mode_may_repeat_attributes_in_the_header(self):
        event = self.event(unique("one"))
        copies = {"ce-specversion": "1.0", "ce-id": "of the header"}
        self.assertEqual(self.receipt(event, content_type=ONE, headers=copies)["accepted"], 1)
        self.assertEqual(self.receipt([event], content_type=BATCH, headers=copies)["duplicates"], 1)
        self.assertEqual(self.receipt(json.dumps(event).encode(), content_type=LINES,
                                      headers=copies)["duplicates"], 1)

    def test_without_specversion_it_is_a_batch(self):
        event = self.event("e-1")
        self.expect(self.send_binary(event, specversion=None), 422, "not_a_batch")
        self.assertEqual(self.receipt([event], content_type=JSON)["accepted"], 1)


class Packed(EventTest):
    def send_packed(self, data, content_type=BATCH, encoding="gzip", **options):
        return self.send(data, content_type=content_type, headers={"Content-Encoding": encoding},
                         check=False, **options)

    def pack(self, events):
        return gzip.compress(json.dumps(events).encode())

    def refuse(self, data, status, code, **options):
        answer = self.send_packed(data, **options)
        self.expect(answer, status, code)
        return answer

    def test_every_form_is_taken(self):
        batch = [self.event("a"), self.event("b")]
        self.assertEqual(self.expect(self.send_packed(self.pack(batch)), 200)["accepted"], 2)
        self.assertEqual(self.receipt(batch)["duplicates"], 2)
        self.expect(self.send_packed(self.pack(self.event("c")), content_type=ONE), 200)
        text = "".join(json.dumps(self.event(name)) + "\n" for name in ("d", "e")).encode()
        self.expect(self.send_packed(gzip.compress(text), content_type=LINES), 200)
        event = self.event("f")
        self.expect(self.send(self.pack(event["data"]), content_type=JSON, headers={
            **fields_of(event), "Content-Encoding": "gzip"}), 200)
        self.assertEqual(self.total(), 600)

    def test_members_in_a_row_are_one_body(self):
        text = json.dumps([self.event("a"), self.event("b")]).encode()
        data = gzip.compress(text[:50]) + gzip.compress(b"") + gzip.compress(text[50:])
        self.assertEqual(self.expect(self.send_packed(data), 200)["accepted"], 2)

    def test_names_of_encodings(self):
        for place, encoding in enumerate(("GZIP", "x-gzip", "gzip ")):
            self.expect(self.send_packed(self.pack([self.event(f"e-{place}")]), encoding=encoding), 200)
        self.expect(self.send_packed(json.dumps([self.event("plain")]).encode(), encoding="identity"), 200)
        for encoding in ("deflate", "br", "zstd", "gzip, gzip", "gzip, identity", "compress", "", "*"):
            answer = self.refuse(self.pack([self.event("e")]), 415, "unsupported_content_encoding", encoding=encoding)
            self.assertEqual(answer.header("Accept-Encoding"), "gzip, identity")
        self.assertEqual(self.total(), 400)

    def test_only_where_the_contract_says_so(self):
        answer = self.platform.post("/v1/parks", self.pack({"code": "a", "name": "A"}),
                                    headers={"Content-Encoding": "gzip"})
        self.expect(answer, 415, "unsupported_content_encoding")
        self.assertEqual(answer.header("Accept-Encoding"), "identity")

    def test_what_is_no_gzip_is_refused(self):
        good = self.pack([self.event("e-1")])
        corrupt = bytearray(good)
        corrupt[-6] ^= 1
        for data in (b"[]", good[:-1], good[:10], good + b"x", good + b"\0", good + good[:5], bytes(corrupt)):
            with self.subTest(data=data[-10:]):
                self.refuse(data, 400, "gzip_malformed")
        self.refuse(gzip.compress(b""), 400, "body_missing")
        self.assertEqual(self.owner.all("/v1/events", {"state": "accepted"}), [])

    def test_what_it_inflates_to_is_bounded(self):
        limit = 8 << 20
        bomb = gzip.compress(b" " * limit)
        more = gzip.compress(b" " * limit + b"\n")
        for data in (more, bomb + gzip.compress(b"\n"), more[:-4] + b"\1\0\0\0"):
            self.refuse(data, 413, "body_too_large", content_type=LINES)
        self.assertEqual(self.expect(self.send_packed(bomb, content_type=LINES), 200)["accepted"], 0)
        self.refuse(gzip.compress(b" " * (1 << 20) + b"[]"), 413, "body_too_large")

    def test_the_problem_is_told_in_chinese(self):
        answer = self.send(b"x", headers={"Content-Encoding": "gzip", "Accept-Language": "zh-CN"}, check=False)
        self.expect(answer, 400, "gzip_malformed")
        self.assertIn("gzip", answer.json["detail"])
        self.assertIn("正文", answer.json["detail"])


class PackedMemory(EventTest):
    settings = {"body_memory": 2 << 20}

    def test_what_was_inflated_counts_as_held(self):
        answer = self.send(gzip.compress(b" " * (4 << 20)), content_type=LINES,
                           headers={"Content-Encoding": "gzip"})
        self.expect(answer, 503, "overloaded")
        self.assertIsNotNone(answer.header("Retry-After"))
        self.assertEqual(self.receipt([self.event("small")])["accepted"], 1)


if __name__ == "__main__":
    unittest.main()
