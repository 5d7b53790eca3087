"""A TCP proxy that can go bad: stop forwarding without closing, at once or after a command, or cut every connection."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from urllib.parse import urlsplit

from offbeat.dev.ports import LOOPBACK


class Proxy:
    """Stands before a server of this machine, at `url`, until told otherwise, or until a client has sent the bytes `last`."""

    def __init__(self, server_url, last=None):
        parts = urlsplit(server_url)
        self.target = (LOOPBACK, parts.port)
        self.last = last
        self._listener = socket.create_server((LOOPBACK, 0))
        port = self._listener.getsockname()[1]
        self.url = parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{port}")).geturl()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._silent: set[socket.socket] = set()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._lock = threading.Lock()
        threading.Thread(target=self._serve, daemon=True).start()

    def go_silent(self):
        """Forward nothing more on the connections there are, and leave them open: a half-open socket."""
        with self._lock:
            self._silent.update(self._pairs)

    def cut(self):
        """Close every connection."""
        with self._lock:
            for one in list(self._pairs):
                self._close(one)

    def _serve(self):
        while True:
            for key, _ in self._selector.select():
                with self._lock:
                    self._accept() if key.fileobj is self._listener else self._forward(key.fileobj)

    def _accept(self):
        client, _ = self._listener.accept()
        server = socket.create_connection(self.target)
        for one, other in ((client, server), (server, client)):
            self._pairs[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _forward(self, source):
        if source not in self._pairs:
            return
        try:
            data = source.recv(65536)
            if not data:
                self._close(source)
            elif source not in self._silent:
                self._pairs[source].sendall(data)
                if self.last and self.last in data:
                    self._silent.update(self._pairs)
        except OSError:
            self._close(source)

    def _close(self, one):
        for each in (one, self._pairs.get(one)):
            if each is not None and self._pairs.pop(each, None) is not None:
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(each)
                each.close()
