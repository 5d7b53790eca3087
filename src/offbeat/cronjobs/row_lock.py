"""A cronjob's row that somebody else holds, such as a psql left open: nobody waits for it for long, and all say who it is."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import DatabaseError, OperationalError, connection
from psycopg.errors import LockNotAvailable

from offbeat.cronjobs.models import CronJob
from offbeat.deployment import holders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.holders import Holder

logger = logging.getLogger(__name__)

LONG = 30.0  # seconds; wake-ups, which are bounded by half of that, never hold a row so long

_told: set[str] = set()


class HeldError(OperationalError):
    """Another session holds a cronjob for longer than one waits. Show the message: it names the session, and how to end it."""

    def __init__(self, name: str, holder: Holder | None) -> None:
        held_by = f"{holder}; {holder.cure}" if holder else "a session that has let go of it by now"
        super().__init__(f"{name} is held by {held_by}")
        self.name = name
        self.holder = holder


@contextmanager
def naming_holder(name: str) -> Iterator[None]:
    """Turn a wait for a cronjob that its lock_timeout has ended into a HeldError."""
    try:
        yield
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        raise HeldError(name, find_holder(name)) from error.__cause__


def find_holder(name: str) -> Holder | None:
    """Return who holds a cronjob. On a connection of its own: the transaction that waited can ask nothing any more."""
    own = connection.copy()
    try:
        with own.cursor() as cursor:
            return holders.of_row(cursor, CronJob._meta.db_table, "name", name)  # noqa: SLF001  Django's documented way
    except DatabaseError:
        return None
    finally:
        own.close()


def tell(error: Exception) -> None:
    """Log who holds a cronjob, once in each process, when no wake-up would take so long."""
    holder = getattr(error, "holder", None)
    if holder and holder.seconds > LONG and str(error) not in _told:
        _told.add(str(error))
        logger.warning("%s", error, extra={"action": "cronjob_held", "cronjob": getattr(error, "name", "")})
