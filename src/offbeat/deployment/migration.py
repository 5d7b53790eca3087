"""Migrations that run once, however many releases start at the same time."""

from __future__ import annotations

import time
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

from django.core.management import call_command
from django.db import DatabaseError, OperationalError, connection
from psycopg.errors import InsufficientPrivilege

from offbeat.database import lock_holders
from offbeat.database.process_name import application_name
from offbeat.deployment.lock_bound import bound_waits, is_locked_out
from offbeat.deployment.lock_watch import watch_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOCK = 0x0FFBEA7
"""The key of the advisory lock; any number will do that nothing else in this database locks."""

PAUSE = 0.5
"""Seconds between two tries for it."""

LONGEST_PAUSE = 15.0
"""Seconds between two tries of a migration that was locked out."""

# Read committed holds no snapshot between statements: CREATE INDEX CONCURRENTLY, which waits for older snapshots, does not wait
# for this transaction, however long it is open.
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
# One statement for every version: transaction_timeout came with PostgreSQL 17.
FOR_LONG = """
    SELECT set_config(name, '0', true) FROM pg_settings
    WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')
"""
NAMED = "SELECT set_config('application_name', %s, true)"


class LockHeldError(Exception):
    """Another session holds the lock of releases, or a table, for longer than one waits. Show the message: it names the session."""


class NotPermittedError(Exception):
    """The role of DATABASE_URL may not do what a migration does. Show the message: it says what to grant."""


@contextmanager
def migration_lock(seconds: float, on_wait: Callable[[str], None]) -> Iterator[None]:
    """Hold PostgreSQL's advisory lock; `on_wait` hears of each other session that has it meanwhile.

    The lock belongs to a transaction on a connection of its own, which stays open while the migrations run on another one. So it
    holds, and ends, behind a pooler in transaction mode too. A release that dies frees it with its connection, its half-done
    migration is rolled back, and the next in line does it again. Raises LockHeldError after so many seconds.
    """
    own = connection.copy()
    try:
        with own.cursor() as cursor:
            _wait_for_lock(cursor, seconds, on_wait)
            yield
            cursor.execute("COMMIT")
    finally:
        own.close()


def _wait_for_lock(cursor: Any, seconds: float, on_wait: Callable[[str], None]) -> None:
    deadline = time.monotonic() + seconds
    reported = None
    while not _try_lock(cursor):
        holder = lock_holders.find_lock_holder(cursor, LOCK)
        cursor.execute("ROLLBACK")
        if holder and holder.pid != reported:
            on_wait(f"Another release is migrating: waiting for {holder}, at most {seconds:.0f} s.")
            reported = holder.pid
        if holder and time.monotonic() > deadline:
            raise LockHeldError(
                f"After {seconds:.0f} s the lock of releases is still held by {holder}. Hint: {holder.cure}"
            )
        time.sleep(PAUSE)


def _try_lock(cursor: Any) -> bool:
    """Begin a transaction, and try for the lock in it."""
    cursor.execute(BEGIN)
    cursor.execute(FOR_LONG)
    cursor.execute(NAMED, [application_name("release")])
    cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
    return bool(cursor.fetchone()[0])


def migrate(seconds: float, bound: float, on_wait: Callable[[str], None], verbosity: int) -> None:
    """Bring the database up to date, after any other release that is at it.

    A statement waits for somebody else's lock for `bound` seconds at most. Then its migration is undone, so that those who
    queued up behind it go on, and it is tried again later. Raises LockHeldError after so many seconds of that, or of waiting for
    another release.
    """
    deadline = time.monotonic() + seconds
    name = application_name("migrating")
    with migration_lock(seconds, on_wait), watch_connection(name, on_wait) as watch, bound_waits(bound):
        for pause in _pauses():
            if _is_migrated(verbosity):
                return
            if time.monotonic() + pause > deadline:
                raise LockHeldError(_held(seconds, watch.holder))
            on_wait(
                f"The migration is undone, so that no other session waits behind it. Next try in {pause:.0f} s."
            )
            time.sleep(pause)


def _is_migrated(verbosity: int) -> bool:
    """Migrate; tell whether all was done, and not undone for somebody else's lock."""
    try:
        call_command("migrate", interactive=False, verbosity=verbosity, skip_checks=True)
    except OperationalError as error:
        if not is_locked_out(error):
            raise
        return False
    except DatabaseError as error:
        if not _is_forbidden(error):
            raise
        raise NotPermittedError(_not_permitted(error)) from None
    return True


def _is_forbidden(error: BaseException | None) -> bool:
    """Tell whether PostgreSQL's own error is about what a role may do; Django may have wrapped it twice."""
    while error and not isinstance(error, InsufficientPrivilege):
        error = error.__cause__ or error.__context__
    return error is not None


def _not_permitted(error: Exception) -> str:
    said = next(iter(str(error).strip().splitlines()))
    role = connection.settings_dict["USER"]
    cure = f"run the release as the owner of the tables, or run as that role: GRANT ALL ON SCHEMA public TO {role}"
    return f"The database role may not migrate: {said}. Hint: {cure}"


def _pauses() -> Iterator[float]:
    """Give the seconds between two tries: longer each time, up to a quarter of a minute."""
    return (min(LONGEST_PAUSE, 2.0**number) for number in count())


def _held(seconds: float, holder: lock_holders.Holder | None) -> str:
    text = f"After {seconds:.0f} s a table that a migration needs is still held by"
    if holder is None:
        return f"{text} several sessions in turn. Hint: release again when there is less traffic"
    return f"{text} {holder}. Hint: {holder.cure}"
