"""Whom a migration waits for: reported while it does, and remembered."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connection

from offbeat.database import lock_holders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAUSE = 0.5
"""Seconds between two looks."""


class ReleaseWatch(threading.Thread):
    """Reports whom the session of one application name waits for, once each, and keeps who it was last."""

    def __init__(self, application: str, on_wait: Callable[[str], None]) -> None:
        super().__init__(name="release-watch", daemon=True)
        self.application = application
        self.on_wait = on_wait
        self.over = threading.Event()
        self.holder: lock_holders.Holder | None = None

    def run(self) -> None:
        own = connection.copy()
        own.inc_thread_sharing()
        with contextlib.suppress(DatabaseError):  # unwatched, the migration goes on
            self._look_on(own)
        own.close()

    def _look_on(self, own: Any) -> None:
        while not self.over.wait(PAUSE):
            with own.cursor() as cursor:
                blocked = lock_holders.find_blocked_session(cursor, self.application)
            if blocked:
                if self.holder is None or blocked.holder.pid != self.holder.pid:
                    self.on_wait(f"A migration waits for {blocked.holder}.")
                self.holder = blocked.holder


@contextlib.contextmanager
def watch_connection(application: str, on_wait: Callable[[str], None]) -> Iterator[ReleaseWatch]:
    """ReleaseWatch this process' connection under an application name while the block runs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('application_name', %s, false)", [application])
    watch = ReleaseWatch(application, on_wait)
    watch.start()
    try:
        yield watch
    finally:
        watch.over.set()
        watch.join(10)
