"""Clients that follow a job, and hold no thread: what they have not read yet is bounded, and so is their time."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from offbeat.web.client_socket import ClientSocket

# Bytes beyond what the kernel holds; a larger result is left out of events, so that one of them fits.
MOST_UNREAD = 256 * 1024
PATIENCE = 30.0  # seconds in which a client reads something of what waits for it
# Seconds after which a client has to come again: a proxy, or a load balancer, may have a better process for it by then.
LONGEST = 600.0


class Follower:
    """A client of one job. All but its beginning happens in the hub's thread."""

    def __init__(self, job_id: UUID, known: str, token: int) -> None:
        self.job_id = job_id
        self.token = token  # it may be revoked meanwhile
        self.known = known  # the id of the last event that it got
        self.is_over = False
        self.until = time.monotonic() + LONGEST
        self.is_stopping = False

    def stop(self) -> None:
        """Have the stream end at the hub's next round: the process stops."""
        self.is_stopping = True

    def push(self, data: bytes) -> None:
        """Send, or keep for a client that reads slowly."""
        raise NotImplementedError

    def finish(self) -> None:
        """End the stream, once all has been read."""
        raise NotImplementedError

    def flush(self) -> None:
        """Do what a round brings: send what has waited, notice a client that has gone."""

    def close(self) -> None:
        """Be over, whatever is unread."""
        self.is_over = True


class SocketFollower(Follower):
    """A client whose connection gunicorn's worker has handed over: `offbeat.web.worker`."""

    def __init__(self, job_id: UUID, known: str, token: int, add: Callable[[Follower], None]) -> None:
        super().__init__(job_id, known, token)
        self.unread: deque[memoryview] = deque()
        self.size = 0
        self.read_at = time.monotonic()
        self.is_finishing = False
        self.add = add

    def begin(self, sock: ClientSocket, on_end: Callable[[], None]) -> None:
        """Take over a connection, in the worker's main loop; `on_end` gives it back, from the hub's thread."""
        self.sock, self.on_end = sock, on_end
        self.add(self)

    def push(self, data: bytes) -> None:
        if (
            not self.is_finishing
        ):  # behind the end nothing comes, while the client still reads what is before it
            self._keep(b"%X\r\n%b\r\n" % (len(data), data))

    def finish(self) -> None:
        if not self.is_finishing:
            self.is_finishing = True
            self._keep(b"0\r\n\r\n")

    def _keep(self, chunk: bytes) -> None:
        if not self.unread:
            self.read_at = time.monotonic()
        self.unread.append(memoryview(chunk))
        self.size += len(chunk)

    def flush(self) -> None:
        try:
            while self.unread:
                sent = self.sock.offer(self.unread[0])
                self.size -= sent
                self.read_at = time.monotonic()
                if sent < len(self.unread[0]):
                    self.unread[0] = self.unread[0][sent:]
                else:
                    self.unread.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self.is_over = True
        self.is_over = self.is_over or self._is_to_end()

    def _is_to_end(self) -> bool:
        if not self.unread:
            return self.is_finishing or self._has_gone()
        return self.size > MOST_UNREAD or time.monotonic() - self.read_at > PATIENCE

    def _has_gone(self) -> bool:
        try:
            return self.sock.take() == b""
        except BlockingIOError:
            return False

    def close(self) -> None:
        super().close()
        self.on_end()


class LoopFollower(Follower):
    """A client of a server that speaks ASGI: a coroutine takes what there is."""

    def __init__(self, job_id: UUID, known: str, token: int) -> None:
        super().__init__(job_id, known, token)
        self.loop = asyncio.get_running_loop()
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.size = 0

    def push(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > MOST_UNREAD:
            self.is_over = True
        else:
            self._put(data)

    def finish(self) -> None:
        self.is_over = True

    def close(self) -> None:
        super().close()
        self._put(b"")

    def _put(self, data: bytes) -> None:
        with suppress(RuntimeError):  # the loop has ended, and the client with it
            self.loop.call_soon_threadsafe(self.queue.put_nowait, data)

    async def take(self) -> bytes:
        """Return what comes next, b"" at the end."""
        data = await self.queue.get()
        self.size -= len(data)
        return data
