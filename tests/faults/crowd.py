"""Many slow clients at once, driven by one thread, and live clients beside them."""

import contextlib
import http.client
import select
import socket
import ssl
import threading
import time

NARROW_WINDOW, NARROW_SEGMENT = 8192, 536  # bytes; so little leaves the server's socket
SOCKET_TIME = 60.0  # seconds
PATIENCE = 60.0  # seconds; only those that are never closed are waited for so long
ENDED = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class SlowClient:
    """A connection over TLS from an address of its own choice. With `narrow`, few packets at a time
    have room on their way to it."""

    def __init__(self, daemon, address, narrow=False):
        context = ssl.create_default_context(cafile=daemon.authority)
        raw = socket.socket()
        try:
            raw.settimeout(SOCKET_TIME)
            if narrow:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW_WINDOW)
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, NARROW_SEGMENT)
            raw.bind((address, 0))
            raw.connect(("127.0.0.1", daemon.port))
            self.socket = context.wrap_socket(raw, server_hostname="localhost")
        except OSError:
            raw.close()
            raise
        self.began = self.ended = None
        self.was_reset = False

    def send(self, data):
        """What cannot be sent any more is seen by its end."""
        if self.began is None:
            self.began = time.monotonic()
        try:
            self.socket.sendall(data)
        except OSError:
            pass

    def received(self):
        """All that came, once it has ended."""
        data = b""
        try:
            while piece := self.socket.recv(65536):
                data += piece
        except OSError:
            pass
        return data

    def close(self):
        self.socket.close()


class Crowd:
    """As many of them as the daemon takes from one address; `refused` counts the others."""

    def __init__(self, daemon, address, count, narrow=False):
        self.clients, self.refused = [], 0
        for _ in range(count):
            try:
                self.clients.append(SlowClient(daemon, address, narrow))
            except OSError:
                self.refused += 1

    def send(self, data):
        for client in self.clients:
            client.send(data)

    def await_ends(self, pause, meanwhile):
        """Until the daemon has ended all of them; calls `meanwhile` again and again, with those that
        are still there."""
        there = {client.socket.fileno(): client for client in self.clients}
        poll = select.poll()
        for descriptor in there:
            poll.register(descriptor, ENDED)
        deadline = time.monotonic() + PATIENCE
        while there:
            for descriptor, what in poll.poll(pause * 1000):
                poll.unregister(descriptor)
                client = there.pop(descriptor)
                client.ended = time.monotonic()
                client.was_reset = bool(what & select.POLLERR)
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(there)} slow clients are never ended")
            meanwhile(there.values())

    def close(self):
        for client in self.clients:
            client.close()


class LiveClient(threading.Thread):
    """Asks again and again, on a connection that it keeps and on new ones."""

    def __init__(self, test, client, stop):
        super().__init__(daemon=True)
        self.test, self.client, self.stop = test, client, stop
        self.answered, self.problem = [], None  # when, of each answer

    def run(self):
        try:
            while not self.stop.is_set():
                self.test.expect(self.client.get("/v1/me"), 200)
                fresh = self.test.stranger()
                self.test.expect(fresh.get("/livez"), 200)
                fresh.close()
                self.answered.append(time.monotonic())
            self.client.close()
        except (AssertionError, OSError, http.client.HTTPException) as problem:
            self.problem = problem

    def answers(self, since, until):
        return sum(since <= when <= until for when in self.answered)


@contextlib.contextmanager
def live_clients(test, client, count):
    """They are there once each has had an answer. Fails when one of them was not served."""
    stop = threading.Event()
    clients = [LiveClient(test, client, stop) for _ in range(count)]
    for each in clients:
        each.start()
    try:
        test.eventually(lambda: all(each.answered or each.problem for each in clients))
        yield clients
    finally:
        stop.set()
        for each in clients:
            each.join()
    test.assertEqual([each.problem for each in clients if each.problem is not None], [])
