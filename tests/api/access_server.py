"""An access server that is told to end sessions (RFC 5176), as far as tests need one."""

import hashlib
import socket
import struct
import threading

DISCONNECT_REQUEST, DISCONNECT_ACK, DISCONNECT_NAK = 40, 41, 42
HEAD = struct.Struct("!BBH16s")
ZEROS = bytes(16)
NAMES = {1: "user_name", 44: "session_id"}
ERROR_CAUSE, SESSION_NOT_FOUND = 101, 503
PACKET_LIMIT = 4096


def attributes_of(data):
    found = {}
    while len(data) >= 2 and data[1] >= 2:
        found[data[0]], data = data[2:data[1]], data[data[1]:]
    return found


class AccessServer:
    """Listens until `stop`; `answer` is the code that it answers with, or None for silence."""

    def __init__(self, secret, answer=DISCONNECT_ACK):
        self.secret, self.answer = secret.encode(), answer
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.requests = []  # each once: user_name and session_id
        self.forged = []
        self.seen = set()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                packet, sender = self.socket.recvfrom(PACKET_LIMIT)
            except OSError:
                return
            if not packet:
                return
            self.take(packet, sender)

    def take(self, packet, sender):
        code, identifier, length, authenticator = HEAD.unpack(packet[:HEAD.size])
        unsigned = packet[:4] + ZEROS + packet[HEAD.size:length]
        if code != DISCONNECT_REQUEST or hashlib.md5(unsigned + self.secret).digest() != authenticator:
            self.forged.append(packet)
            return
        if authenticator not in self.seen:
            self.seen.add(authenticator)
            found = attributes_of(packet[HEAD.size:length])
            self.requests.append({name: found[kind].decode() for kind, name in NAMES.items()})
        if self.answer is not None:
            self.socket.sendto(self.reply(identifier, authenticator), sender)

    def reply(self, identifier, authenticator):
        attributes = b""
        if self.answer == DISCONNECT_NAK:
            attributes = struct.pack("!BBI", ERROR_CAUSE, 6, SESSION_NOT_FOUND)
        head = struct.pack("!BBH", self.answer, identifier, HEAD.size + len(attributes))
        digest = hashlib.md5(head + authenticator + attributes + self.secret).digest()
        return head + digest + attributes

    def sessions(self):
        """The sessions that it was told to end, in their order."""
        return [request["session_id"] for request in self.requests]

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join()
        self.socket.close()
