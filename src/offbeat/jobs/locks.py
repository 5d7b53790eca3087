"""Locks that somebody else holds: no thread of a worker waits long for them, and the log says who that is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from django.db import Error as DatabaseFailure
from django.db import OperationalError, connection, transaction
from psycopg import ClientCursor
from psycopg.errors import LockNotAvailable
from psycopg.pq import TransactionStatus

from offbeat.database import lock_holders
from offbeat.jobs.conf import conf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


# In a statement that acts for several jobs: from here on, to its end, it waits for no lock longer than this.
BOUND_LOCKS = "set_config('lock_timeout', '100ms', true)"


class HeldError(OperationalError):
    """Rows are locked by somebody else: everything else was done, and they are for the next turn."""


@contextlib.contextmanager
def bound_statements() -> Iterator[None]:
    """Bound every statement of this thread: how long it waits for another's lock, and how long its own may be held idle.

    Within each transaction, because a pooler shares sessions between clients. Raises OperationalError for a lock that is not to be
    had in `lock_timeout` seconds.
    """
    with connection.execute_wrapper(_within_bounds):
        yield


def _within_bounds(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    """Send the bounds in one message with the first statement of a transaction, which may be its only one.

    An idle worker asks several times a second: in a transaction with statements of their own each question were four round trips.
    """
    session, bounds = connection.connection, _bounds()
    if session.info.transaction_status != TransactionStatus.IDLE:
        return execute(sql, params, many, context)
    if not many and isinstance(sql, str) and isinstance(context["cursor"].cursor, ClientCursor):
        result = execute("; ".join([*bounds, sql]), params, many, context)
        for _ in bounds:  # each has an answer of its own
            context["cursor"].nextset()
        return result
    if not connection.in_atomic_block:
        with transaction.atomic():
            return _within_bounds(execute, sql, params, many, context)
    with connection.wrap_database_errors:
        session.execute("; ".join(bounds))
    return execute(sql, params, many, context)


def _bounds() -> list[str]:
    return [f"SET LOCAL lock_timeout = {milliseconds(conf().lock_timeout)}", idle_bound()]


def idle_bound() -> str:
    return f"SET LOCAL idle_in_transaction_session_timeout = {milliseconds(conf().idle_timeout)}"


def milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))  # 0 would mean without end


def is_held(error: BaseException) -> bool:
    """Tell whether an error means that somebody else holds a lock."""
    return isinstance(error, HeldError) or isinstance(error.__cause__, LockNotAvailable)


def holders() -> str:
    """Return, for a log, the oldest transactions that hold locks of the ledger; "" where none can be seen."""
    with contextlib.suppress(DatabaseFailure), connection.cursor() as cursor:
        seconds = min(1.0, conf().lock_timeout / 2)
        return ", ".join(map(str, lock_holders.find_table_holders(cursor, "offbeat_jobs_", seconds)))
    return ""
