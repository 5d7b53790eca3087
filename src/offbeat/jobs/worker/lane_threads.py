"""In the process of a worker's lanes: starts them, hands them what they are to call, and interrupts them."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
import queue
import resource
import signal
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from billiard.einfo import ExceptionInfo
from billiard.process import current_process
from celery import signals
from celery.concurrency.prefork import process_initializer
from django.db import connections

from offbeat.jobs import lanes
from offbeat.jobs.processes import PROC, leave
from offbeat.jobs.worker.lane_channel import STOPS, Channel, Done, Interrupt, LaneLost, Ready, Run, Setup
from offbeat.machine_limits import start_thread

if TYPE_CHECKING:
    import uuid

IDLE = 5.0  # seconds until a lane without work returns its connections to PostgreSQL
KILOBYTE = 1024 if sys.platform == "darwin" else 1  # what getrusage counts in


class LaneThread(threading.Thread):
    """Runs one call at a time; where gevent has replaced threads, it is a greenlet."""

    def __init__(self, number: int, worker: uuid.UUID, channel: Channel, start: memoryview[float]) -> None:
        super().__init__(name=f"lane-{number}", daemon=True)
        self.number, self.worker, self.channel, self.start_of_task = number, worker, channel, start
        self.calls: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self.lane: lanes.Lane | None = None

    def run(self) -> None:
        self.lane = lanes.enter(self.number, self.worker)
        self.lane.started = self.start_of_task
        try:
            while True:
                self._call(self._next(), self.lane)
        finally:
            self._tell(LaneLost(self.number))

    def _tell(self, frame: Done | LaneLost) -> None:
        try:
            self.channel.send(frame)
        except OSError:
            # A task may have closed it: nobody would hear of any lane any more, until a time limit passes.
            leave(os.EX_IOERR)

    def _next(self) -> Run:
        try:
            return self.calls.get(timeout=IDLE)
        except queue.Empty:
            connections.close_all()
            return self.calls.get()

    def _call(self, asked: Run, lane: lanes.Lane) -> None:
        lane.call = asked.call
        lane.begin_limits()
        has_returned, result = True, None
        try:
            # A language or a time zone that a task activates is none of the next one in this thread.
            result = contextvars.copy_context().run(asked.target, *asked.arguments)
        except lanes.LostAnswer as lost:
            has_returned, result = False, _lost_answer(lost)
        except BaseException:  # noqa: BLE001  the lane goes on, as a process of prefork does
            has_returned, result = False, ExceptionInfo()
        lane.end_call()
        self._tell(Done(self.number, asked.call, has_returned, result, _kilobytes()))


def _lost_answer(lost: lanes.LostAnswer) -> ExceptionInfo:
    try:
        raise lanes.LostAnswerError(f"its start or its end is not recorded: {lost}")  # noqa: TRY301  for its traceback
    except lanes.LostAnswerError:
        return ExceptionInfo()


def serve(channel: Channel, setup: Setup, app: Any, starts: memoryview[float]) -> None:
    """Run lanes until the main process says that it is enough, or is gone; then end this process."""
    # Not "MainProcess": what cannot be recorded ends the process, and not the worker.
    current_process().name = setup.name
    process_initializer(app, setup.hostname)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)  # they are ignored by now
    threads = {
        number: LaneThread(number, setup.worker, channel, starts[place : place + 1])
        for place, number in enumerate(setup.numbers)
    }
    for each in threads.values():
        each.start()
    channel.send(Ready(setup.numbers[0]))
    while True:
        try:
            _obey(channel.receive_one(), threads)
        except EOFError:
            break
    signals.worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)


def _obey(frame: Any, threads: dict[int, LaneThread]) -> None:
    thread = threads[frame.lane]
    if isinstance(frame, Run):
        if thread.lane:  # its thread may begin late, and an interruption come before
            thread.lane.call = frame.call
        thread.calls.put(frame)
    elif isinstance(frame, Interrupt) and thread.lane:
        interrupt = partial(lanes.interrupt, thread.lane, frame.call)
        # Not here, where one can be started: it asks PostgreSQL, and others wait.
        if not start_thread(threading.Thread(target=interrupt, name="lane-interrupt", daemon=True)):
            interrupt()


def _kilobytes() -> int:
    return _kilobytes_in(int(time.monotonic()))


@functools.lru_cache(maxsize=1)
def _kilobytes_in(second: int) -> int:  # read once in it: it costs as much as some jobs do
    """Return the most memory that this process has had. The kernel's own count begins with that of who started it."""
    with contextlib.suppress(OSError):
        for line in (PROC / "self/status").read_text(errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KILOBYTE
