"""How long a statement may take, and a transaction stand idle, in the processes that serve requests and run jobs.

Whoever waits for an answer has gone away by then, but the statement would go on, with its locks and its connection. All other
processes have no bounds: a release, a dump, a shell.
"""

from __future__ import annotations

import contextlib
import re
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.backends.signals import connection_created
from psycopg.pq import TransactionStatus

from offbeat.database.pooler import is_pooled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Bounds:
    """Seconds; 0 is without end, None is as PostgreSQL has it."""

    statement: float | None = None
    idle: float | None = None

    def sql(self) -> str:
        """Return the statements that set them for a session."""
        return "; ".join(
            f"SET {name} = {'DEFAULT' if value is None else value}"
            for name, value in self._milliseconds().items()
        )

    def local(self) -> list[str]:
        """Return the statements that set them for a transaction."""
        return [
            f"SET LOCAL {name} = {value}" for name, value in self._milliseconds().items() if value is not None
        ]

    def _milliseconds(self) -> dict[str, int | None]:
        values = {"statement_timeout": self.statement, "idle_in_transaction_session_timeout": self.idle}
        return {
            name: None if value is None else min(round(value * 1000), LONGEST)
            for name, value in values.items()
        }


# What PostgreSQL runs in no transaction, and so in no message with other statements.
ALONE = re.compile(
    r"\bCONCURRENTLY\b|^\s*(?:VACUUM|REINDEX|CLUSTER|ALTER\s+SYSTEM|(?:CREATE|DROP)\s+DATABASE)\b",
    re.IGNORECASE,
)

LONGEST = 2**31 - 1  # milliseconds that PostgreSQL knows: 24 days

_process = Bounds()
_here: ContextVar[Bounds | None] = ContextVar("statement_bounds", default=None)


def bound_process(statement: float, idle: float) -> None:
    """Bound all connections that this process, and its children, open from now on."""
    global _process  # noqa: PLW0603  what the process is for, said once
    _process = Bounds(statement, idle)


def bounds() -> Bounds:
    """Return those that hold here and now."""
    return _here.get() or _process


@contextlib.contextmanager
def statement_timeout(seconds: float) -> Iterator[None]:
    """Let statements take so many seconds inside the block; 0 is without end.

    In this thread, on every connection to PostgreSQL, also one that is opened meanwhile.
    """
    token = _here.set(replace(bounds(), statement=seconds))
    try:
        _set_again()
        yield
    finally:
        _here.reset(token)
        _set_again()


def _set_again() -> None:
    for connection in connections.all(initialized_only=True):
        if connection.vendor == "postgresql" and connection.connection and not connection.connection.closed:
            _set(connection)


def bound_session(connection: Any, **_: Any) -> None:
    """Bound a session that has just been opened."""
    if connection.vendor == "postgresql" and bounds() != Bounds():
        _set(connection)


def _set(connection: Any) -> None:
    """Set the bounds of a session; not behind a pooler, which hands it to others: there they go with each transaction."""
    if is_pooled(connection):
        if within_bounds not in connection.execute_wrappers:
            connection.execute_wrappers.append(within_bounds)
    # One that has failed takes none, and its rollback brings back those of before.
    elif _status(connection) != TransactionStatus.INERROR:
        with connection.wrap_database_errors:
            connection.connection.execute(bounds().sql())


def within_bounds(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    """Send the bounds in one message with the first statement of each transaction: that costs no round trip."""
    prefix = bounds().local()
    is_first = _status(context["connection"]) == TransactionStatus.IDLE
    if many or not is_first or not prefix or not isinstance(sql, str) or ALONE.search(sql):
        return execute(sql, params, many, context)
    result = execute("; ".join([*prefix, sql]), params, many, context)
    for _ in prefix:  # each has an answer of its own
        context["cursor"].nextset()
    return result


def _status(connection: Any) -> TransactionStatus:
    status: TransactionStatus = connection.connection.info.transaction_status
    return status


connection_created.connect(bound_session, dispatch_uid="offbeat.database.statement_bounds")
