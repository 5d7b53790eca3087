"""What the machine refuses for a moment: a thread, a process, a file. A container has so many of each, and some end again."""

from __future__ import annotations

import errno
import logging
import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

logger = logging.getLogger(__name__)

NO_FILE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})  # of a connection, too
LOGGED_EVERY = 60.0  # seconds between two lines of one refusal: what was refused is tried again and again

_logged_at: dict[str, float] = {}  # monotonic seconds


def log_refusal(what: str, error: Exception) -> None:
    """Log one line, and for a while no other one of the same."""
    now = time.monotonic()
    if now - _logged_at.get(what, -math.inf) >= LOGGED_EVERY:
        _logged_at[what] = now
        reason = getattr(error, "strerror", None) or error
        logger.error("%s: %s", what, reason, extra={"action": "machine_refused"})


def start_thread(thread: threading.Thread) -> bool:
    """Start a thread; return False, and log it, where the machine starts no more."""
    try:
        thread.start()
    except RuntimeError as error:
        log_refusal(f"thread {thread.name} cannot be started", error)
        return False
    return True
