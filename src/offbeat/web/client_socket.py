"""A client's connection, for which a thread waits a bounded time however slowly the client sends or reads."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 32 * 1024  # bytes a second that earn a client more time: a mobile phone far from its mast does better
PIECE = 16 * 1024  # bytes sent in one call: half a second at that rate
TAKEN = 64 * 1024  # bytes received in one call
# The kernel takes an answer of this size at once, so that a client that does not read it holds no thread. It doubles the
# number for its own bookkeeping, and takes at most net.core.wmem_max (212,992 on most systems).
SEND_BUFFER = 208 * 1024
LAST_CHUNK = b"0\r\n\r\n"  # as gunicorn sends it, in one call
UNSEEN = 2 * SEND_BUFFER  # bytes that say nothing about the client, as the kernel may have them still


class ClientSocket(socket.socket):
    """Counts the time that is spent waiting for the client, never that of a view.

    There are `seconds` for each request with its answer, and one more for each RATE bytes that went through.
    """

    may_read = True
    seconds: float = 0
    waited: float = 0
    passed: int = 0
    waits_since: float | None = None
    # Who goes on with an answer that a view has begun, and whether it is time: its own end is not the answer's.
    follower: Any = None
    is_handed_over: bool = False

    @classmethod
    def adopt(cls, accepted: socket.socket) -> ClientSocket:
        """Take over an accepted connection; the other object is empty afterwards."""
        family, kind, protocol = accepted.family, accepted.type, accepted.proto
        own = cls(family, kind, protocol, fileno=accepted.detach())
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        return own

    def grant(self, seconds: float, *, may_read: bool) -> None:
        """Begin the time of a new request. Of most, all that a thread needs has arrived."""
        self.seconds, self.waited, self.passed, self.may_read = seconds, 0, 0, may_read

    def take(self) -> bytes:
        """Return what is there, b"" when the client has gone; raises BlockingIOError when there is nothing yet."""
        try:
            return super().recv(TAKEN, socket.MSG_DONTWAIT)
        except BlockingIOError:
            raise
        except OSError:
            return b""

    def offer(self, data: bytes | memoryview) -> int:
        """Send as much as the connection takes at once; return how many bytes."""
        return super().send(data, socket.MSG_DONTWAIT)

    def recv(self, size: int, flags: int = 0) -> bytes:
        if not self.may_read:  # gunicorn asks for more than was announced, or drains what nobody wants
            raise ConnectionResetError(errno.ECONNRESET, "no thread waits for this client")
        data: bytes = self._in_time(super().recv, size, flags)
        self.passed += len(data)
        return data

    def send(self, data: Any, flags: int = 0) -> int:
        sent: int = self._in_time(super().send, data, flags)
        self.passed += sent
        return sent

    def sendall(self, data: Any, flags: int = 0) -> None:
        if self.follower is not None and data == LAST_CHUNK:
            self.is_handed_over = True
            return
        with memoryview(data) as view:
            for start in range(0, len(view), PIECE):
                piece = view[start : start + PIECE]
                self._in_time(super().sendall, piece, flags)
                self.passed += len(piece)

    def _in_time(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """Do what may wait; a client that is too slow is one that has gone, for gunicorn and for Django."""
        earned = max(0, self.passed - UNSEEN) / RATE
        self.settimeout(max(self.seconds + earned - self.waited, 0.001))
        self.waits_since = begun = time.monotonic()
        try:
            return act(*arguments)
        except TimeoutError:
            raise ConnectionResetError(errno.ECONNRESET, "the client is too slow") from None
        finally:
            self.waits_since = None
            self.waited += time.monotonic() - begun

    def cut_off(self, patience: float) -> None:
        """End the wait of another thread, if no byte has passed for so many seconds."""
        since = self.waits_since
        if since is not None and time.monotonic() - since > patience:
            with contextlib.suppress(OSError):
                self.shutdown(socket.SHUT_RDWR)
