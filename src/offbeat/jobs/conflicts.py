"""Failures that are nobody's fault: PostgreSQL went away, or let one transaction give way to another.

Error codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import random

import psycopg
from django.db import InterfaceError, OperationalError
from django.db.transaction import TransactionManagementError

CONFLICTS = {"40001", "40P01", "55P03"}  # could not serialize, deadlock, a lock was not to be had in time
# A lost connection, no memory, disk or session left, shut down, cancelled by a person or a limit of the server, its own failure.
# 25006: read only, as after a failover.
OUTAGES = ("08", "25006", "53", "57", "58")
SHORTEST, LONGEST = 0.2, 30.0  # seconds before the next attempt


def is_conflict(error: BaseException) -> bool:
    """Tell whether a transaction had to give way to another one: tried again, it may well succeed."""
    return _code(error) in CONFLICTS


def is_excusable(error: BaseException) -> bool:
    """Tell whether neither the task nor its arguments can be blamed for an error."""
    if isinstance(error, TransactionManagementError) and error.__cause__:
        return is_excusable(error.__cause__)  # the task went on after what broke its transaction
    if not isinstance(error.__cause__, psycopg.Error):
        return False  # of another database, or made up
    if took_too_long(error.__cause__):
        return False
    code = _code(error)
    if code is None:  # PostgreSQL did not answer
        return isinstance(error, OperationalError | InterfaceError)
    return code in CONFLICTS or code.startswith(OUTAGES)


def took_too_long(error: psycopg.Error) -> bool:
    """Tell whether a statement was ended by its own statement_timeout, and not while it waited for a row that another held.

    The code is that of a person's cancel, too; PostgreSQL tells in English unless it was set up for another language.
    """
    return (
        isinstance(error, psycopg.errors.QueryCanceled)
        and "statement timeout" in str(error)
        and not error.diag.context
    )


def pause_seconds(excused: int) -> float:
    """Return the seconds to wait before another attempt: longer each time, and never the same, so that two do not meet again."""
    return min(LONGEST, SHORTEST * 2 ** min(excused, 10)) * random.uniform(0.5, 1)  # noqa: S311  spreads, protects nothing


def _code(error: BaseException) -> str | None:
    """Return PostgreSQL's code of an error, None where PostgreSQL did not answer."""
    return getattr(error.__cause__, "sqlstate", None)
