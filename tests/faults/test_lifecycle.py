"""A daemon's life as its operator sees it: reload, drain, log, metrics, a database that hangs."""

import concurrent.futures
import datetime
import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import time
import unittest
import urllib.error
import urllib.request

import processes
from daemon import STOP_TIME, Daemon
from harness import ApiTest, unique

BATCH = "application/cloudevents-batch+json"
WORKERS = ("worker-1", "worker-2")
FRESH_CONNECTIONS = 12  # enough that each worker gets some
SAMPLE = re.compile(r'([a-z_]+)(?:\{le="([^"]+)"\})? (-?[0-9]+(?:\.[0-9]+)?|\+Inf)')


class LifeTest(ApiTest):
    def connection(self, port=None, certificate=None):
        context = ssl.create_default_context(cafile=self.daemon.authority)
        if certificate is not None:
            context.load_cert_chain(*certificate)
        connection = http.client.HTTPSConnection("localhost", port or self.daemon.port, timeout=60,
                                                 context=context)
        self.addCleanup(connection.close)
        connection.connect()
        return connection

    def fetch(self, connection, path, **headers):
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        response.read()
        return response

    def certificates(self):
        """Those that new connections are shown, on the public and on the client listener."""
        found = set()
        for _ in range(FRESH_CONNECTIONS):
            for port, certificate in ((self.daemon.port, None),
                                      (self.daemon.client_port, self.daemon.client_certificate)):
                connection = self.connection(port, certificate)
                found.add(connection.sock.getpeercert(True))
                connection.close()
        return found

    def said(self, event, process=None):
        return [each for each in self.daemon.events() if each["event"] == event
                and process in (None, each["process"])]

    def wait_for(self, event, process, count):
        self.eventually(lambda: len(self.said(event, process)) >= count)

    def hang_up(self, event="reloaded", by=WORKERS):
        """SIGHUP; waits until each of them has said so once more."""
        before = {process: len(self.said(event, process)) for process in by}
        os.kill(processes.supervisor(self.daemon), signal.SIGHUP)
        for process, count in before.items():
            self.wait_for(event, process, count + 1)

    def meter(self):
        code = unique("meter")
        return self.expect(self.platform.post("/v1/meters", {
            "code": code, "name": "计量", "event_type": f"test.{code}", "aggregation": "sum",
            "value_property": "value", "unit": "X"}), 201)

    def event(self, resource, meter, identifier, **data):
        now = datetime.datetime.now(datetime.timezone.utc)
        return {"specversion": "1.0", "id": identifier, "source": "/life",
                "type": meter["event_type"], "subject": resource["id"],
                "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "data": {"value": "1", **data}}

    def stored(self, client):
        return [event["id"] for event in client.all("/v1/events", {"state": "accepted"})]

    def begin_upload(self, client, events):
        """A request that is under way: half of its body is sent. Gives how to end it."""
        body = json.dumps(events).encode()
        connection = self.connection()
        connection.putrequest("POST", "/v1/events")
        for name, value in (("Authorization", f"Bearer {client.key}"), ("Content-Type", BATCH),
                            ("Content-Length", str(len(body)))):
            connection.putheader(name, value)
        connection.endheaders(body[:len(body) // 2])

        def end():
            connection.send(body[len(body) // 2:])
            response = connection.getresponse()
            return response, json.loads(response.read())

        return end


class Reload(LifeTest):
    settings = {"log_level": "debug"}
    expected_errors = ("reload_refused", "certificate_refused")

    def setUp(self):
        self.addCleanup(self.restore, self.daemon.settings.copy())

    def restore(self, settings):
        self.daemon.settings = settings
        self.daemon.write_configuration()
        self.hang_up()

    def configure(self, **settings):
        self.daemon.settings = {**self.daemon.settings, **settings}
        self.daemon.write_configuration()

    def place(self, name, path):
        """Puts a file where the daemon has its own, readable for the same user."""
        target = os.path.join(self.daemon.state, "tls", name)
        status = os.stat(target)
        os.chown(path, status.st_uid, status.st_gid)
        os.chmod(path, status.st_mode & 0o777)
        os.replace(path, target)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)

    def new_certificate(self):
        """Of the daemon's own authority, put in the place of the one that it has."""
        tls, new = os.path.join(self.daemon.state, "tls"), os.path.join(self.daemon.directory, "new")
        with open(new + ".ext", "w", encoding="utf-8") as file:
            file.write("subjectAltName=DNS:localhost\n")
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-subj", "/CN=localhost", "-keyout", new + ".key", "-out", new + ".csr")
        self.openssl("x509", "-req", "-in", new + ".csr", "-CA", os.path.join(tls, "ca.pem"),
                     "-CAkey", os.path.join(tls, "ca.key"), "-CAcreateserial", "-days", "2",
                     "-extfile", new + ".ext", "-out", new + ".pem")
        self.place("server.key", new + ".key")
        self.place("server.pem", new + ".pem")

    def test_a_new_certificate_drops_no_connection(self):
        _, owner = self.tenant()
        resource, meter = self.resource(owner, "software"), self.meter()
        [old] = self.certificates()
        kept = [self.connection() for _ in range(FRESH_CONNECTIONS)]
        for connection in kept:
            self.assertEqual(self.fetch(connection, "/livez").status, 200)
        sockets = [connection.sock for connection in kept]
        end_upload = self.begin_upload(owner, [self.event(resource, meter, "over-a-reload")])
        self.new_certificate()
        self.hang_up()
        [new] = self.certificates()
        self.assertNotEqual(new, old)
        for connection, socket in zip(kept, sockets):
            self.assertEqual(self.fetch(connection, "/livez").status, 200)
            self.assertIs(connection.sock, socket)  # or it would have been made anew
            self.assertEqual(socket.getpeercert(True), old)
        response, receipt = end_upload()
        self.assertEqual((response.status, receipt["accepted"]), (200, 1))

    def test_a_certificate_that_is_none_leaves_the_old_one(self):
        tls = os.path.join(self.daemon.state, "tls")
        good = os.path.join(self.daemon.directory, "good.pem")
        shutil.copy(os.path.join(tls, "server.pem"), good)
        [old] = self.certificates()
        wrong = os.path.join(self.daemon.directory, "wrong.pem")
        with open(wrong, "w", encoding="utf-8") as file:
            file.write("no certificate\n")
        self.place("server.pem", wrong)
        try:
            self.hang_up()
            for process in WORKERS:
                self.assertIn("server.pem", self.said("certificate_refused", process)[-1]["problem"])
            self.assertEqual(self.certificates(), {old})
        finally:
            self.place("server.pem", good)

    def bursts(self):
        """What answers say of the limit, which is a setting that reloads."""
        found = set()
        for _ in range(FRESH_CONNECTIONS):
            connection = self.connection()
            response = self.fetch(connection, "/v1/parks",
                                  Authorization=f"Bearer {self.platform.key}")
            self.assertEqual(response.status, 200)
            found.add(re.search(r"q=(\d+)", response.getheader("RateLimit-Policy")).group(1))
            connection.close()
        return found

    def test_a_wrong_configuration_leaves_the_old_one(self):
        self.configure(requests_burst=54321)
        self.hang_up()
        self.assertEqual(self.bursts(), {"54321"})
        for settings, problem in (({"log_level": "quiet"}, "log_level = quiet"),
                                  ({"no_such_option": 1}, "no_such_option"),
                                  ({"idle_timeout": "soon"}, "idle_timeout")):
            reloads = len(self.said("reloaded"))
            kept = self.daemon.settings
            self.configure(requests_burst=12345, **settings)
            self.hang_up("reload_refused", ("supervisor",))
            self.assertIn(problem, self.said("reload_refused")[-1]["problem"])
            self.assertEqual(self.bursts(), {"54321"})
            self.assertEqual(len(self.said("reloaded")), reloads)
            self.daemon.settings = kept

    def test_what_needs_a_restart_is_named(self):
        self.configure(workers=3)
        self.hang_up()
        self.assertEqual(self.said("restart_needed")[-1]["option"], "workers")
        self.assertIn("worker-2", processes.named(self.daemon))
        self.assertNotIn("worker-3", processes.named(self.daemon))

    def test_bug_0031_runners_take_up_a_reload(self):
        name = f"Centre {unique('issuer')}"
        self.configure(issuer_name=name)
        self.hang_up()
        self.eventually(lambda: self.database().value("select issuer_name from platform") == name)
        for runner in ("jobs", "jobs-periodic", "courier"):
            self.assertEqual({each["level"] for each in self.said("child_stopped")
                              if each["child"] == runner}, {"info"})

    def test_bug_0031_workers_take_up_the_level_of_the_log(self):
        self.configure(log_level="warning", requests_burst=23456)
        reloads = len(self.said("reloaded"))
        os.kill(processes.supervisor(self.daemon), signal.SIGHUP)
        self.eventually(lambda: self.bursts() == {"23456"})
        self.assertEqual(len(self.said("reloaded")), reloads)

    def test_bug_0032_what_needs_a_restart_stays_in_the_workers(self):
        _, owner = self.tenant()
        query = {"meter": self.meter()["code"], "window": "day",
                 "from": "2026-10-01T00:00:00Z", "to": "2026-10-02T00:00:00Z"}
        zone = self.expect(owner.get("/v1/usage", query=query), 200)["time_zone"]
        self.configure(time_zone="Europe/Berlin")
        self.hang_up()
        self.assertEqual(self.said("restart_needed")[-1]["option"], "time_zone")
        for _ in range(FRESH_CONNECTIONS):
            owner.close()
            self.assertEqual(self.expect(owner.get("/v1/usage", query=query), 200)["time_zone"],
                             zone)


class Log(LifeTest):
    settings = Reload.settings
    expected_errors = Reload.expected_errors
    HIDDEN = "amber-heron-5521"  # in every body below

    def line(self, text):
        """An event; a name that stands in it twice is one too many."""
        def unrepeated(pairs):
            self.assertEqual(len(dict(pairs)), len(pairs), text)
            return dict(pairs)

        try:
            return json.loads(text, object_pairs_hook=unrepeated)
        except ValueError:
            self.fail(f"not a line of JSON: {text}")

    def speak(self):
        """Sends secrets and bodies of every kind; gives what must not be in the log."""
        renter, owner = self.tenant()
        user = self.user(renter)
        stranger = self.stranger()
        login = {"email": user["email"], "password": user["password"]}
        session = stranger.post("/v1/sessions", login)
        self.expect(session, 201)
        wrong = f"wrong-{self.HIDDEN}"
        self.expect(stranger.post("/v1/sessions", {**login, "password": wrong}), 401)
        key = self.shared.api_key("owner", tenant=renter["id"])["secret"]
        self.expect(self.shared.client(key).get("/v1/me"), 200)
        stolen = f"{key[:-4]}0000"
        self.expect(self.shared.client(stolen).get("/v1/me"), 401)
        resource, meter = self.resource(owner, "software"), self.meter()
        events = [self.event(resource, meter, "hidden", note=self.HIDDEN)]
        for body, status in ((events, 200), (events + [{"note": self.HIDDEN}], 422),
                             (f'[{{"note":"{self.HIDDEN}"'.encode(), 400)):
            self.expect(owner.post("/v1/events", body, content_type=BATCH, check=False), status)
        line = self.resource(owner, "broadband")
        self.expect(owner.post(f"/v1/resources/{line['id']}/change",
                               {"broadband": {"password": self.HIDDEN}}), 200)
        attributes = {"User-Name": line["broadband"]["login"], "User-Password": self.HIDDEN}
        packet = {name: {"type": "string", "value": [value]} for name, value in attributes.items()}
        self.expect(self.radius().post("/radius/v1/authorize", packet), 200)
        self.expect(self.radius().post("/radius/v1/accounting", {
            **packet, "User-Name": {"type": "string", "value": [self.HIDDEN]},
            "Acct-Status-Type": {"type": "integer", "value": [1]}}), 204)
        self.expect(owner.get("/v1/resources", query={"name": self.HIDDEN}, check=False), 400)
        cookie = session.header("Set-Cookie").partition(";")[0].partition("=")[2]
        return [user["password"], wrong, key, stolen, self.HIDDEN, cookie, self.platform.key,
                self.shared.operator_login["password"], resource["id"] + '"']

    def test_a_line_of_json_an_event_and_no_secret(self):
        secrets = self.speak()
        log = self.daemon.log()
        lines = [self.line(text) for text in log.splitlines()]
        self.assertGreater(len(lines), 10)
        for each in lines:
            self.assertLessEqual({"time", "level", "process", "event"}, set(each))
            self.assertIn(each["level"], ("error", "warning", "info", "debug"))
            self.assertRegex(each["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        for secret in secrets:
            self.assertGreater(len(secret), 10)
            self.assertNotIn(secret, log)


class Metrics(LifeTest):
    settings = Reload.settings
    expected_errors = Reload.expected_errors

    def plain(self, path):
        """Over the listener of metrics, which speaks plain HTTP on loopback."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.daemon.metrics_port}{path}",
                                        timeout=30) as response:
                return response.status, response.headers, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def figures(self):
        """Kind and samples of each family, read as strictly as the format says."""
        status, headers, text = self.plain("/metrics")
        self.assertEqual(status, 200)
        self.assertTrue(headers["Content-Type"].startswith("text/plain; version=0.0.4"))
        self.assertTrue(text.endswith("\n"))
        families, helped = {}, set()
        for line in text.splitlines():
            if line.startswith("# HELP "):
                helped.add(line.split(" ", 3)[2])
            elif line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.assertNotIn(name, families)
                families[name] = (kind, {})
            else:
                found = SAMPLE.fullmatch(line)
                self.assertIsNotNone(found, line)
                family = self.family_of(found.group(1), families)
                samples = families[family][1]
                self.assertNotIn(found.group(1, 2), samples)
                samples[found.group(1, 2)] = float(found.group(3))
        self.assertEqual(helped, set(families))
        return families

    def family_of(self, name, families):
        for family in (name, re.sub("_(bucket|sum|count)$", "", name)):
            if family in families:
                return family
        self.fail(f"{name} has no TYPE before it")

    def value(self, families, name):
        return families[name][1][name, None]

    def test_the_text_is_that_of_prometheus(self):
        for name, (kind, samples) in self.figures().items():
            self.assertIn(kind, ("counter", "gauge", "histogram"))
            if kind == "counter":
                self.assertTrue(name.endswith("_total"), name)
                self.assertGreaterEqual(samples[name, None], 0)
            elif kind == "histogram":
                buckets = [(float(bound.replace("+Inf", "inf")), count) for (_, bound), count
                           in samples.items() if bound is not None]
                self.assertEqual(buckets, sorted(buckets), name)
                self.assertEqual([count for _, count in buckets],
                                 sorted(count for _, count in buckets), name)
                self.assertEqual(buckets[-1], (float("inf"), samples[name + "_count", None]))
                self.assertIn((name + "_sum", None), samples)

    def test_counters_move(self):
        _, owner = self.tenant()
        resource, meter = self.resource(owner, "software"), self.meter()
        before = self.figures()
        events = [self.event(resource, meter, f"counted-{i}") for i in range(7)]
        for _ in range(2):
            self.expect(owner.post("/v1/events", events, content_type=BATCH), 200)
        for _ in range(5):
            self.expect(owner.get("/v1/resources/res_none", check=False), 404)
        after = self.figures()

        def moved(name):
            return self.value(after, name) - self.value(before, name)

        self.assertEqual(moved("bccd_events_accepted_total"), 7)
        self.assertEqual(moved("bccd_events_duplicate_total"), 7)
        self.assertEqual(moved("bccd_requests_client_error_total"), 5)
        self.assertGreaterEqual(moved("bccd_requests_success_total"), 2)
        self.assertGreaterEqual(moved("bccd_database_segments_total"), 2)
        name = "bccd_request_duration_seconds"
        self.assertGreaterEqual(after[name][1][name + "_count", None],
                                before[name][1][name + "_count", None] + 7)

    def test_health_on_every_listener(self):
        for path in ("/livez", "/readyz"):
            self.assertEqual(self.plain(path)[0], 200)
            self.assertEqual(self.fetch(self.connection(), path).status, 200)
            node = self.connection(self.daemon.client_port, self.daemon.client_certificate)
            self.assertEqual(self.fetch(node, path).status, 200)
        self.assertEqual(self.fetch(self.connection(), "/metrics").status, 404)
        self.assertEqual(self.plain("/v1/parks")[0], 404)


class Drain(LifeTest):
    settings = {"drain_time": 30, "body_minimum_rate": 0}

    def refused(self):
        """True once no listener takes connections any more."""
        for port in (self.daemon.port, self.daemon.client_port, self.daemon.metrics_port):
            try:
                http.client.HTTPConnection("127.0.0.1", port, timeout=5).connect()
                return False
            except ConnectionRefusedError:
                continue
        return True

    def test_what_is_under_way_is_answered_and_nobody_else(self):
        _, owner = self.tenant()
        resource, meter = self.resource(owner, "software"), self.meter()
        idle = self.connection()
        self.assertEqual(self.fetch(idle, "/livez").status, 200)
        end_upload = self.begin_upload(owner, [self.event(resource, meter, "while-draining")])
        os.kill(processes.supervisor(self.daemon), signal.SIGTERM)
        self.eventually(self.refused)
        self.assertEqual(idle.sock.recv(1), b"")  # closed, and with TLS's own farewell
        self.assertIsNone(self.daemon.process.poll())
        response, receipt = end_upload()
        self.assertEqual((response.status, receipt["accepted"]), (200, 1))
        self.assertEqual(response.getheader("Connection"), "close")
        self.assertEqual(self.daemon.process.wait(STOP_TIME), 0)
        for event in ("draining", "cluster_stopped", "stopped"):
            self.assertEqual(len(self.said(event, "supervisor")), 1)
        self.daemon.start()
        self.assertEqual(self.stored(owner), ["while-draining"])

    def test_what_takes_too_long_is_cut(self):
        own = Daemon({"drain_time": 1})
        self.addCleanup(own.stop)
        own.start()
        connection = http.client.HTTPSConnection(
            "localhost", own.port, timeout=30,
            context=ssl.create_default_context(cafile=own.authority))
        self.addCleanup(connection.close)
        connection.putrequest("POST", "/v1/sessions")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b"{")
        begun = time.monotonic()
        own.process.send_signal(signal.SIGTERM)
        self.assertEqual(own.process.wait(STOP_TIME), 0)
        self.assertGreater(time.monotonic() - begun, 0.9)
        self.assertEqual([event["connections_cut"] for event in own.events()
                          if event["event"] == "drain_ended"], [1])


class LongPath(LifeTest):
    def test_bug_0038_the_first_start_below_a_long_path(self):
        """Where the socket is, is known once the cluster has chosen; it was asked before."""
        own = Daemon()
        self.addCleanup(own.stop)
        deep = os.path.join(own.directory, "a-name-of-forty-characters-for-a-folder-" * 2)
        os.mkdir(deep, 0o711)
        own.state = own.settings["state_directory"] = os.path.join(deep, "state")
        if os.getuid() == 0:
            shutil.chown(deep, own.settings["user"])
        own.write_configuration()
        own.start()
        own.end()


class FrozenDatabase(LifeTest):
    settings = {"database_timeout": 3000, "database_connect_timeout": 3000,
                "database_queue_timeout": 1000}
    # Seconds: the time limits for a look-up and for the work make seven; without any it would be the
    # client's two minutes.
    DEADLINE = 40.0

    def thaw(self):
        processes.signal_all(processes.all_of_postgresql(self.daemon), signal.SIGCONT)

    def freeze(self):
        self.addCleanup(self.thaw)
        # The postmaster first, so that no backend is added.
        for _ in range(2):
            processes.signal_all(processes.all_of_postgresql(self.daemon), signal.SIGSTOP)

    def readiness(self):
        return {self.fetch(self.connection(), "/readyz").status for _ in range(FRESH_CONNECTIONS)}

    def test_a_database_that_hangs(self):
        _, owner = self.tenant()
        resource, meter = self.resource(owner, "software"), self.meter()
        events = [self.event(resource, meter, f"frozen-{i}") for i in range(8)]
        self.assertEqual(self.readiness(), {200})

        def post(event):
            begun = time.monotonic()
            answer = owner.post("/v1/events", [event], content_type=BATCH)
            return answer, time.monotonic() - begun

        self.freeze()
        with concurrent.futures.ThreadPoolExecutor(len(events)) as pool:
            for answer, duration in pool.map(post, events):
                self.expect(answer, 503)
                self.assertGreaterEqual(int(answer.header("Retry-After")), 1)
                self.assertLess(duration, self.DEADLINE)
        self.eventually(lambda: self.readiness() == {503})
        self.assertGreaterEqual(
            int(self.fetch(self.connection(), "/readyz").getheader("Retry-After")), 1)
        self.assertEqual(self.fetch(self.connection(), "/livez").status, 200)
        self.thaw()
        self.eventually(lambda: self.readiness() == {200})
        # What the server got before it froze it may have done since: the same again settles it.
        for event in events:
            receipt = self.expect(post(event)[0], 200)
            self.assertEqual(receipt["accepted"] + receipt["duplicates"], 1)
        self.assertEqual(sorted(self.stored(owner)), sorted(event["id"] for event in events))

    def test_readiness_sees_it_without_any_request(self):
        self.assertEqual(self.readiness(), {200})
        self.freeze()
        self.eventually(lambda: self.readiness() == {503})
        self.thaw()
        self.eventually(lambda: self.readiness() == {200})

    def test_bug_0026_a_stopped_one_ends_with_the_daemon(self):
        """It never saw that it was to end, and was waited for without end."""
        own = Daemon()
        self.addCleanup(own.stop)
        own.start()
        process = processes.postmaster(own)
        os.kill(process, signal.SIGSTOP)
        self.addCleanup(processes.signal_all, [process], signal.SIGCONT)
        own.end()
        self.assertFalse(processes.is_living(process))


if __name__ == "__main__":
    unittest.main()
