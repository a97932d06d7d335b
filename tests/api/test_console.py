"""The console's pages: found, negotiated, kept by the browser, and never open to others' scripts.
What stands on them is tested in the browser."""

import gzip
import re

from harness import ApiTest

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'")
ENTRIES = ("/console/", "/docs", "/login")
IMMUTABLE = "public, max-age=31536000, immutable"


class PageTest(ApiTest):
    def setUp(self):
        super().setUp()
        self.browser = self.stranger()

    def page(self, path, status=200, **headers):
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.browser.get(path, headers=fields)
        self.assertEqual(answer.status, status, repr(answer))
        return answer

    def assets(self, entry="/console/"):
        found = re.findall(r"/a/[\w.-]+", self.page(entry).body.decode())
        self.assertTrue(found, entry)
        return found

    def script(self):
        return next(path for path in self.assets() if path.endswith(".js"))


class PathTest(PageTest):
    def test_entries(self):
        for path in ENTRIES:
            answer = self.page(path)
            self.assertEqual(answer.header("Content-Type"), "text/html; charset=utf-8")
            self.assertTrue(answer.body.lower().startswith(b"<!doctype html>"), path)

    def test_what_the_application_routes_itself(self):
        entry = self.page("/console/")
        for path in ("/console/tenants/ten_x", "/console/?lang=zh", "/console/a/b/c/d/e/f/g/h/i/j"):
            answer = self.page(path)
            self.assertEqual((answer.body, answer.etag), (entry.body, entry.etag), path)

    def test_redirects(self):
        for path in ("/", "/console"):
            answer = self.page(path, 303)
            self.assertEqual((answer.header("Location"), answer.body), ("/console/", b""))

    def test_missing(self):
        for path in ("/a/nothing-0A1B2C3D.js", "/a/", "/a", "/consoles", "/docs/", "/docs/x", "/logi",
                     "/login/x", "/%63onsole/", "/CONSOLE/", "/console%2F", "//console/",
                     self.script() + "x", self.script()[:-1]):
            self.expect(self.browser.get(path), 404, "not_found")

    def test_every_asset_named_is_there(self):
        for entry in ENTRIES:
            for path in self.assets(entry):
                self.assertEqual(self.page(path).header("Cache-Control"), IMMUTABLE)

    def test_kinds(self):
        kinds = {path.rpartition(".")[2]: self.page(path).header("Content-Type")
                 for entry in ENTRIES for path in self.assets(entry)}
        self.assertEqual(kinds["js"], "text/javascript; charset=utf-8")
        self.assertEqual(kinds["css"], "text/css; charset=utf-8")

    def test_methods(self):
        for path in ("/console/", self.script(), "/docs", "/"):
            for method in ("POST", "PUT", "DELETE", "BREW"):
                answer = self.browser.request(method, path, check=False)
                self.expect(answer, 405, "method_not_allowed")
                self.assertEqual(answer.header("Allow"), "GET, HEAD")
            answer = self.browser.request("OPTIONS", path, check=False)
            self.assertEqual((answer.status, answer.header("Allow")), (204, "GET, HEAD"))

    def test_head(self):
        for path in ("/console/", self.script(), "/"):
            full, head = self.browser.get(path), self.browser.request("HEAD", path)
            self.assertEqual((head.status, head.body), (full.status, b""))
            for name in ("ETag", "Content-Type", "Content-Length", "Location"):
                self.assertEqual(head.header(name), full.header(name), name)

    def test_other_listeners(self):
        for path in ("/", "/console/", "/docs", self.script()):
            self.expect(self.shared.radius().get(path), 404, "not_found")

    def test_one_connection_serves_page_after_page(self):
        script = self.script()
        first = self.page(script, Accept_Encoding="br")
        connection = self.browser.local.connection
        for _ in range(3):
            self.assertEqual(self.page(script, Accept_Encoding="br").body, first.body)
            self.page("/console/")
            self.page("/livez")
        self.assertIs(self.browser.local.connection, connection)


class CodingTest(PageTest):
    def coding(self, accepted):
        answer = self.page(self.script(), **({} if accepted is None else
                                             {"Accept_Encoding": accepted}))
        self.assertEqual(answer.header("Vary"), "Accept-Encoding")
        return answer.header("Content-Encoding")

    def test_choice(self):
        for accepted, expected in (
                ("gzip, deflate, br, zstd", "br"), ("br", "br"), ("BR", "br"), ("gzip", "gzip"),
                ("gzip;q=0.5, br;q=0.4", "gzip"), ("gzip;q=1.0,br;q=1.0", "br"),
                ("br;q=0, gzip", "gzip"), ("br;q=0.000, gzip;q=0", None), ("*", "br"),
                ("*;q=0, gzip;q=0.1", "gzip"), ("br;q=0, *", "gzip"), ("*;q=0", None),
                ("identity", None), ("identity, br;q=0.5", None), ("identity;q=0, gzip", "gzip"),
                ("identity;q=0.5, *;q=0.2", None), ("deflate", None), ("brx, xgzip", None),
                ("br ; q=0 , gzip ; q=0.3", "gzip"), ("br;q=x, gzip;q=0.2", "gzip"), ("", None),
                (None, None)):
            with self.subTest(accepted):
                self.assertEqual(self.coding(accepted), expected)

    def test_coded_bytes_are_the_same_content(self):
        path = self.script()
        plain = self.page(path)
        zipped, brotli = (self.page(path, Accept_Encoding=coding) for coding in ("gzip", "br"))
        self.assertEqual(gzip.decompress(zipped.body), plain.body)
        self.assertLess(len(brotli.body), len(zipped.body))
        self.assertLess(len(zipped.body), len(plain.body))


class CacheTest(PageTest):
    def test_entries_are_asked_for_again(self):
        for path in ENTRIES:
            self.assertEqual(self.page(path).header("Cache-Control"), "no-cache")

    def test_each_coding_has_its_entity_tag(self):
        tags = {self.page(self.script(), Accept_Encoding=coding).etag
                for coding in ("identity", "gzip", "br")}
        self.assertEqual(len(tags), 3)
        for tag in tags:
            self.assertRegex(tag, r'^"[\w-]+"$')

    def test_not_modified(self):
        for path in ("/console/", self.script()):
            full = self.page(path, Accept_Encoding="br")
            for value in (full.etag, f'"other", {full.etag}', f"W/{full.etag}", "*"):
                answer = self.page(path, 304, Accept_Encoding="br", If_None_Match=value)
                self.assertEqual(answer.body, b"")
                for name in ("ETag", "Cache-Control", "Vary"):
                    self.assertEqual(answer.header(name), full.header(name), name)
                self.assertIsNone(answer.header("Content-Encoding"))

    def test_modified(self):
        full = self.page("/console/", Accept_Encoding="br")
        for value in ('"other"', full.etag[:-1], full.etag.strip('"'), ""):
            self.page("/console/", 200, Accept_Encoding="br", If_None_Match=value)
        self.page("/console/", 200, Accept_Encoding="gzip", If_None_Match=full.etag)


class SecurityTest(PageTest):
    def test_fields(self):
        for path in (*ENTRIES, *self.assets()):
            answer = self.page(path)
            for name, value in {
                    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
                    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
                    "X-Content-Type-Options": "nosniff",
                    "Referrer-Policy": "no-referrer",
                    "Cross-Origin-Opener-Policy": "same-origin",
                    "Access-Control-Allow-Origin": None}.items():
                self.assertEqual(answer.header(name), value, f"{path}: {name}")
            self.assertEqual(len(answer.headers.get_all("Cache-Control")), 1)
            self.assertIsNotNone(answer.header("Request-Id"))

    def test_entries_hold_nothing_inline(self):
        for path in ENTRIES:
            body = self.page(path).body.decode()
            self.assertNotRegex(body, r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)")

    def test_data_is_still_not_stored(self):
        self.assertEqual(self.platform.get("/v1/me").header("Cache-Control"), "no-store")
        self.assertEqual(self.browser.get("/v1/me").header("Cache-Control"), "no-store")
