"""The application for servers that speak ASGI, where Django reads a whole body before its first middleware runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.asgi import get_asgi_application as get_django
from django.db import connections

from offbeat.problem import CONTENT_TYPE, describe_problem, is_api
from offbeat.web.body_limit import DIGITS, find_limit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

TEXT = "The body is too large."
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"connection", b"close"),
]


def get_asgi_application() -> BodyLimit:
    """Return Django's application behind the limit of bodies."""
    application = BodyLimit(get_django())
    close_connections_with_requests()
    return application


def close_connections_with_requests() -> None:
    """Let no connection outlive its request: each has a thread of its own, so no later one would find it, nor close it."""
    for settings in connections.settings.values():
        settings["CONN_MAX_AGE"] = 0


class BodyLimit:
    """Answers 413 once a body is larger than its path takes, whatever its Content-Length says."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        counted = Counted(receive, find_limit(scope["path"]))
        if not counted.admits(dict(scope["headers"]).get(b"content-length", b"")):
            counted.is_over = True
        else:
            await self.application(scope, counted.receive, send)
        if counted.is_over:
            kind, text = "text/plain; charset=utf-8", f"{TEXT}\n"
            if is_api(scope["path"]):
                kind, text = CONTENT_TYPE, json.dumps(describe_problem(413, TEXT))
            headers = [
                (b"content-type", kind.encode()),
                (b"content-length", str(len(text)).encode()),
                *HEADERS,
            ]
            await send({"type": "http.response.start", "status": 413, "headers": headers})
            await send({"type": "http.response.body", "body": text.encode()})


class Counted:
    """Counts what comes; beyond the limit, the application is told that the client has gone, and forgets the rest."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self.source = receive
        self.left = limit
        self.is_over = False

    def admits(self, length: bytes) -> bool:
        """Tell whether a body of the announced length may come; the middleware refuses what is no number."""
        return not DIGITS.fullmatch(length.decode("latin-1")) or int(length) <= self.left

    async def receive(self) -> Message:
        message = await self.source()
        self.left -= len(message.get("body", b""))
        if self.left < 0:
            self.is_over = True
            return {"type": "http.disconnect"}
        return message
