"""The soft time limit of a job interrupts its task and nothing else.

In the middle of a record it would leave a job that says it runs, in a worker that lives.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import connections
from psycopg.pq import TransactionStatus

from offbeat.jobs import event_loop, lanes, sessions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

# Notes of an interruption that is nobody's fault: the task has had no time of its own.
LOCK_WAIT = "while it waited for a lock"
UNBEGUN = "before its task began"
SIGNAL = signal.SIGUSR1  # by which the pool tells a child; its handler raises SoftTimeLimitExceeded

_handler: Any = signal.SIG_DFL  # the pool's, while it is held back
_is_due = False  # it came before the task, and comes only once


def hold_back_between_jobs() -> None:
    """Hold it back in a child of prefork from its start: between two jobs it would end the child.

    There comes one of the job before, which has just ended, or an early one of the next. Billiard installs its handler after this.
    """
    global _handler
    from billiard import pool  # noqa: PLC0415  only workers have it

    if pool.soft_timeout_sighandler is not _note:
        _handler, pool.soft_timeout_sighandler = pool.soft_timeout_sighandler, _note


@contextlib.contextmanager
def leave_to_pool() -> Iterator[None]:
    """Give the pool its own handler back inside the block: around a plain task, whose message says no more of its end."""
    if lanes.here() or not _is_ours() or signal.getsignal(SIGNAL) is not _note:
        yield
        return
    signal.signal(SIGNAL, _handler)
    try:
        yield
    finally:
        _hold_back_again()


def keep_below(hard: float | None, soft: float | None) -> float | None:
    """Return the soft limit in seconds, or nine tenths of the hard one where it would come too late to interrupt anything."""
    return hard * 0.9 if hard and soft and soft >= hard else soft


@contextlib.contextmanager
def hold_back() -> Iterator[None]:
    """Hold the soft time limit back inside the block, until `let_through`; the hard one still holds."""
    global _handler, _is_due  # noqa: PLW0603  a process runs one job at a time
    if lane := lanes.here():
        lane.close()
        lane.delay_limits()
        yield
        return
    if not _is_ours():
        yield
        return
    before = signal.signal(SIGNAL, _note)
    # In a child it is held back already: one that has come since the end of the job before is taken for an early one.
    if before is not _note:
        _handler, _is_due = before, False
    try:
        yield
    finally:
        _is_due = False
        signal.signal(SIGNAL, before)


def _note(number: int, frame: Any) -> None:
    global _is_due  # noqa: PLW0603  as above
    _is_due = True


@contextlib.contextmanager
def let_through(*, is_task: bool = True) -> Iterator[None]:
    """Let the soft time limit interrupt this part of a block in which it is held back.

    One that has passed is raised at once, if this is the task: around its hooks it waits for that, as only a task's errors have
    all their consequences.
    """
    if lane := lanes.here():
        with _let_into(lane, is_task):
            yield
        return
    if not _is_ours():
        yield
        return
    try:
        signal.signal(SIGNAL, _interrupt)
        if is_task and _is_due:
            raise _unbegun()
        yield
    finally:
        _hold_back_again()


def _hold_back_again() -> None:
    """One that comes in this moment, and is raised here, must not keep the handler that raises the next one, too."""
    late: SoftTimeLimitExceeded | None = None
    while True:
        try:
            signal.signal(SIGNAL, _note)
        except SoftTimeLimitExceeded as error:
            late = error
        else:
            break
    if late:
        raise late


@contextlib.contextmanager
def _let_into(lane: lanes.Lane, is_task: bool) -> Iterator[None]:
    lane.open()
    if is_task and lane.take_due():
        lane.close()
        raise _unbegun()
    try:
        yield
    except SoftTimeLimitExceeded as error:
        if lane.has_waited:
            error.add_note(LOCK_WAIT)
        raise
    finally:
        lane.close()


def _unbegun() -> SoftTimeLimitExceeded:
    error = SoftTimeLimitExceeded()
    error.add_note(UNBEGUN)
    return error


def hold_back_rest() -> None:
    """Hold the soft time limit back from here on, in a block of `let_through`, except in others of them."""
    if lane := lanes.here():
        lane.close()
    elif _is_ours():
        _hold_back_again()


def _interrupt(number: int, frame: Any) -> None:
    """Interrupt the task, and the statement that it is in the middle of: left alone, that would have its effect afterwards."""
    waited = [_abandon(each) for each in connections.all(initialized_only=True)]
    try:
        _handler(number, frame)
    except SoftTimeLimitExceeded as error:
        if any(waited):
            error.add_note(LOCK_WAIT)
        if (run := event_loop.innermost()) and run.takes(error, frame):
            return
        raise


def _abandon(connection: BaseDatabaseWrapper) -> bool:
    """End the statement that a connection is in the middle of, and close it; tell whether it waited for a lock."""
    if not (sessions.is_ours(connection) and sessions.is_connected(connection)):
        return False
    if connection.connection.info.transaction_status != TransactionStatus.ACTIVE:
        return False
    waited = sessions.abandon(connection)
    connection.close()  # the task may still clean up: its next query connects anew, as soon as it has left its transaction
    return waited


def interruption(error: BaseException | None) -> SoftTimeLimitExceeded | None:
    """Return the soft limit that an error comes of: it may be the error itself, or what a clean-up met after it."""
    for _ in range(20):  # of a chain that somebody tied to itself
        if error is None or isinstance(error, SoftTimeLimitExceeded):
            return error
        error = error.__cause__ or error.__context__
    return None


def excuse(interrupted: SoftTimeLimitExceeded) -> str:
    """Return when it came, if that is nobody's fault; else ""."""
    notes = getattr(interrupted, "__notes__", ())
    return next((each for each in notes if each in (LOCK_WAIT, UNBEGUN)), "")


def _is_ours() -> bool:
    """Tell whether Python may change the handler: not from other threads, and not one that C code has installed."""
    return threading.current_thread() is threading.main_thread() and signal.getsignal(SIGNAL) is not None
