"""The lock on a cronjob's row: held for a bounded time, waited for a bounded time, and whoever keeps it for longer is named."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import DatabaseError, OperationalError, connection
from psycopg.errors import LockNotAvailable

from offbeat.cronjobs.models import CronJob
from offbeat.database import lock_holders
from offbeat.jobs import sql

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from offbeat.database.lock_holders import Holder

logger = logging.getLogger(__name__)

# How long one waits for others that are at a cronjob, and for any one statement. A process that was stopped in the middle (its
# machine frozen, its container paused) loses the lock after the last of these: it cannot keep the cronjob from everybody.
BOUNDS = """
    SET LOCAL lock_timeout = '{wait}'; SET LOCAL statement_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '15s'
"""
WAIT = "8s"
TICK_WAIT = "1s"  # a tick has others to wake up
WORKER_WAIT = "200ms"  # a worker passes by what somebody else is at: its thread has other tasks

LONG = 30.0  # seconds; wake-ups, which are bounded by half of that, never hold a row so long

_reported: set[str] = set()


class CronJobHeldError(OperationalError):
    """Another session holds a cronjob for longer than one waits. Show the message: it names the session, and how to end it."""

    def __init__(self, name: str, holder: Holder | None) -> None:
        held_by = f"{holder}; {holder.cure}" if holder else "a session that has released it since"
        super().__init__(f"{name} is held by {held_by}")
        self.name = name
        self.holder = holder


def lock_cronjob(name: str, wait: str | None = None) -> CronJob | None:
    """Lock the row of a cronjob until the caller's transaction ends, which is bounded in time from here on.

    Raises CronJobHeldError.
    """
    sql.execute(BOUNDS.format(wait=wait or WAIT))
    with naming_holder(name):
        return CronJob.objects.select_for_update().filter(pk=name).first()


def lock_free(names: Collection[str]) -> dict[str, CronJob]:
    """Do the same for those of many cronjobs that nobody holds."""
    sql.execute(BOUNDS.format(wait=TICK_WAIT))
    return CronJob.objects.select_for_update(skip_locked=True).in_bulk(names)


@contextmanager
def naming_holder(name: str) -> Iterator[None]:
    """Turn a wait for a cronjob that its lock_timeout has ended into a CronJobHeldError."""
    try:
        yield
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        raise CronJobHeldError(name, find_holder(name)) from error.__cause__


def find_holder(name: str) -> Holder | None:
    """Return who holds a cronjob. On a connection of its own: the transaction that waited can ask nothing any more."""
    own = connection.copy()
    try:
        with own.cursor() as cursor:
            table = CronJob._meta.db_table  # noqa: SLF001  Django's documented way
            return lock_holders.find_row_holder(cursor, table, "name", name)
    except DatabaseError:
        return None
    finally:
        own.close()


def report_holder(error: Exception) -> None:
    """Log who holds a cronjob, once in each process, when no wake-up would take so long."""
    holder = getattr(error, "holder", None)
    if holder and holder.seconds > LONG and str(error) not in _reported:
        _reported.add(str(error))
        logger.warning("%s", error, extra={"action": "cronjob_held", "cronjob": getattr(error, "name", "")})
