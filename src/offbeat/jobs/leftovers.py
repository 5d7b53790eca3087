"""What a task may leave in its database connections, and must not hand on to the next task of its process.

A transaction that it opened and did not end, or settings of the session. A connection with such a thing is closed: the next task
connects anew. And a process that it forked, and that comes back from the task as if it were its parent: it exits.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import Error as DatabaseFailure
from django.db import connections
from psycopg.pq import TransactionStatus
from psycopg.sql import Composable

from offbeat.jobs import conflicts
from offbeat.jobs.sessions import is_connected, is_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

LOOKED_AT = 200  # characters of a statement: what changes a session says so at its beginning
# Each is looked at once: fifty of them, and nothing to find behind them, would else be tried in each combination.
COMMENT = r"(?>(?:\s|--[^\n]*\n|/\*.*?\*/)*)"
CHANGES_SESSION = re.compile(
    rf"(?:^|;){COMMENT}(?:set\s+(?!local\b|transaction\b|constraints\b)|(?:reset|listen|prepare|declare|load)\b)"
    r"|\b(?:create|into)\s+(?:local\s+|global\s+)?temp"
    r"|\bset_config\s*\((?![^;]{0,100}?,\s*true\s*\))|\bpg_(?:try_)?advisory_lock",
    re.IGNORECASE | re.DOTALL,
)
# Settings that PostgreSQL reports by itself, so that asking for them costs nothing: they tell of what a task did past Django.
REPORTED = (
    b"TimeZone",
    b"default_transaction_read_only",
    b"search_path",
    b"session_authorization",
    b"DateStyle",
)

CLOSED = "the task, or its soft time limit, closed the connection inside a transaction: its changes are rolled back"


class UnfinishedTransactionError(Exception):
    """The task ended without ending its transaction, and what it changed is rolled back. Commit it, or use transaction.atomic()."""


class ClosedTransactionError(Exception):
    """The task, or its soft time limit, closed the connection inside a transaction: what it changed is rolled back."""


class _SessionWatch:
    """Notices statements that change the session of a connection, and its end inside a transaction."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self.reported = _reported(connection)
        self.has_changed = self.has_closed = False

    def begin(self) -> None:
        self.connection.execute_wrappers.append(self)
        self.close, self.connection.close = self.connection.close, self.note_close  # type: ignore[method-assign]

    def end(self) -> None:
        # By itself: others may have come meanwhile, as those of tracing do with a new connection.
        wrappers = self.connection.execute_wrappers
        wrappers[:] = [each for each in wrappers if each is not self]
        self.connection.close = self.close  # type: ignore[method-assign]

    def note_close(self) -> None:
        is_lost = not is_connected(self.connection) and not isinstance(sys.exception(), SoftTimeLimitExceeded)
        self.has_closed |= self.connection.in_atomic_block and not is_lost
        self.close()

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not self.has_changed:
            text = sql if isinstance(sql, str) else _text(sql, self.connection)
            self.has_changed = bool(CHANGES_SESSION.search(text[:LOOKED_AT]))
        return execute(sql, params, many, context)

    def is_dirty(self) -> bool:
        is_same = self.reported.items() <= _reported(self.connection).items()
        return self.has_changed or not is_same or _changes_transactions(self.connection)


def _text(statement: Any, connection: BaseDatabaseWrapper) -> str:
    """Return a statement that psycopg is to compose, or that was given as bytes, as text."""
    if isinstance(statement, Composable):
        return statement.as_string(connection.connection if is_connected(connection) else None)
    return statement.decode(errors="replace") if isinstance(statement, bytes) else str(statement)


@contextlib.contextmanager
def restore_process() -> Iterator[None]:
    """Let a task's alarm not ring in the next one, and its limit of recursion end with it."""
    depth, (alarm, _) = sys.getrecursionlimit(), signal.getitimer(signal.ITIMER_REAL)
    try:
        yield
    finally:
        sys.setrecursionlimit(depth)
        if not alarm and threading.current_thread() is threading.main_thread():
            signal.setitimer(signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def remove_leftovers() -> Iterator[None]:
    """Close the connections in which the block has left something behind.

    Raises UnfinishedTransactionError where that undoes changes, unless the block raises an error of its own. In a transaction
    that was open before (of a test, of an `atomic` task) the connection is left alone.
    """
    pid = os.getpid()
    watches = [_SessionWatch(each) for each in connections.all() if not each.in_atomic_block]
    with restore_process():
        for watch in watches:
            watch.begin()
        try:
            yield
        except BaseException as error:
            _exit_if_forked(pid)
            for watch in watches:
                _clean(watch)
            if any(watch.has_closed for watch in watches) and conflicts.is_excusable(error):
                raise ClosedTransactionError(CLOSED) from error
            raise
        finally:
            for watch in watches:
                watch.end()
    _exit_if_forked(pid)
    lost = [_clean(watch) for watch in watches]
    if any(lost):
        raise UnfinishedTransactionError(
            "the task did not close a transaction: its changes are rolled back. Commit it, or use transaction.atomic()"
        )


def abandon_sessions() -> None:
    """In a process that a task has forked, leave its parent's sessions alone: what is said on them would be the parent's word.

    A COMMIT or ROLLBACK, above all. Outside a transaction the next query connects anew.
    """
    silence = os.open(os.devnull, os.O_RDWR)
    for connection in connections.all(initialized_only=True):
        if is_ours(connection) and is_connected(connection):
            os.dup2(silence, connection.connection.fileno())
            if not connection.in_atomic_block:
                connection.connection = None
    os.close(silence)


def _exit_if_forked(pid: int) -> None:
    """Exit from a copy of this process, which would record its task's end, and take the next one, beside its parent."""
    if os.getpid() != pid:
        os._exit(os.EX_OK)


def _clean(watch: _SessionWatch) -> bool:
    """Close the connection if something was left in it; tell whether changes are lost with that."""
    connection = watch.connection
    if not is_connected(connection):
        if connection.in_atomic_block:
            _close(connection)
        return False
    is_open = is_ours(connection) and connection.connection.info.transaction_status != TransactionStatus.IDLE
    loses_changes = is_open and _has_written(connection)
    if is_open or connection.in_atomic_block or not connection.get_autocommit() or watch.is_dirty():
        _close(connection)
    return loses_changes


def _has_written(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether the open transaction has changed anything; one that has failed loses nothing that it still had."""
    try:
        with connection.connection.cursor() as cursor:  # past Django, which refuses queries in a broken block
            cursor.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
            return bool(cursor.fetchone()[0])
    except Exception as error:
        if isinstance(error, DatabaseFailure) or type(error).__module__.startswith("psycopg"):
            return True
        raise


def _close(connection: BaseDatabaseWrapper) -> None:
    """Close a connection, also within a block that was entered and never left: Django would keep it as broken."""
    connection.in_atomic_block = False
    connection.savepoint_ids, connection.atomic_blocks = [], []
    connection.needs_rollback = connection.closed_in_transaction = False
    connection.run_on_commit = []
    connection.close()


def _changes_transactions(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether psycopg was told to begin transactions in another way than Django has set up."""
    if not is_ours(connection):
        return False
    session = connection.connection
    level = connection.settings_dict.get("OPTIONS", {}).get("isolation_level")
    return bool(session.isolation_level != level or session.read_only or session.deferrable)


def _reported(connection: BaseDatabaseWrapper) -> dict[bytes, bytes | None]:
    if not (is_ours(connection) and is_connected(connection)):
        return {}
    return {name: connection.connection.pgconn.parameter_status(name) for name in REPORTED}
