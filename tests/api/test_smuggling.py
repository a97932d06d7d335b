"""Requests that two readers could frame differently, over TLS, byte for byte: each is refused and
the connection closed, so that nothing behind it is taken for a request."""

import json
import os
import re
import socket
import ssl
import unittest

from harness import ApiTest

VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "smuggling.json")
TIME = 30.0  # seconds
STATUS_LINE = re.compile(rb"HTTP/1\.1 \d{3} ")


def read_vectors():
    with open(VECTORS, encoding="utf-8") as file:
        return json.load(file)


class SmugglingTest(ApiTest):
    # A request that never ends is answered when its time is over.
    settings = {"head_timeout": 3000, "body_timeout": 3000}

    def exchange(self, data):
        """All that the daemon sends until it closes; "" where it does not close in time."""
        context = ssl.create_default_context(cafile=self.daemon.authority)
        received = b""
        with socket.create_connection(("127.0.0.1", self.daemon.port), TIME) as raw, \
                context.wrap_socket(raw, server_hostname="localhost") as connection:
            connection.sendall(data)
            try:
                while piece := connection.recv(65536):
                    received += piece
            except (ConnectionResetError, ssl.SSLEOFError):
                pass
        return received

    def check(self, vector, received):
        """200: framed well, so that the daemon sees the request. "close": only what comes behind
        the head is wrong. Else the status of a refusal. Never more than one answer."""
        expected = vector["status"]
        answers = len(STATUS_LINE.findall(received))
        status = received[:12].rpartition(b" ")[2].decode()
        if expected == "close":
            self.assertLessEqual(answers, 1, received[:2000])
            return
        self.assertEqual(answers, 1, received[:2000])
        if expected != 200:
            self.assertEqual(status, str(expected), received[:2000])
        elif status != "200":
            self.assertNotIn(b'"bad_request"', received)

    def test_vectors(self):
        for vector in read_vectors():
            with self.subTest(vector["name"]):
                self.check(vector, self.exchange(vector["bytes"].encode("latin-1")))

    def test_daemon_still_serves(self):
        self.expect(self.platform.get("/livez"), 200)


if __name__ == "__main__":
    unittest.main()
