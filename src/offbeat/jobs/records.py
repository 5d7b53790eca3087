"""How an attempt begins or ends is recorded: again and again while PostgreSQL is down, and else its process ends."""

from __future__ import annotations

import logging
import os
import random
import time
from typing import TYPE_CHECKING, TypeVar

from billiard.process import current_process
from django.db import Error as DatabaseFailure
from django.db import InterfaceError, OperationalError, connection, connections, transaction

from offbeat.jobs import attempts, conflicts, lanes
from offbeat.jobs.conf import conf
from offbeat.jobs.error_text import line
from offbeat.jobs.processes import leave

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")


def log_fenced(task: str, job_id: uuid.UUID, error: attempts.FencedError) -> None:
    """Log a lost race: another attempt has replaced this one, or a cancel has ended it."""
    action = "job_cancelled" if isinstance(error, attempts.CancelledAttemptError) else "job_fenced"
    logger.warning("%s: %s", task, error, extra={"action": action, "job": str(job_id)})


def record(act: Callable[[], Answer]) -> Answer:
    """Record how an attempt begins or ends; where PostgreSQL stays down or refuses it, or it fails otherwise, end this process.

    Its parent sees that, and has the job run again when PostgreSQL is back. Going on would leave a job that says it runs, in a
    worker that lives. A lane only leaves its call, and says so: its process runs the jobs of others.
    """
    try:
        return patiently(act)
    except (
        attempts.FencedError,
        transaction.TransactionManagementError,
    ):  # the latter of a TestCase: its own error
        raise
    except BaseException as error:
        # An alarm that a task has set may ring here, and arguments may be more than memory holds.
        if not isinstance(error, DatabaseFailure) and current_process().name == "MainProcess":  # of a test
            raise
        logger.critical(
            "the start or the end of an attempt is not recorded: %s",
            line(error),
            extra={"action": "answer_lost"},
        )
        if lanes.here():  # others run in this process
            connections.close_all()
            raise lanes.LostAnswer(line(error)) from None
        leave(os.EX_TEMPFAIL)


def patiently(act: Callable[[], Answer]) -> Answer:
    """Return `act()`, trying again while PostgreSQL is down, for `patience` seconds; then raise what it raised.

    Everything passed here is a compare-and-set: done twice, because the first answer was lost, it changes nothing.
    """
    deadline = time.monotonic() + conf().patience
    wait = 0.1
    while True:
        try:
            return act()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() + wait > deadline:
                raise
            if not conflicts.is_conflict(error):
                connection.close()
            time.sleep(wait * random.uniform(0.5, 1))  # noqa: S311  spreads, protects nothing
            wait = min(2.0, wait * 2)
