"""Connections over TLS 1.3 at hand: no verification, which is not what is measured."""

import socket
import ssl
import time


def context():
    result = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    result.check_hostname = False
    result.verify_mode = ssl.CERT_NONE
    result.minimum_version = ssl.TLSVersion.TLSv1_3
    return result


CONTEXT = context()


def connect(port):
    return CONTEXT.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30),
                               server_hostname="localhost")


def ask(connection, path):
    """The bytes of an answer, which must have a length."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    received = b""
    while True:
        head, end, body = received.partition(b"\r\n\r\n")
        if end:
            length = next(int(line.partition(b":")[2]) for line in head.split(b"\r\n")
                          if line.lower().startswith(b"content-length:"))
            if len(body) >= length:
                return received
        more = connection.recv(65536)
        if not more:
            raise ConnectionError(f"{path}: the answer ends early")
        received += more


def answer(port, path="/"):
    with connect(port) as connection:
        return ask(connection, path)


def wait_until_answered(port, path, seconds, process):
    """Asks again and again until the status is 200; seconds that it took."""
    started = time.monotonic()
    while True:
        try:
            if answer(port, path).startswith(b"HTTP/1.1 200 "):
                return time.monotonic() - started
        except (OSError, ssl.SSLError):
            pass
        took = time.monotonic() - started
        if took > seconds or process.poll() is not None:
            raise AssertionError(f"port {port} does not answer {path} after {took:.1f} s")
        time.sleep(0.002)
