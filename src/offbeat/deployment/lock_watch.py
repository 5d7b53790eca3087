"""A migration that waits for a table: while it does, everybody else who needs the table queues up behind it."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connection

from offbeat import lock_holders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAUSE = 1.0
"""Seconds between two looks."""

# Behind a pooler the session may be another client's by now.
CANCEL = """
    SELECT pg_cancel_backend(pid) FROM pg_stat_activity
    WHERE pid = %s AND application_name = %s AND wait_event_type = 'Lock'
"""


class ReleaseWatch(threading.Thread):
    """Reports whom the session of one application name waits for, and ends a wait for a table that takes too long.

    Not that of CREATE INDEX CONCURRENTLY for older transactions: nobody waits behind it, and ended it leaves an invalid index.
    """

    def __init__(self, application: str, seconds: float, on_wait: Callable[[str], None]) -> None:
        super().__init__(name="release-watch", daemon=True)
        self.application = application
        self.seconds = seconds
        self.on_wait = on_wait
        self.over = threading.Event()
        self.given_up: lock_holders.Holder | None = None

    def run(self) -> None:
        own = connection.copy()
        own.inc_thread_sharing()
        with contextlib.suppress(DatabaseError):  # unwatched, the migration goes on
            self._look_on(own)
        own.close()

    def _look_on(self, own: Any) -> None:
        since, reported = time.monotonic(), None
        while not self.over.wait(PAUSE):
            with own.cursor() as cursor:
                blocked = lock_holders.find_blocked_session(cursor, self.application)
                if blocked is None:
                    since, reported = time.monotonic(), None
                    continue
                if blocked.holder.pid != reported:
                    self.on_wait(f"A migration waits for {blocked.holder}.")
                    reported = blocked.holder.pid
                if (
                    blocked.is_for_table
                    and time.monotonic() - since > self.seconds
                    and not self.over.is_set()
                ):
                    self.given_up = blocked.holder
                    cursor.execute(CANCEL, [blocked.pid, self.application])


@contextlib.contextmanager
def watch_connection(
    application: str, seconds: float, on_wait: Callable[[str], None]
) -> Iterator[ReleaseWatch]:
    """ReleaseWatch this process' connection under an application name while the block runs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('application_name', %s, false)", [application])
    watch = ReleaseWatch(application, seconds, on_wait)
    watch.start()
    try:
        yield watch
    finally:
        watch.over.set()
        watch.join(10)
