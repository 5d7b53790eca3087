"""Forwards TCP, each byte a fixed time later: the network between two hosts, where the kernel has no netem.

`python -m bench.delay_proxy MS ADDRESS PORT [PORT ...]` listens on ADDRESS at each port, and forwards to the same port of loopback.
"""

from __future__ import annotations

import contextlib
import ctypes
import select
import socket
import sys
import time
from collections import deque

LOOPBACK = "127.0.0.1"
PR_SET_TIMERSLACK = 29  # of Linux' prctl: else each wait is up to 50 µs too long
LARGEST = 65_536


class Link:
    """Both directions of every connection. What is read first is due first, because the delay is the same for all."""

    def __init__(self, delay):
        self.delay = delay
        self.listeners = {}
        self.peers = {}
        self.late = deque()  # (when, to whom, what); b"" closes

    def listen(self, address, port):
        listener = socket.create_server((address, port), backlog=256)
        self.listeners[listener] = port

    def serve(self):
        while True:
            wait = max(0.0, self.late[0][0] - time.monotonic()) if self.late else None
            # Not epoll, which waits for whole milliseconds.
            ready, _, _ = select.select([*self.listeners, *self.peers], [], [], wait)
            for one in ready:
                self.accept(one) if one in self.listeners else self.read(one)
            self.deliver()

    def accept(self, listener):
        client, _ = listener.accept()
        server = socket.create_connection((LOOPBACK, self.listeners[listener]))
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peers |= {client: server, server: client}

    def read(self, one):
        try:
            data = one.recv(LARGEST)
        except OSError:
            data = b""
        self.late.append((time.monotonic() + self.delay, self.peers[one], data))
        if not data:
            del self.peers[one]

    def deliver(self):
        while self.late and self.late[0][0] <= time.monotonic():
            _, one, data = self.late.popleft()
            with contextlib.suppress(OSError):  # it has gone: its own end is read, and passed on
                one.sendall(data) if data else one.shutdown(socket.SHUT_WR)


def main():
    delay, address, *ports = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1)
    link = Link(float(delay) / 1000)
    for port in ports:
        link.listen(address, int(port))
    link.serve()


if __name__ == "__main__":
    main()
