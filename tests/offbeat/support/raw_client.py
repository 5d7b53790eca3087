"""A client that sends what it is told, as slowly as a test wants, and reads what comes back."""

from __future__ import annotations

import contextlib
import socket
from urllib.parse import urlsplit

LIMIT = 64 * 1024


class RawClient:
    """One TCP connection."""

    def __init__(self, address, *, receive_buffer=None):
        parts = urlsplit(address)
        family = (
            socket.AF_UNIX
            if parts.scheme == "unix"
            else socket.AF_INET6
            if ":" in parts.hostname
            else socket.AF_INET
        )
        self.socket = socket.socket(family)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(30)
        self.socket.connect(parts.path if family == socket.AF_UNIX else (parts.hostname, parts.port))
        self.received = b""

    def send(self, data):
        """Send all of it; returns whether the other side still takes it."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def answer(self):
        """Return all that comes until the other side closes."""
        with contextlib.suppress(ConnectionResetError):
            while data := self.socket.recv(LIMIT):
                self.received += data
        return self.received.decode("latin-1")

    def is_closed(self):
        """Tell whether the other side has closed, without waiting for it."""
        self.socket.setblocking(False)
        try:
            data = self.socket.recv(LIMIT)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True
        finally:
            self.socket.settimeout(30)
        self.received += data
        return not data

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def request(method, path, *fields, body=b""):
    """Write a request with a Host that the tests' site has."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *fields]
    return "\r\n".join([*lines, "", ""]).encode() + body


def status_of(answer):
    """Give the status of an answer, 0 where there is none; an interim 100 does not count."""
    line = answer.removeprefix("HTTP/1.1 100 Continue\r\n\r\n").partition("\r\n")[0].split()
    return int(line[1]) if len(line) > 1 else 0
