"""Pools of threads and of greenlets, in place of Celery's: they run in a process of their own, which the main process can end.

The main process consumes, beats and maintains as with prefork, and no task keeps it from that. A thread cannot be ended from
outside, its process can. So whatever prefork does with a child is done here with the process of the lanes:
1. a hard limit, or a cancel that did not end a task, retires the process: it gets no more to do, and a new one takes its place;
2. after RETIRING seconds for the other lanes, it is killed. The job that it is killed for is counted, the others are not.
3. A process that dies by itself with several jobs has been killed by one of them: all are counted, and each of them runs alone,
   in a process of one lane, from then on. So one that kills its process does that once to others.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from celery.concurrency.base import BasePool

from offbeat.jobs import child_books, lanes, sessions, workers
from offbeat.jobs.lanes import CompanionLostError, LaneError, PostponedError
from offbeat.jobs.worker import lane_limits, lane_process
from offbeat.jobs.worker.lane_books import lanes_of_worker
from offbeat.jobs.worker.lane_call import LaneCall, LoopCalls
from offbeat.jobs.worker.lane_channel import Interrupt, LaneLost, Ready, Run
from offbeat.jobs.worker.lane_processes import LaneProcesses
from offbeat.jobs.worker.lane_suspects import Suspects
from offbeat.jobs.worker.spares import spares
from offbeat.jobs.worker.state import worker_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from offbeat.jobs.worker.lane_process import LaneProcess

logger = logging.getLogger(__name__)

TURN = 0.1  # seconds between two checks of limits
RETIRING = 10.0  # seconds for the other lanes of a process that is to be killed


class LanePool(BasePool):
    """Lanes in a process, or in more than one while a process is replaced."""

    signal_safe = False
    start_process: Callable[..., LaneProcess]

    def on_start(self) -> None:
        self.loop = LoopCalls()
        self.lock = threading.RLock()
        self.processes = LaneProcesses(self._start_process, self.limit)
        self.running: dict[int, LaneCall] = {}  # by lane
        self.waiting: deque[LaneCall] = deque()
        self.suspects = Suspects(self.limit)
        self.is_closed = False
        lanes_of_worker.pool = self
        self.processes.start_first()
        threading.Thread(target=self._turn, name="jobs-lanes", daemon=True).start()

    def grow(self, n: int = 1) -> NoReturn:
        """Refuse what remote control asks for: a process has the lanes that it began with."""
        raise NotImplementedError(
            "threads and greenlets keep their number until a restart: set --concurrency"
        )

    shrink = grow

    def register_with_event_loop(self, loop: Any) -> None:
        self.loop.hub = loop
        spares.serve(loop, self, self.limit)

    def flush(self) -> None:
        """Forget what has not begun: the connection is lost, and its messages are delivered again."""
        with self.lock:
            self.waiting.clear()

    def waiting_requests(self) -> list[Any]:
        with self.lock:
            # One that waits to run alone is no spare: it would only come again, and so would its process.
            return [call.request for call in self.waiting if call not in self.suspects]

    def withdraw(self, request: Any) -> bool:
        with self.lock:
            for call in self.waiting:
                if call.request is request:
                    self.waiting.remove(call)
                    return True
        return False

    def on_apply(  # noqa: PLR0917  as Celery calls it
        self,
        target: Any,
        args: Any = (),
        kwargs: Any = None,
        callback: Any = None,
        error_callback: Any = None,
        accept_callback: Any = None,
        timeout_callback: Any = None,
        soft_timeout: float | None = None,
        timeout: float | None = None,
        correlation_id: str = "",
        **_: Any,
    ) -> LaneCall:
        soft = self.options.get("soft_timeout") if soft_timeout is None else soft_timeout
        hard = self.options.get("timeout") if timeout is None else timeout
        tell = accept_callback, timeout_callback, callback, error_callback
        call = LaneCall(correlation_id, target, tuple(args), *tell, soft, hard)
        with self.lock:
            self.waiting.append(call)
            self._assign()
        return call

    def on_stop(self) -> None:
        self._close()
        self.processes.stop()

    def on_terminate(self) -> None:
        self._close()
        self.processes.kill()

    def _close(self) -> None:
        with self.lock:  # none is being started, nor buried
            self.is_closed = True
            self.processes.close()

    def terminate_job(self, pid: int, signal: Any = None) -> None:
        """End a plain task that was revoked, or whose connection is lost: `pid` is its lane."""
        with self.lock:
            if call := self.running.get(pid):
                self._doom(call, partial(self.loop.fail, call, LaneError("revoked")))

    def pids(self) -> set[int]:
        with self.lock:  # one that is being started is about to run something
            return self.processes.pids()

    def jobs(self) -> set[tuple[str, int]]:
        """Return what runs: ids of messages, with their lanes."""
        with self.lock:
            return {(call.id, lane) for lane, call in self.running.items()}

    def interrupt(self, lane: int, call_id: str) -> None:
        with self.lock:
            call = self.running.get(lane)
            if call and call.id == call_id:
                self._send(call, Interrupt(lane, call_id))

    def end(self, lane: int, call_id: str, reason: str) -> None:
        """Kill the process of a lane, if it still runs this."""
        with self.lock:
            call = self.running.get(lane)
            if call and call.id == call_id:
                self._doom(call, partial(self.loop.fail, call, LaneError(reason)))

    def _start_process(self, numbers: Sequence[int], others: Sequence[LaneProcess]) -> LaneProcess:
        return type(self).start_process(numbers, self.app, self.options["initargs"][1], others)

    # Calls

    def _assign(self) -> None:
        """Give what waits to lanes that are free."""
        if self.is_closed or worker_state.is_killing_children:
            return
        for _ in range(len(self.waiting)):
            call = self.waiting.popleft()
            process = self.processes.alone() if call in self.suspects else self.processes.shared()
            if process is None or len(self.running) >= self.limit:  # others may run in a process that retires
                self.waiting.append(call)
            else:
                self._begin(call, process)
        for call in self.suspects.surplus(self.running.values(), self.waiting):
            self.waiting.remove(call)
            self.loop.fail(call, PostponedError("waits to run alone"))

    def _begin(self, call: LaneCall, process: LaneProcess) -> None:
        call.process, call.lane, call.begun_at = process, process.free.pop(), time.monotonic()
        call.limited_at, self.running[call.lane] = call.begun_at, call
        process.calls += 1
        process.starts[call.lane - process.numbers[0]] = 0.0
        self.loop.post(call.on_accepted, call.lane, call.begun_at)
        self._send(call, Run(call.lane, call.id, call.target, call.arguments))

    @staticmethod
    def _send(call: LaneCall, frame: Any) -> None:
        assert call.process is not None  # noqa: S101  it runs
        with suppress(OSError):  # the process has died: the next turn sees it
            # A process in which one thread keeps all others from running reads nothing: nobody here waits for it.
            call.process.channel.post(frame)

    # The thread that looks after them

    def _turn(self) -> None:
        while not self.is_closed:
            try:
                self._receive()
                if worker_state.is_killing_children:  # what they had in hand goes back as it came
                    continue
                with self.lock:
                    for process, how in self.processes.bury():
                        # Of threads that its tasks have started: they have no lane.
                        worker_state.submit(partial(sessions.end_process, workers.current(), process.pid))
                        self._tell_of_death(process, how)
                    self._enforce_limits(time.monotonic())
                    self._end_retired(time.monotonic())
                    self._assign()
            except Exception:
                if not self.is_closed:
                    logger.exception("the pool failed", extra={"action": "pool_failed"})
                    time.sleep(TURN)

    def _receive(self) -> None:
        for process, frames in self.processes.receive(TURN):
            with self.lock:
                for frame in frames:
                    self._take(process, frame)

    def _take(self, process: LaneProcess, frame: Any) -> None:
        if isinstance(frame, Ready):
            self.processes.note_ready(process)
            return
        call = self.running.pop(frame.lane, None)
        if isinstance(frame, LaneLost):
            lanes.living.discard(frame.lane)
            process.is_retiring = True
            if call:
                self.loop.fail(call, LaneError("its thread no longer exists"))
            return
        process.free.append(frame.lane)
        if call is None or call.id != frame.call:
            return
        self.suspects.clear(call)
        spares.note_end(call.id, call.begun_at)
        self.loop.post(call.on_success if frame.has_returned else call.on_failure, frame.result)
        most, memory = self.options.get("maxtasksperchild"), self.options.get("max_memory_per_child")
        if process.has_done_enough(most, memory, frame.kilobytes):
            self.processes.renew(process)
        self._assign()

    def _tell_of_death(self, process: LaneProcess, how: str) -> None:
        lost = self._calls_of(process)
        child_books.note_done({*process.numbers}.difference(call.lane for call in lost))
        was_doomed = any(call.doom for call in lost)
        if not was_doomed:
            self.suspects.note_death(lost)
        for call in lost:
            del self.running[call.lane]
            if call.doom:
                call.doom()
            elif was_doomed:
                self.loop.fail(call, CompanionLostError("its process was killed for another of its jobs"))
            else:
                self.loop.fail(call, LaneError(how))

    def _calls_of(self, process: LaneProcess) -> list[LaneCall]:
        return [call for call in self.running.values() if call.process is process]

    def _enforce_limits(self, now: float) -> None:
        for call, is_soft in lane_limits.passed(list(self.running.values()), now):
            if is_soft:
                call.is_interrupted = True
                self._send(call, Interrupt(call.lane, call.id))
                self.loop.post(call.on_timeout, True, call.soft)
            else:
                self._doom(call, partial(self.loop.post, call.on_timeout, False, call.hard))

    @staticmethod
    def _doom(call: LaneCall, tell: Callable[[], None]) -> None:
        if call.doom is None and call.process:
            call.doom, call.doomed_since, call.process.is_retiring = tell, time.monotonic(), True

    def _end_retired(self, now: float) -> None:
        """Kill what is doomed when nothing else runs beside it, or when that has had its time; let go what has nothing to do."""
        for process in [each for each in self.processes.all if each.is_retiring]:
            calls = self._calls_of(process)
            dooms = [call.doomed_since for call in calls if call.doomed_since is not None]
            if not calls:
                process.let_go(now)
            elif len(dooms) == len(calls) or (dooms and now - min(dooms) >= RETIRING):
                process.kill()
        if not any(call in self.suspects for call in self.waiting):
            for process in self.processes.all:
                process.is_retiring |= process.is_alone and not self._calls_of(process)


class ThreadLanes(LanePool):
    start_process = staticmethod(lane_process.fork)


class GreenletLanes(LanePool):
    start_process = staticmethod(lane_process.start_anew)
