"""Checks every half minute, from workers and from web processes: those that are left see what is wrong with the others."""

from __future__ import annotations

import logging
import threading

from django.db import InterfaceError, OperationalError, connection

from offbeat.cronjobs.entries import ConfigurationError
from offbeat.jobs import locks
from offbeat.machine_limits import log_refusal, start_thread
from offbeat.ops import conditions
from offbeat.ops.alerts import incidents, notifications
from offbeat.ops.alerts.outage import outage
from offbeat.ops.snapshot import Snapshot

logger = logging.getLogger(__name__)

_checking = threading.Lock()


def start_check() -> None:
    """Check from a thread of its own: a mail server that hangs must not hold up a worker's heartbeat."""
    start_thread(threading.Thread(target=check_once, name="ops-alerts", daemon=True))


def check_once() -> None:
    """Check, unless this process is still at the last one."""
    if not _checking.acquire(blocking=False):
        return
    try:
        check()
    except ConfigurationError as error:  # of platform.yaml: the message says it all
        logger.error("a check for incidents failed: %s", error, extra={"action": "alerts_failed"})  # noqa: TRY400
    except OSError as error:  # psycopg's own, where it can open no file to connect
        log_refusal("a check for incidents failed", error)
    except Exception:
        logger.exception("a check for incidents failed", extra={"action": "alerts_failed"})
    finally:
        connection.close()
        _checking.release()


def check() -> None:
    try:
        with locks.bound_statements():
            if incidents.is_our_turn():
                incidents.compare(conditions.find(Snapshot.take()))
                notifications.send()
    # Others, as a table that `release` has still to make, are no outage.
    except (OperationalError, InterfaceError) as error:
        if locks.is_held(error):
            raise
        outage.note_away()
    else:
        outage.note_back()
