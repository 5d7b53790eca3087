"""One password at a time is hashed in a process, so that a flood of logins leaves threads and CPU to everybody else.

A hash takes some tenths of a second of a CPU on purpose. Half of the threads may be busy with logins, hashing or waiting for their
turn; whoever comes then is answered at once, without a hash.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 10.0  # seconds, far above the turns of those before; below every router's patience

_turn = threading.Lock()


class NoTurnError(Exception):
    """Too many logins are under way in this process; the next second may have room."""


@contextmanager
def wait_for_turn() -> Iterator[None]:
    """Raises NoTurnError."""
    room = waiting_room()
    if not room.acquire(blocking=False):
        raise NoTurnError
    try:
        if not _turn.acquire(timeout=PATIENCE):
            raise NoTurnError
        try:
            yield
        finally:
            _turn.release()
    finally:
        room.release()


@lru_cache(maxsize=1)
def waiting_room() -> threading.Semaphore:
    return threading.BoundedSemaphore(max(1, settings.WEB_THREADS // 2))
