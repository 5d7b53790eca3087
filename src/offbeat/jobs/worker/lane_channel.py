"""What a worker's main process and the process of its lanes say to each other: pickled frames on a pair of sockets."""

from __future__ import annotations

import pickle
import signal
import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from billiard.einfo import ExceptionInfo
from celery.exceptions import CeleryError

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

LENGTH = struct.Struct("!I")
CHUNK = 65_536
STOPS = (
    signal.SIGTERM,
    signal.SIGINT,
)  # which the process of the lanes ignores, and has to from its first moment


class Setup(NamedTuple):
    """What a process of greenlets has to know, as it inherits nothing."""

    numbers: Sequence[int]
    worker: uuid.UUID
    hostname: str
    name: str
    path: list[str]


class Run(NamedTuple):
    """To a lane: call this. `call` is the id of the message."""

    lane: int
    call: str
    target: Any
    arguments: tuple[Any, ...]


class Interrupt(NamedTuple):
    """To a lane: its soft limit has passed, or a person has cancelled its job."""

    lane: int
    call: str


class Done(NamedTuple):
    """From a lane: what the call has returned, or an ExceptionInfo of what it has raised, and the memory used so far."""

    lane: int
    call: str
    has_returned: bool
    result: Any
    kilobytes: int


class Ready(NamedTuple):
    """From the process: its lanes can begin."""

    lane: int


class LaneLost(NamedTuple):
    """From the process: the thread or greenlet of a lane is gone."""

    lane: int


class Channel:
    """One end. Any thread may send, one receives."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._sending = threading.Lock()
        self._read = bytearray()
        self._unsent = bytearray()

    def fileno(self) -> int:
        return self.end.fileno()

    def send(self, frame: NamedTuple) -> None:
        """Send a frame. Raises OSError when the other end is gone."""
        body = _pickled(frame)
        with self._sending:
            self.end.sendall(LENGTH.pack(len(body)) + body)

    def post(self, frame: NamedTuple) -> None:
        """Send a frame without waiting: what the other end does not take yet goes with `flush`. Raises OSError."""
        body = _pickled(frame)
        with self._sending:
            self._unsent += LENGTH.pack(len(body)) + body
        self.flush()

    def flush(self) -> None:
        """Send what has waited, as far as the other end takes it. Raises OSError when it is gone."""
        with self._sending, suppress(BlockingIOError):
            while self._unsent:
                del self._unsent[: self.end.send(self._unsent, socket.MSG_DONTWAIT)]

    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def receive(self) -> list[Any]:
        """Wait until something comes, and return the frames that are complete. Raises EOFError when the other end is gone."""
        self._wait()
        return list(iter(self._first, None))

    def receive_one(self) -> Any:
        """Wait for one frame; those behind it are for later. Raises EOFError."""
        while (frame := self._first()) is None:
            self._wait()
        return frame

    def _wait(self) -> None:
        try:
            more = self.end.recv(CHUNK)
        except ConnectionError:
            more = b""
        if not more:
            raise EOFError
        self._read += more

    def _first(self) -> Any:
        if len(self._read) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._read)
        end = LENGTH.size + length
        if len(self._read) < end:
            return None
        body = self._read[LENGTH.size : end]
        del self._read[:end]
        return pickle.loads(body)  # noqa: S301  of our own process

    def close(self) -> None:
        self.end.close()


def _pickled(frame: NamedTuple) -> bytes:
    try:
        return pickle.dumps(frame)
    except Exception as error:
        if not isinstance(frame, Done):
            raise
        return pickle.dumps(frame._replace(has_returned=False, result=_unsendable(error)))


def _unsendable(error: Exception) -> ExceptionInfo:
    try:
        raise CeleryError(f"what the task returned cannot be sent to the worker: {error}")  # noqa: TRY301  for its traceback
    except CeleryError:
        return ExceptionInfo()
