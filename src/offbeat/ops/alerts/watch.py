"""Looks every half minute, from workers and from web processes: those that are left see what is wrong with the others."""

from __future__ import annotations

import logging
import threading

from django.db import InterfaceError, OperationalError, connection

from offbeat.jobs import locks
from offbeat.ops import conditions
from offbeat.ops.alerts import incidents, notifications
from offbeat.ops.alerts.outage import outage
from offbeat.ops.snapshot import Snapshot

logger = logging.getLogger(__name__)

_looking = threading.Lock()


def turn() -> None:
    """Look from a thread of its own: a mail server that hangs must not hold up a worker's heartbeat."""
    threading.Thread(target=look_once, name="ops-alerts", daemon=True).start()


def look_once() -> None:
    """Look, unless this process is still at the last look."""
    if not _looking.acquire(blocking=False):
        return
    try:
        look()
    except Exception:
        logger.exception("a look for incidents failed", extra={"action": "alerts_failed"})
    finally:
        connection.close()
        _looking.release()


def look() -> None:
    try:
        with locks.bounded():
            if incidents.is_our_turn():
                incidents.compare(conditions.find(Snapshot.take()))
                notifications.tell()
    # Others, as a table that `release` has still to make, are no outage.
    except (OperationalError, InterfaceError) as error:
        if locks.is_held(error):
            raise
        outage.note_away()
    else:
        outage.note_back()
