"""A connection of gunicorn's threaded worker, from what arrives on it to its end."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.conf import settings
from gunicorn.workers.gthread import TConn

from offbeat.problem import CONTENT_TYPE, describe_problem
from offbeat.web.arrival import Arrival

if TYPE_CHECKING:
    from offbeat.web.client_socket import ClientSocket
    from offbeat.web.worker import ClientWorker

TEXTS = {
    HTTPStatus.REQUEST_TIMEOUT: "The request took too long to arrive.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The headers are too large.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The server is busy: try again later.",
}


class Client(TConn):
    """A connection, with the request that arrives on it."""

    def __init__(self, worker: ClientWorker, sock: ClientSocket, address: Any, server: Any) -> None:
        super().__init__(worker.cfg, sock, address, server)
        self.worker = worker
        self.arrival: Arrival
        self.is_whole = False  # whether its request has nothing left to read
        self.drained = 0

    def expect(self) -> None:
        """Begin a request, with what a client has sent already behind its last one."""
        self.arrival = Arrival(self.cfg.keepalive, settings.WEB_REQUEST_SECONDS)
        self.sock.setblocking(False)
        if self.parser and (ahead := self.parser.unreader.take_buffered()):
            self.arrival.add(ahead)

    def hand_over(self) -> None:
        """Give gunicorn's parser what has arrived, in the thread that will answer it."""
        self.data_ready = True
        self.sock.grant(settings.WEB_REQUEST_SECONDS, may_read=self.arrival.is_upload)
        self.init()
        self.is_whole = self.arrival.is_whole
        self.parser.unreader.unread(bytes(self.arrival.data))
        self.arrival.data.clear()

    def close(self, graceful: bool = False) -> None:
        """Close; gracefully, without gunicorn's wait for the client, which would stop the main loop."""
        if graceful:
            self.worker.linger(self)
        else:
            super().close()

    def refusal(self, status: HTTPStatus) -> bytes:
        """Return the answer to a request that no thread gets; a problem in JSON where the API would answer."""
        text, kind = f"{TEXTS[status]}\n", "text/plain; charset=utf-8"
        if self.arrival.frame and self.arrival.frame.is_api:
            text, kind = json.dumps(describe_problem(status, TEXTS[status])), CONTENT_TYPE
        head = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(text)}",
            "X-Content-Type-Options: nosniff",
            "Connection: close",
        ]
        return "\r\n".join([*head, "", text]).encode()
