"""How long a statement of a migration waits for somebody else's lock: a moment, because all others queue up behind it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from psycopg.errors import DeadlockDetected, LockNotAvailable
from psycopg.pq import TransactionStatus

from offbeat.database.statement_bounds import ALONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def is_locked_out(error: Exception) -> bool:
    """Tell whether a statement was ended for somebody else's lock: by the bound, or in a deadlock."""
    return isinstance(error.__cause__, LockNotAvailable | DeadlockDetected)


@contextlib.contextmanager
def bound_waits(seconds: float) -> Iterator[None]:
    """End every statement of this thread that waits for a lock for so long; 0 is for ever.

    By PostgreSQL itself, so that the wait ends also where this process is gone; and within each transaction, because a pooler
    shares sessions between clients.
    """
    statement = f"SET LOCAL lock_timeout = {round(seconds * 1000)}"

    def bound(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        if not connection.in_atomic_block and connection.get_autocommit():
            # Nobody queues up behind one that waits, and an index whose build is ended has to be built anew.
            if ALONE.search(str(sql)):
                return execute(sql, params, many, context)
            with transaction.atomic():
                return bound(execute, sql, params, many, context)
        session = connection.connection
        if (
            session.info.transaction_status == TransactionStatus.IDLE
        ):  # the first statement of its transaction
            with connection.wrap_database_errors:
                session.execute(statement)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(bound):
        yield
