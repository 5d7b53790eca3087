"""HEALTH_PORT: the worker answers over HTTP whether it is well, for platforms that ask every container so.

It says what the probe says. One thread, bounded in time, bytes and connections: strangers may reach the port, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

from offbeat.jobs import probe
from offbeat.machine_limits import NO_FILE, log_refusal

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

EVERYWHERE = "0.0.0.0"  # noqa: S104  a container is reached from outside
PATIENCE = 5.0  # seconds for a request to arrive and its answer to be taken
LARGEST_HEAD = 8192  # bytes of a request, which has no body
MOST = 32  # connections at once; one more ends the oldest, so that idle ones keep no probe out

REASONS = {
    200: "OK",
    400: "Bad Request",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


def is_well() -> bool:
    return probe.main([])[1] == os.EX_OK


class HealthPort(threading.Thread):
    """Answers GET and HEAD, whatever the path, with 200 or 503 until the process ends. Raises OSError where it cannot listen."""

    def __init__(self, host: str, port: int, is_well: Callable[[], bool] = is_well) -> None:
        super().__init__(name="jobs-health", daemon=True)
        self.is_well = is_well
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.create_server((host, port), family=family, dualstack_ipv6=host == "::")
        self.connections: dict[asyncio.Task[None], None] = {}  # the oldest first
        # A child that outlives its worker must not keep the port from the next one.
        os.register_at_fork(after_in_child=self.socket.close)

    def run(self) -> None:
        asyncio.run(self.serve())

    async def serve(self) -> None:
        asyncio.get_running_loop().set_exception_handler(_log_failure)
        server = await asyncio.start_server(self.connect, sock=self.socket, limit=LARGEST_HEAD)
        await server.serve_forever()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task  # noqa: S101  it runs in one
        self.connections[task] = None
        if len(self.connections) > MOST:
            next(iter(self.connections)).cancel()
        try:
            with contextlib.suppress(
                OSError, asyncio.IncompleteReadError
            ):  # the client went, or took too long
                async with asyncio.timeout(PATIENCE):
                    await self.answer(reader, writer)
        finally:
            del self.connections[task]
            # Not close(), which would wait for a client that takes nothing; an answer of ours is the kernel's already.
            writer.transport.abort()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            head, code = b"", 431
        else:
            code = self.judge(head)
        body = b'{"status": "%s"}' % (b"ok" if code == 200 else b"failed")
        writer.write(_head(code, len(body)) + (b"" if head.startswith(b"HEAD ") else body))
        await writer.drain()
        # Says that it is over even where a child that is just being forked has this socket, too.
        writer.write_eof()

    def judge(self, head: bytes) -> int:
        words = head.partition(b"\r\n")[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return 400
        if words[0] not in {b"GET", b"HEAD"}:
            return 405
        return 200 if self.is_well() else 503


def _log_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what asyncio cannot do: a connection without a free file it tries a hundred times a second, with a traceback each."""
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in NO_FILE:
        log_refusal("the health port cannot accept a connection", error)
    else:
        loop.default_exception_handler(context)


def _head(code: int, length: int) -> bytes:
    lines = [
        f"HTTP/1.1 {code} {REASONS[code]}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    lines += ["Allow: GET, HEAD"] if code == 405 else []
    return "\r\n".join([*lines, "", ""]).encode()


def open_health_port(bind: str, port: int) -> None:
    """Answer at the port, where there is one; a port that is taken costs the platform's probe, and no job."""
    if not port:
        return
    host = EVERYWHERE if bind.startswith("unix:") else bind
    try:
        HealthPort(host, port).start()
    except OSError as error:
        logger.error(  # noqa: TRY400  the error says it all
            "HEALTH_PORT=%s: the worker cannot answer health checks: %s. Hint: use a free port at %s.",
            port, error.strerror or error, host,
            extra={"action": "health_port_failed"},
        )  # fmt: skip
