"""Migrations that run once, however many releases start at the same time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.core.management import call_command
from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOCK = 0x0FFBEA7
"""The key of the advisory lock; any number will do that nothing else in this database locks."""


@contextmanager
def migration_lock(on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold PostgreSQL's advisory lock; `on_wait` is called when another release has it.

    The lock belongs to the session: a release that dies frees it with its connection, its half-done migration
    is rolled back, and the next in line does it again. Through a pooler, the pool must be in session mode.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            on_wait()
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def migrate(on_wait: Callable[[], None], verbosity: int) -> None:
    """Bring the database up to date, after any other release that is at it."""
    with migration_lock(on_wait):
        call_command("migrate", interactive=False, verbosity=verbosity, skip_checks=True)
