"""A client of the API over the standard library. Every answer is held against the contract."""

import http.client
import json
import secrets
import ssl
import threading
import urllib.parse

TIMEOUT = 120  # seconds; a daemon with sanitizers on a busy machine is slow


class Answer:
    """Status, header fields and body of one answer."""

    def __init__(self, request, response, body):
        self.request = request
        self.status = response.status
        self.headers = response.headers
        self.body = body

    def header(self, name):
        return self.headers.get(name)

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json.get("code")

    @property
    def etag(self):
        return self.header("ETag")

    def __repr__(self):
        return f"{self.request} -> {self.status} {self.body[:2000].decode('utf-8', 'replace')}"


class Client:
    """Speaks for one credential. May be used by many threads: each has a connection of its own.

    A POST gets a fresh Idempotency-Key unless it brings one; None as the value of a header leaves
    it out. `check` False is for requests that are no requests by the contract."""

    def __init__(self, contract, port, authority, key=None, certificate=None, headers=None):
        self.contract, self.port, self.key = contract, port, key
        self.headers = headers or {}
        self.context = ssl.create_default_context(cafile=authority)
        if certificate is not None:
            self.context.load_cert_chain(*certificate)
        self.local = threading.local()
        self.resent = 0  # requests whose connection was gone

    def connect(self):
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=TIMEOUT,
                                                 context=self.context)
        connection.connect()
        return connection

    def close(self):
        connection = getattr(self.local, "connection", None)
        if connection is not None:
            connection.close()
            self.local.connection = None

    def exchange(self, method, target, body, headers):
        """On a kept connection, or on a fresh one when the daemon has closed that meanwhile."""
        connection = getattr(self.local, "connection", None)
        fresh = connection is None or connection.sock is None
        try:
            if fresh:
                connection = self.local.connection = self.connect()
            connection.request(method, target, body=body, headers=headers)
            response = connection.getresponse()
            return response, response.read()
        except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError):
            self.close()
            if fresh:
                raise
            self.resent += 1
            return self.exchange(method, target, body, headers)
        except Exception:
            self.close()
            raise

    def all_headers(self, method, given, content_type):
        headers = {"Accept-Language": "en", **self.headers}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        if content_type is not None:
            headers["Content-Type"] = content_type
        if method == "POST":
            headers["Idempotency-Key"] = secrets.token_hex(16)
        headers.update(given or {})
        return {name: value for name, value in headers.items() if value is not None}

    def request(self, method, path, body=None, query=None, headers=None, if_match=None,
                content_type="application/json", check=True):
        """`body` is made JSON of unless it is bytes; `query` a dict, lists joined by commas."""
        target = path + spell_query(query)
        data = body
        if body is not None and not isinstance(body, bytes):
            data = json.dumps(body, ensure_ascii=False).encode()
        given = dict(headers or {})
        if if_match is not None:
            given["If-Match"] = if_match
        fields = self.all_headers(method, given, None if body is None else content_type)
        response, payload = self.exchange(method, target, data, fields)
        answer = Answer(f"{method} {target}", response, payload)
        if check:
            self.contract.check(method, target, answer)
        return answer

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, body, **options)

    def patch(self, path, body, **options):
        return self.request("PATCH", path, body, **options)

    def put(self, path, body, **options):
        return self.request("PUT", path, body, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)

    def all(self, path, query=None):
        """Every entry of a list, page by page."""
        query = dict(query or {})
        entries = []
        while True:
            answer = self.get(path, query=query)
            if answer.status != 200:
                raise AssertionError(repr(answer))
            entries += answer.json["data"]
            query["cursor"] = answer.json["next_cursor"]
            if query["cursor"] is None:
                return entries


def spell_query(query):
    pairs = [(name, ",".join(map(str, value)) if isinstance(value, (list, tuple)) else
              str(value).lower() if isinstance(value, bool) else str(value))
             for name, value in (query or {}).items() if value is not None]
    return "?" + urllib.parse.urlencode(pairs, safe=",[]:") if pairs else ""
