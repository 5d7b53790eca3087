"""Lanes: the threads or greenlets of a worker's pool, as their own process knows them. In prefork a process has none.

A lane's number is to the ledger what a pid is in prefork: an attempt names it, and so do its sessions of PostgreSQL. No two lanes
of a worker have one number, also after its process was replaced; numbers begin above every pid.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from billiard.exceptions import SoftTimeLimitExceeded, WorkerLostError
from django.db import connections
from psycopg.pq import TransactionStatus

from offbeat.jobs import event_loop, processes, sessions

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable

    from django.db.backends.base.base import BaseDatabaseWrapper

FIRST = 10_000_000  # Linux gives no pid above 4,194,304, macOS none above 99,998

ENDED = -1.0  # where a task's begin was

_here = threading.local()
identify: Callable[[], Any] = threading.current_thread  # a process of greenlets has another way
living: set[int] = set()  # of this worker, as its main process knows them


class LaneError(WorkerLostError):
    """The process of a lane has ended, or was killed, while it ran this."""


class LostAnswerError(LaneError):
    """How an attempt begins or ends could not be recorded: it is counted. Its lane lives, and has closed its sessions."""


class LostAnswer(BaseException):
    """The same inside a lane, until it has left the call."""


class CompanionLostError(LaneError):
    """It was killed for another of its jobs: this one is returned to the queue, and nothing is counted."""


class PostponedError(LaneError):
    """It has not begun, and is to wait in the ledger for a while."""


class Lane:
    """What may interrupt the task of one lane, and when: only while it is open."""

    def __init__(self, number: int, worker: uuid.UUID) -> None:
        self.number = number
        self.ident, self.runner = threading.get_ident(), identify()
        self.call: str | None = None  # the id of the message that it runs
        self.is_open = self.is_interrupting = self.has_waited = False
        # Monotonic seconds since which its time limits hold.
        self.started: memoryview[float] | list[float] = [0.0]
        self.due: deque[str] = deque(maxlen=1)  # the call that was interrupted before it was open
        self.connections: list[BaseDatabaseWrapper] = _named_connections(number, worker)

    def open(self) -> None:
        """Let interruptions in. One that came before is still due: no second one comes."""
        self.has_waited = False
        self.is_open = True

    def begin_limits(self) -> None:
        self.started[0] = time.monotonic()

    def delay_limits(self) -> None:
        """Let time limits begin when the task does."""
        self.started[0] = 0.0

    def take_due(self) -> bool:
        """Tell whether an interruption is to be raised: to one of those who ask."""
        try:
            return self.due.pop() == self.call
        except IndexError:
            return False

    def end_call(self) -> None:
        self.call = None
        self.started[0] = ENDED
        self.due.clear()

    def close(self) -> None:
        """Let nothing interrupt from here on. What was sent before, and comes only now, is raised when that is certain."""
        late: SoftTimeLimitExceeded | None = None
        while True:
            try:
                self.is_open = False
                while self.is_interrupting:
                    time.sleep(0.001)
                withdraw(self)
            except SoftTimeLimitExceeded as error:
                late = error
            else:
                break
        if late:
            raise late

    def active_connections(self) -> list[BaseDatabaseWrapper]:
        """Return those that are in the middle of a statement."""
        return [each for each in self.connections if _is_active(each)]

    def place(self) -> Any:
        """Return where in the code its thread is, None of a greenlet."""
        frame = sys._current_frames().get(self.ident)  # noqa: SLF001  the only way
        return frame and (frame, frame.f_lasti)


def _is_active(connection: BaseDatabaseWrapper) -> bool:
    if not (sessions.is_ours(connection) and sessions.is_connected(connection)):
        return False
    status: TransactionStatus = connection.connection.info.transaction_status
    return status == TransactionStatus.ACTIVE


def deliver(lane: Lane, call: str, send: Callable[[], None]) -> None:
    """Interrupt a task, by `send`, unless its lane has gone on; and end the statement that it waits for.

    Left alone, that would have its effect afterwards. The task must not meet the loss of its session before the interruption, so
    that comes first. A task that has gone on by then may clean up in the same session; one that still waits gets a new one.
    """
    waited = [each for each in lane.active_connections() if sessions.waits_for_lock(each)]
    lane.is_interrupting = True
    try:
        if lane.call != call:
            return
        lane.due.append(call)
        if not lane.is_open or not lane.take_due():  # it has not begun, or has found it in this moment
            return
        still = lane.active_connections()
        lane.has_waited = any(each in still for each in waited)
        place = lane.place()
        send()
        for each in still:
            sessions.end_statement(each, partial(_let_go, lane, each, place))
    finally:
        lane.is_interrupting = False


def _let_go(lane: Lane, connection: BaseDatabaseWrapper, place: Any) -> bool:
    """Have the task connect anew, if it is where it was: then it waits for a statement, and its session is to be ended."""
    if place is None:  # of a greenlet: it has closed that session, and may be connecting by now
        return True
    if lane.place() != place:
        return False
    if (
        not connection.in_atomic_block
    ):  # there Django drops a session that is lost, and a check would begin a transaction
        connection.health_check_enabled = True  # type: ignore[attr-defined]
        connection.health_check_done = False  # type: ignore[attr-defined]
    return True


def enter(number: int, worker: uuid.UUID) -> Lane:
    """Make this thread, or greenlet, the lane of that number."""
    _here.lane = lane = Lane(number, worker)
    return lane


def here() -> Lane | None:
    """Return the lane that runs this, None in a process without lanes."""
    return getattr(_here, "lane", None)


def begin_limits() -> None:
    """Let the time limits of what runs here hold from now on, if a lane runs it."""
    if lane := here():
        lane.begin_limits()


def current() -> int:
    """Return what runs the attempt here: the number of its lane, the pid of a process without lanes."""
    lane = here()
    return lane.number if lane else os.getpid()


def is_alive(number: int) -> bool:
    """Tell whether a lane of this worker, or a process of this machine, lives."""
    return number in living if number >= FIRST else processes.is_alive(number)


def _named_connections(number: int, worker: uuid.UUID) -> list[BaseDatabaseWrapper]:
    """Name the sessions of this lane after it, so that one can be ended without those of the others."""
    found = [each for each in connections.all() if sessions.is_ours(each)]
    for each in found:
        name = sessions.NAME.format(worker=worker, pid=number)
        options = {**each.settings_dict.get("OPTIONS", {}), "application_name": name}
        each.settings_dict = {**each.settings_dict, "OPTIONS": options}
        each.execute_wrappers.append(_abandon_interrupted)
        sessions.keep_whole(each)
    return found


def _abandon_interrupted(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    """End a statement that was sent, and for whose answer its interrupted task has not waited: a clean-up needs the session."""
    try:
        return execute(sql, params, many, context)
    except SoftTimeLimitExceeded:
        connection = context["connection"]
        if is_active := _is_active(connection):
            sessions.abandon(connection)
        if is_active or not sessions.is_connected(connection):  # of a greenlet it is closed already
            connection.close()
        raise


def watchers(connection: BaseDatabaseWrapper) -> list[Any]:
    """Return what watches its statements, without our own: of a lane that nothing interrupts there is nothing to abandon."""
    lane = here()
    if lane is None or lane.is_open:
        return connection.execute_wrappers
    return [each for each in connection.execute_wrappers if each is not _abandon_interrupted]


def _raise_in_thread(lane: Lane, error: type[BaseException] | None) -> None:
    given = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(lane.ident), given)


def _withdraw_from_thread(lane: Lane) -> None:
    _raise_in_thread(lane, None)


def interrupt_thread(lane: Lane, call: str) -> None:
    """Interrupt the task of a thread: at its next step of Python code, where its coroutine waits, or in its statement.

    A call that waits outside Python, such as `time.sleep` or a read from a socket, goes on until it returns.
    """

    def send() -> None:
        run = event_loop.innermost(lane.ident)
        if run is None or not run.interrupt_from_outside(SoftTimeLimitExceeded()):
            _raise_in_thread(lane, SoftTimeLimitExceeded)

    deliver(lane, call, send)


withdraw: Callable[[Lane], None] = _withdraw_from_thread
interrupt: Callable[[Lane, str], None] = interrupt_thread
