"""Ends the attempts of this worker that are to be cancelled: first an interruption in the task, then its process is killed.

Never another job's attempt: while the row of a running job is locked here, its process cannot record an end, and so cannot go on
to the next job. Where the task itself holds that row, in a transaction of its own, it runs if the next look finds it so again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from typing import TYPE_CHECKING

from celery import signals
from celery.worker import state
from django.db import transaction

from offbeat.jobs import cancellation, child_books, guard, recovery, soft_limit, sql, workers
from offbeat.jobs.conf import conf
from offbeat.jobs.processes import wait_for_death
from offbeat.jobs.worker.lane_books import lanes_of_worker
from offbeat.jobs.worker.state import worker_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from offbeat.jobs.cancellation import Requested

logger = logging.getLogger(__name__)

RUNS = f"SELECT 1 FROM offbeat_jobs_job WHERE id = %s AND {guard.IS_RUNNING} AND attempt = %s AND pid = %s AND worker = %s"  # noqa: S608  a constant
LOCK = f"{RUNS} FOR NO KEY UPDATE SKIP LOCKED"
KILLED = "its process was killed, because a cancel did not end it"


class Cancellations:
    """What this worker has done about the cancels of its attempts."""

    def __init__(self) -> None:
        self.seen_at: dict[Requested, float] = {}  # monotonic seconds
        self.interrupted: set[Requested] = set()

    def end_attempts(self) -> None:
        """Interrupt those that are new, kill those that go on. A stopping worker that kills its children has done so already."""
        found = cancellation.requested()
        now = time.monotonic()
        self.seen_at, known = {each: self.seen_at.get(each, now) for each in found}, self.seen_at
        self.interrupted &= set(found)
        if worker_state.is_killing_children:
            return
        for each in found:
            is_known = each in known
            if now - self.seen_at[each] >= conf().cancel_grace:
                self._kill(each, is_known=is_known)
            elif each not in self.interrupted and _while_it_runs(each, _interrupt, is_known=is_known):
                self.interrupted.add(each)
                _announce(each)

    def _kill(self, asked: Requested, *, is_known: bool) -> None:
        if lanes_of_worker.pool:  # it is recorded when its process is dead
            lanes_of_worker.pool.end(asked.pid, str(asked.job_id), KILLED)
        elif _while_it_runs(asked, _kill, is_known=is_known):
            recovery.recover_attempt(asked.job_id, workers.current(), asked.pid, KILLED)


def _while_it_runs(asked: Requested, act: Callable[[Requested], None], *, is_known: bool) -> bool:
    """Call `act` while the process cannot leave this attempt; tell whether it was called."""
    with transaction.atomic():
        its = [asked.job_id, asked.attempt, asked.pid, workers.current()]
        if not (sql.fetch_one(LOCK, its) or (is_known and sql.fetch_one(RUNS, its))):
            return False
        if not child_books.runs(
            asked.pid, asked.job_id
        ):  # it has ended, which is to be recorded, or the ledger has lost it: the process is at another job
            return False
        act(asked)
        return True


def _interrupt(asked: Requested) -> None:
    _log(asked, "is interrupted")
    if lanes_of_worker.pool:
        lanes_of_worker.pool.interrupt(asked.pid, str(asked.job_id))
    else:
        _send(asked, soft_limit.SIGNAL)


def _announce(asked: Requested) -> None:
    """Send Celery's signal; what a receiver raises, Celery logs."""
    if request := state.requests.get(str(asked.job_id)):
        signals.task_revoked.send(
            sender=request.task,
            request=request._context,  # noqa: SLF001  as Celery sends it
            terminated=True,
            signum=soft_limit.SIGNAL,
            expired=False,
        )


def _kill(asked: Requested) -> None:
    _log(asked, "is killed")
    _send(asked, signal.SIGKILL)
    wait_for_death([asked.pid])


def _send(asked: Requested, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(asked.pid, number)


def _log(asked: Requested, what: str) -> None:
    logger.warning(
        "process %s %s, because job %s is cancelled",
        asked.pid,
        what,
        asked.job_id,
        extra={"action": "job_cancelling", "job": str(asked.job_id)},
    )
