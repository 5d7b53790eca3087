"""The processes of a worker's lanes: one that takes new calls, those that are being replaced, and those of one lane."""

from __future__ import annotations

import logging
import math
import select
import socket
import time
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from billiard.exceptions import WorkerLostError

from offbeat.jobs import lanes
from offbeat.jobs.processes import START_AGAIN, wait_for_death
from offbeat.jobs.worker.lane_channel import Ready
from offbeat.jobs.worker.lane_process import LAST_WORDS
from offbeat.jobs.worker.lane_suspects import ALONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from offbeat.jobs.worker.lane_process import LaneProcess

logger = logging.getLogger(__name__)

STARTING = 60.0  # seconds for a process to start, before another one does


class LaneProcesses:
    """Starts, finds and forgets them, and hears what they say."""

    def __init__(
        self, start: Callable[[Sequence[int], list[LaneProcess]], LaneProcess], lanes_each: int
    ) -> None:
        self._start, self.lanes_each = start, lanes_each
        self.numbers = count(lanes.FIRST)
        self.all: list[LaneProcess] = []
        self._starts_again_at = 0.0  # monotonic seconds

    def start_first(self) -> None:
        """Consume nothing before there is somebody to do it: greenlets need seconds. One that dies at its start ends the worker."""
        process = self._add(self.lanes_each)
        with suppress(EOFError):
            process.is_ready = isinstance(process.channel.receive_one(), Ready)
        if process.is_ready:
            return
        raise WorkerLostError("the process of the pool's threads or greenlets ended when it started")

    def _add(self, size: int, *, is_alone: bool = False) -> LaneProcess:
        numbers = [next(self.numbers) for _ in range(size)]
        process = self._start(numbers, self.all)
        process.is_alone = is_alone
        self.all.append(process)
        lanes.living.update(numbers)
        return process

    def _try_to_add(self, size: int, *, is_alone: bool = False) -> None:
        """Start one, unless another one has failed just now: who asks will ask again."""
        if time.monotonic() < self._starts_again_at:
            return
        try:
            self._add(size, is_alone=is_alone)
        except OSError as error:  # a container may have no more processes, for a moment
            self._note_failure(f"cannot be started: {error.strerror}")

    def _note_failure(self, what: str) -> None:
        logger.error("a process of lanes %s", what, extra={"action": "pool_failed"})
        self._starts_again_at = time.monotonic() + START_AGAIN

    def shared(self) -> LaneProcess | None:
        """Return the process that takes new calls, None while it starts or all its lanes are at work."""
        current = [each for each in self.all if not (each.is_retiring or each.is_alone)]
        if not current:
            self._try_to_add(self.lanes_each)
        return next((each for each in current if each.is_ready and each.free), None)

    def alone(self) -> LaneProcess | None:
        """Return a process of one lane that is free, None while all of them are at work or start."""
        some = [each for each in self.all if each.is_alone and not each.is_retiring]
        if len(some) < ALONE and not any(each.free for each in some):
            self._try_to_add(1, is_alone=True)
        return next((each for each in some if each.is_ready and each.free), None)

    def renew(self, process: LaneProcess) -> None:
        """Start the successor of one that has done enough. It goes on until that is ready: greenlets need seconds."""
        process.is_worn, process.is_retiring = True, process.is_retiring or process.is_alone
        if all(each.is_worn or each.is_retiring or each.is_alone for each in self.all):
            self._try_to_add(self.lanes_each)

    def note_ready(self, process: LaneProcess) -> None:
        process.is_ready = True
        for each in self.all:
            each.is_retiring |= each.is_worn and not process.is_alone

    def bury(self) -> Iterator[tuple[LaneProcess, str]]:
        """Forget those that have died, and say how."""
        for process in list(self.all):
            if not process.is_ready and time.monotonic() - process.started_at > STARTING:
                process.kill()
            if how := process.is_dead():
                if not process.is_ready and process.let_go_at is None:
                    self._note_failure(f"has ended while it started: {how}")
                self.all.remove(process)
                process.channel.close()
                lanes.living.difference_update(process.numbers)
                yield process, how

    def receive(self, seconds: float) -> Iterator[tuple[LaneProcess, list[Any]]]:
        """Wait for what they say, and send them what they did not take before."""
        by_file = {each.channel.fileno(): each for each in list(self.all) if not each.is_deaf}
        poll = select.poll()  # select() knows no file above 1,023
        for file, process in by_file.items():
            poll.register(file, select.POLLIN | (select.POLLOUT if process.channel.has_unsent() else 0))
        for file, event in poll.poll(seconds * 1000):
            process = by_file[file]
            if event & select.POLLOUT:
                with suppress(OSError):
                    process.channel.flush()
            if event & ~select.POLLOUT:  # frames, or the end
                try:
                    yield process, process.channel.receive()
                except EOFError:
                    process.is_deaf = True
                    process.kill()

    def pids(self) -> set[int]:
        return {each.pid for each in self.all}

    def close(self) -> None:
        """Start no more."""
        self._starts_again_at = math.inf

    def stop(self) -> None:
        """End them: nothing runs in them any more."""
        for each in self.all:
            with suppress(OSError):  # it has died
                each.channel.end.shutdown(socket.SHUT_RDWR)  # the end of file that ends its loop
        wait_for_death(self.pids(), LAST_WORDS)
        self.kill()

    def kill(self) -> None:
        for each in self.all:
            each.kill()
        wait_for_death(self.pids())
