"""Ends a wake-up that hangs: platforms skip a run while the one before is alive, so a stalled server must not keep it so."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING

from offbeat.cronjobs import exit_codes

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 25.0  # seconds; with Python's start it stays below 30


class Watchdog:
    """Says in which phase a wake-up is: what it says when time is over depends on it."""

    def __init__(self, away: str) -> None:
        self.away = away
        self.is_committed = False

    def note_commit(self) -> None:
        self.is_committed = True

    def bark(self, name: str, limit: float) -> None:
        """Leave, from a thread: the main one may hang in a system call that no signal ends."""
        text = exit_codes.UNPUBLISHED_TEXT if self.is_committed else self.away
        sys.stderr.write(f"{name}: no answer within {limit:g} s: {text}\n")
        sys.stderr.flush()
        os._exit(exit_codes.UNPUBLISHED if self.is_committed else exit_codes.AWAY)


@contextlib.contextmanager
def bounded_time(name: str, limit: float = LIMIT, away: str = exit_codes.AWAY_TEXT) -> Iterator[Watchdog]:
    """Leave the process with 69, or 75 after the commit, when the block takes longer than `limit` seconds."""
    watchdog = Watchdog(away)
    timer = threading.Timer(limit, watchdog.bark, [name, limit])
    timer.daemon = True
    timer.start()
    try:
        yield watchdog
    finally:
        timer.cancel()
