"""A vendor's Open Service Broker, which misbehaves as it is told: for each kind of call a list of moods, one
a call; when the list is at its end, as `usual` says. What it has is in `instances`."""

import base64
import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

USER, PASSWORD = "bccd", "kT9-wes-31q"
SERVICE = "office-1"
PATH = re.compile(r"^/osb/v2/service_instances/([^/?]+)(/last_operation)?$")
CATALOG = {"services": [
    {"id": SERVICE, "name": "office", "description": "Office suite", "bindable": False, "plan_updateable": True,
     "metadata": {"costs": [{"amount": {"cny": 99.5}, "unit": "MONTHLY"}]}, "plans": [
         {"id": "small", "name": "small", "description": "Up to 50", "free": False},
         {"id": "large", "name": "large", "description": "Any number", "maximum_polling_duration": 86400},
         {"id": "fixed", "name": "fixed", "description": "Never another", "plan_updateable": False}]},
    {"id": "mail", "name": "mail", "description": "Mail", "bindable": False, "plans": [
        {"id": "basic", "name": "basic", "description": "Mail"}]}]}


class Broken(Exception):
    """The connection ends without an answer."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, _request, _address):
        """A client that went away, or does not trust us, is none of our errors."""


class VendorBroker:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="v")
        self.instances = {}  # id: plan, parameters, and what is under way: kind, polls left, result
        self.requests = []   # method, id, query, headers, body
        self.moods = {"PUT": [], "PATCH": [], "DELETE": [], "POLL": [], "CATALOG": []}
        self.usual = {"PUT": "good", "PATCH": "good", "DELETE": "good", "POLL": "good", "CATALOG": "good"}
        self.catalog = CATALOG
        self.silence = 3.0  # seconds that "slow" takes: longer than a request may
        self.lock = threading.Lock()
        self.server = Server(("127.0.0.1", 0), self.handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate())
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"https://127.0.0.1:{self.server.server_address[1]}/osb"

    def certificate(self):
        paths = [os.path.join(self.directory, name) for name in ("certificate.pem", "key.pem")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-out", paths[0], "-keyout", paths[1]], check=True, capture_output=True)
        return paths

    @property
    def authority(self):
        with open(os.path.join(self.directory, "certificate.pem"), encoding="ascii") as file:
            return file.read()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        shutil.rmtree(self.directory)

    def calls(self, method):
        with self.lock:
            return [request for request in self.requests if request["method"] == method]

    # ---- What it does ----

    def make(self, identifier, body):
        self.instances[identifier] = {"plan": body["plan_id"], "parameters": body.get("parameters", {}), "under_way": None}

    def change(self, identifier, body):
        found = self.instances[identifier]
        found["plan"] = body.get("plan_id", found["plan"])
        found["parameters"] = body.get("parameters", found["parameters"])

    def remove(self, identifier, _body=None):
        self.instances.pop(identifier, None)

    def answer(self, method, identifier, body):
        """The status and the body; what has no body of its own has {}."""
        with self.lock:
            mood = self.moods[method].pop(0) if self.moods[method] else self.usual[method]
        if method == "CATALOG":
            return self.misbehave(mood, lambda: (200, self.catalog))
        if method == "POLL":
            return self.poll(mood, identifier)
        if method == "DELETE" and identifier not in self.instances:
            return 410, {}
        if method == "PATCH" and identifier not in self.instances:
            return 404, {"description": "no such instance"}
        act = {"PUT": self.make, "PATCH": self.change, "DELETE": self.remove}[method]
        done = (201, {"dashboard_url": f"https://office.example.com/{identifier}"}) if method == "PUT" else (200, {})

        def do():
            act(identifier, body)
            return done

        if mood in ("asynchronous", "never", "fails later"):
            if method == "PUT":
                self.make(identifier, body)
            self.instances[identifier]["under_way"] = [
                (lambda: None) if method == "PUT" else (lambda: act(identifier, body)), 2, mood]
            return 202, {"operation": f"{method} of/it?", "dashboard_url": f"https://office.example.com/{identifier}"}
        return self.misbehave(mood, do)

    def misbehave(self, mood, do):
        if mood == "good":
            return do()
        if mood == "slow":
            time.sleep(self.silence)
            return do()
        if mood == "lost":
            do()
            raise Broken
        if mood in ("no json", "a list", "no json accepted"):
            do()
            return 202 if mood == "no json accepted" else 201, "[1, 2" if mood == "no json" else b"[]" if mood == "a list" else "<html>"
        if mood == "done and 500":
            do()
            return 500, {"description": "Something went wrong \u0007"}
        if mood == "204":
            do()
            return 204, ""
        return {"500": (500, {"description": "Out of order"}), "503": (503, "busy"), "busy": (429, {}, {"Retry-After": "1"}),
                "concurrent": (422, {"error": "ConcurrencyError", "description": "Another one is under way."}),
                "timeout": (408, {}), "declined": (400, {"description": "Not with these parameters"}),
                "unsupported": (422, {"description": "Over the quota", "update_repeatable": False}),
                "conflict": (409, {}), "gone": (410, {}), "elsewhere": (302, {}, {"Location": "https://127.0.0.1:1/"}),
                "stranger": (401, {}), "long": (200, "x" * (5 << 20))}[mood]

    def poll(self, mood, identifier):
        if identifier not in self.instances:
            return 410, {}
        if mood != "good":
            return self.misbehave(mood, lambda: (200, {"state": "sunny"}))
        under_way = self.instances[identifier]["under_way"]
        if under_way is None:
            return 200, {"state": "succeeded"}
        act, left, kind = under_way
        under_way[1] -= 1
        if left > 0 or kind == "never":
            return 200, {"state": "in progress", "description": "still at it"}
        self.instances[identifier]["under_way"] = None
        if kind == "fails later":
            return 200, {"state": "failed", "description": "The disk is full"}
        act()
        return 200, {"state": "succeeded"}

    def handler(self):
        broker = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path, _, query = self.path.partition("?")
                found = PATH.match(path)
                method = "CATALOG" if path == "/osb/v2/catalog" else "POLL" if found and found[2] else self.command
                identifier = found[1] if found else None
                with broker.lock:
                    broker.requests.append({
                        "method": method, "id": identifier, "query": dict(urllib.parse.parse_qsl(query)),
                        "headers": dict(self.headers), "body": json.loads(body) if body else None})
                expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
                if self.headers.get("Authorization") != expected:
                    self.give(401, {"description": "Who are you?"})
                    return
                try:
                    self.give(*broker.answer(method, identifier, json.loads(body) if body else None))
                except Broken:
                    self.close_connection = True

            do_GET = do_PUT = do_PATCH = do_DELETE = do

            def give(self, status, body, headers=None):
                text = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
                try:
                    self.send_response(status)
                    for name, value in (headers or {}).items():
                        self.send_header(name, value)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_arguments):
                pass

        return Handler
