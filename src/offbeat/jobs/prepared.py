"""Statements of every job, planned once in a session: to plan one anew takes PostgreSQL as long as to run it.

Not behind a pooler, whose next session has no such plan; not in a transaction, which an invalid plan would end; and not where
somebody watches the statements, whom this would pass by.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

import psycopg
from django.db import Error as DatabaseFailure
from django.db import connections
from psycopg.errors import FeatureNotSupported, InvalidSqlStatementName
from psycopg.pq import TransactionStatus

from offbeat.database.pooler import is_pooled
from offbeat.jobs import event_loop, lanes, sql
from offbeat.jobs.sessions import is_connected, is_ours

# The answer where a plan is gone, by DEALLOCATE or DISCARD, or no longer fits its table: nothing was done.
INVALID = InvalidSqlStatementName, FeatureNotSupported

_without: WeakSet[Any] = WeakSet()  # sessions whose plans were removed


def fetch_one(statement: str, values: Any) -> Any:
    """Return the first row, None where there is none."""
    return next(iter(fetch_all(statement, values)), None)


def fetch_all(statement: str, values: Any, *, unplanned: int = 0) -> list[tuple[Any, ...]]:
    """Return all rows. A session has the statement planned after so many times: to do that takes a round trip of its own."""
    connection: Any = connections["default"]
    if not is_free(connection) or connection.connection in _without:
        return sql.fetch_all(statement, values)
    try:
        with connection.wrap_database_errors:
            return _fetch(connection.connection, statement, values, unplanned)
    except DatabaseFailure as error:
        if not isinstance(error.__cause__, INVALID):
            raise
        _without.add(connection.connection)
    return sql.fetch_all(statement, values)


def _fetch(session: Any, statement: str, values: Any, unplanned: int) -> Any:
    # Django's None would forbid it here, too.
    usual, session.prepare_threshold = session.prepare_threshold, unplanned
    try:
        return psycopg.Cursor(session).execute(statement, values).fetchall()
    finally:
        session.prepare_threshold = usual


def is_free(connection: Any) -> bool:
    """Tell whether a session may be sent a statement past Django."""
    return (
        is_ours(connection)
        and not event_loop.is_running()  # there Django raises, and nothing else does
        and is_connected(connection)
        and not connection.in_atomic_block
        and not lanes.watchers(connection)
        and not connection.queries_logged
        and (connection.health_check_done or not connection.health_check_enabled)
        and not is_pooled(connection)
        and connection.connection.info.transaction_status == TransactionStatus.IDLE
    )
