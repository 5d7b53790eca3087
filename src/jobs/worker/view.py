"""A Celery worker as the keeper sees it, and what the keeper does for it."""

from __future__ import annotations

import json
import logging
import math
import time
from typing import TYPE_CHECKING, Any

from celery.worker import state
from django.db import connection

from jobs import batches, broker, epoch, guard, reconciler, recovery, refusal, relay, workers
from jobs.conf import conf
from jobs.worker import heartbeat_file
from jobs.worker.duties import Duty
from jobs.worker.keeper import senses
from jobs.worker.pull import pull

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

TURN_TIMEOUT = 60.0  # seconds without a turn of the event loop, while the broker is there: it hangs


def duties(worker: Any, leave: Callable[[str], None]) -> list[Duty]:
    """Return the duties of one Celery worker; `leave` stops it, with a reason."""
    settings, view = conf(), View(worker)
    often = settings.reconcile_interval
    return [
        Duty("heartbeat file", settings.heartbeat_interval, view.tell_probe),
        Duty("heartbeat", settings.heartbeat_interval, view.beat),
        Duty("relay", settings.relay_interval, relay.relay),
        Duty("refused jobs", settings.relay_interval, lambda: pull(worker, view.queues)),
        Duty("dead children", often, view.recover_dead_children),
        Duty("lost workers", often, view.bury_lost_workers),
        Duty("epoch", often, epoch.check),
        Duty("lost messages", often, reconciler.republish_lost_messages),
        Duty("late jobs", often, reconciler.expire_late_jobs),
        Duty("unknown jobs", often, view.bury_unknown_jobs),
        Duty("batches", often, batches.settle_all),
        Duty("free keys", settings.busy_retry, guard.hand_over_free_keys),
        Duty("stuck consumer", often, lambda: view.leave_if_stuck(leave)),
    ]


class View:
    """A Celery worker as the keeper's thread may look at it."""

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        self.queues = sorted(worker.app.amqp.queues.consume_from)
        self.beaten_at = self.steady_since = -math.inf  # monotonic seconds
        self.suspected = False
        self.started_at = time.monotonic()

    @property
    def busy(self) -> int:
        return len(state.reserved_requests)

    def tell_probe(self) -> None:
        """Write the heartbeat file, but for a hanging event loop: it must look dead to the probe only, for its jobs run.

        A duty of its own: a full disk, or a file that is somebody else's, must not look to the ledger like a dead worker.
        """
        if self.loop_turns() and not senses.gone:
            heartbeat_file.write(senses.away_since)

    def beat(self) -> None:
        if senses.gone:  # a late beat would leave a worker behind that somebody has to bury
            return
        workers.beat(
            queues=json.dumps(self.queues),
            concurrency=self.worker.concurrency,
            busy=self.busy,
            stopping=senses.stopping,
            broker_away=_since(senses.away_since),
        )
        self.note_beat()

    def note_beat(self) -> None:
        now = time.monotonic()
        if now - self.beaten_at > _two_beats():
            self.steady_since = now
        self.beaten_at = now

    def bury_lost_workers(self) -> None:
        """Bury lost workers, unless this one's own beats have failed lately.

        After an outage of PostgreSQL everybody has been silent for too long: those that live need a beat to say so.
        """
        now = time.monotonic()
        if now - self.beaten_at <= _two_beats() <= now - self.steady_since:
            workers.bury_lost()

    def bury_unknown_jobs(self) -> None:
        """Bury jobs that nobody knows, once others have had time to start, too, after an outage of all."""
        if time.monotonic() - self.started_at >= conf().heartbeat_timeout:
            refusal.bury_unknown_jobs()

    def loop_turns(self) -> bool:
        return senses.away_since is not None or time.monotonic() - senses.turned_at < TURN_TIMEOUT

    def recover_dead_children(self) -> None:
        """Make jobs due again whose child is gone without the pool having told: the rest is told at once (jobs.request)."""
        pids = children(self.worker)
        if not pids or senses.gave_up:  # the jobs of children that the worker kills are not charged
            return
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT id, pid FROM jobs_job WHERE state = 'running' AND worker = %s
                AND started_at < now() - interval '10 seconds' AND NOT pid = ANY(%s)""",
                [workers.current(), list(pids)],
            )
            for job_id, pid in cursor.fetchall():
                recovery.attempt_crashed(job_id, workers.current(), pid, "its process is gone")

    def leave_if_stuck(self, leave: Callable[[str], None]) -> None:
        """Leave when messages wait, slots are free, the broker is there and yet nothing has started for `stuck_after` seconds.

        Seen in the field after lost connections: the platform restarts what has left, but not what only looks alive. It takes two
        looks: a message that has just come to a worker that was idle is about to be taken.
        """
        suspected, self.suspected = self.suspected, False
        idle = time.monotonic() - senses.started_at
        if (
            senses.away_since is not None
            or senses.stopping
            or idle < conf().stuck_after
            or self.busy >= self.worker.concurrency
        ):
            return
        stuck = [queue for queue in self.queues if broker.waiting(queue)]
        self.suspected = bool(stuck)
        if stuck and suspected:
            leave(
                f"messages wait in {', '.join(stuck)}, slots are free, and nothing has started for {idle:.0f} s"
            )


def children(worker: Any) -> set[int]:
    """Return the pids of the pool's processes; none for a pool of threads, or one that has stopped."""
    pool = getattr(getattr(worker, "pool", None), "_pool", None)
    return {process.pid for process in list(getattr(pool, "_pool", []))}


def _two_beats() -> float:
    return 2 * conf().heartbeat_interval


def _since(moment: float | None) -> float | None:
    return None if moment is None else time.monotonic() - moment
