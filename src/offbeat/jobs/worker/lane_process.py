"""The process of a worker's lanes, as the main process knows it: forked for threads, started anew for greenlets.

Gevent replaces parts of Python before anything else is imported: that is no process that has Django in it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offbeat.jobs import workers
from offbeat.jobs.processes import flush_streams, leave
from offbeat.jobs.worker.lane_channel import STOPS, Channel, Setup
from offbeat.jobs.worker.lane_limits import open_shared_file, task_starts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

logger = logging.getLogger(__name__)

GREENLETS = Path(__file__).with_name("lane_greenlets.py")
LAST_WORDS = 3.0  # seconds for a process that has nothing to do to exit


@dataclass(eq=False)
class LaneProcess:
    pid: int
    channel: Channel
    starts: memoryview[float]  # see `lane_limits.task_starts`
    free: list[
        int
    ]  # lanes without work; the one that was last at work comes last, and next: its connection is open
    is_ready: bool = False  # its lanes can begin
    is_worn: bool = False  # it has done enough, and goes on until its successor is ready
    is_retiring: bool = False
    is_alone: bool = False  # has one lane, for what may have killed the process of all others
    is_deaf: bool = False  # its end of the channel is closed
    calls: int = 0
    started_at: float = field(default_factory=time.monotonic)  # monotonic seconds
    let_go_at: float | None = None  # the same

    def __post_init__(self) -> None:
        self.numbers = tuple(self.free)

    def has_done_enough(self, calls_each: int | None, memory: int | None, kilobytes: int) -> bool:
        """Tell whether it has had as many calls a lane as a child of prefork, or has used more memory than it may."""
        is_large = memory and kilobytes > memory
        return bool(is_large or (calls_each and self.calls >= calls_each * len(self.numbers)))

    def is_dead(self) -> str | None:
        """Return how it has died, in billiard's words, None while it lives."""
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if not pid:
                return None
            code = os.waitstatus_to_exitcode(status)
            if code < 0:
                return f"Worker exited prematurely: signal {-code} ({signal.Signals(-code).name})"
            return f"Worker exited prematurely: exitcode {code}"
        return "Worker exited prematurely"

    def let_go(self, now: float) -> None:
        """End it by the end of its channel, as it has nothing to do: pings and reports of its last jobs are sent first."""
        if self.let_go_at is None:
            self.let_go_at = now
            with contextlib.suppress(OSError):  # it has died
                self.channel.end.shutdown(socket.SHUT_WR)
        elif now - self.let_go_at >= LAST_WORDS:
            self.kill()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


@contextlib.contextmanager
def hold_signals() -> Iterator[None]:
    """Let a process that starts inside have no signal before it ignores it: some platforms send SIGTERM to every process."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def fork(numbers: Sequence[int], app: Any, hostname: str, others: Sequence[LaneProcess]) -> LaneProcess:
    """Start lanes that are threads."""
    from offbeat.jobs.worker.lane_threads import serve  # noqa: PLC0415  only these pools pay for it

    starts = task_starts(len(numbers))
    ours, theirs = socket.socketpair()
    flush_streams()
    with hold_signals():
        pid = os.fork()
        if pid:
            theirs.close()
            return LaneProcess(pid, Channel(ours), starts, list(numbers))
        try:
            ours.close()
            for each in others:  # else they would not notice the end of the main process
                each.channel.close()
            serve(Channel(theirs), _setup(numbers, hostname), app, starts)
            leave(os.EX_OK)
        except BaseException:
            logger.exception("the process of the pool's threads failed", extra={"action": "pool_failed"})
        finally:
            leave(os.EX_SOFTWARE)


def start_anew(numbers: Sequence[int], app: Any, hostname: str, others: Sequence[LaneProcess]) -> LaneProcess:
    """Start lanes that are greenlets."""
    ours, theirs = socket.socketpair()
    with theirs, os.fdopen(open_shared_file(), "rb") as shared, hold_signals():
        starts = task_starts(len(numbers), shared.fileno())
        files = [theirs.fileno(), shared.fileno()]
        process = subprocess.Popen([sys.executable, str(GREENLETS), *map(str, files)], pass_fds=files)  # noqa: S603
    process.returncode = 0  # waited for by pid: `LaneProcess.is_dead`
    channel = Channel(ours)
    channel.send(_setup(numbers, hostname))
    return LaneProcess(process.pid, channel, starts, list(numbers))


def _setup(numbers: Sequence[int], hostname: str) -> Setup:
    return Setup(list(numbers), workers.current(), hostname, f"Lanes-{numbers[0]}", sys.path)
