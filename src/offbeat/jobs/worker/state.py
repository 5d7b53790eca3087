"""A Celery worker as the keeper sees it, and what the keeper does for it."""

from __future__ import annotations

import json
import logging
import math
import time
from typing import TYPE_CHECKING, Any

from celery.worker import state
from django.db import connection

from offbeat.jobs import attempts, batches, broker, loss_token, reconciler, recovery, refusal, relay, workers
from offbeat.jobs.conf import conf
from offbeat.jobs.silence import Watch
from offbeat.jobs.worker import heartbeat_file
from offbeat.jobs.worker.clock import LedgerClock
from offbeat.jobs.worker.maintenance import senses, submit
from offbeat.jobs.worker.periodic_tasks import Duty
from offbeat.jobs.worker.pull import pull

if TYPE_CHECKING:
    from collections.abc import Callable

    from offbeat.jobs.worker.clock import Step

logger = logging.getLogger(__name__)

MISSING = 10.0  # seconds until a job's child is believed to be gone: one that was just forked is not in the pool's list yet
TURN_TIMEOUT = 60.0  # seconds without a turn of the event loop, while the broker is there: it hangs


def beats(view: View) -> list[Duty]:
    """Return what says that a worker lives: duties that wait for nothing else."""
    often = conf().heartbeat_interval
    soon = min(1.0, often)  # the others do not wait for long
    return [
        Duty("heartbeat file", often, view.tell_probe),
        Duty("heartbeat", often, view.beat, pause=soon),
    ]


def duties(view: View, leave: Callable[[str], None]) -> list[Duty]:
    """Return the keeper's duties; `leave` stops the worker, with a reason."""
    settings = conf()
    often = settings.reconcile_interval
    return [
        Duty("relay", settings.relay_interval, relay.relay),
        Duty("refused jobs", settings.relay_interval, lambda: pull(view.worker, view.queues)),
        Duty("dead children", often, view.recover_dead_children),
        Duty("lost workers", often, view.bury_lost_workers),
        Duty("epoch", often, loss_token.check),
        Duty("lost messages", often, view.republish_lost_messages),
        Duty("late jobs", often, reconciler.expire_late_jobs),
        Duty("unknown jobs", often, view.bury_unknown_jobs),
        Duty("batches", often, batches.settle_all),
        Duty("free keys", settings.busy_retry, attempts.hand_over_free_keys),
        Duty("stuck consumer", often, lambda: view.leave_if_stuck(leave)),
    ]


class View:
    """A Celery worker as its threads of maintenance may look at it."""

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        self.queues = sorted(worker.app.amqp.queues.consume_from)
        self.clock, self.watch = LedgerClock(), Watch()
        self.beaten_at = self.steady_since = self.forged_until = -math.inf  # monotonic seconds
        self.missing: dict[tuple[Any, int], float] = {}  # jobs whose child is gone, since when
        self.suspected = False
        self.started_at = time.monotonic()

    @property
    def busy(self) -> int:
        return len(state.reserved_requests)

    def tell_probe(self) -> None:
        """Write the heartbeat file, but for a hanging event loop or keeper: dead to the probe only, for its jobs run.

        A duty of its own: a full disk, or a file that is somebody else's, must not look to the ledger like a dead worker.
        """
        if self.loop_turns() and self.keeper_turns() and not senses.gone:
            heartbeat_file.write(senses.away_since)

    def beat(self) -> None:
        if senses.gone:  # a late beat would leave a worker behind that somebody has to bury
            return
        asked = time.monotonic()
        told = workers.beat(
            queues=json.dumps(self.queues),
            concurrency=self.worker.concurrency,
            busy=self.busy,
            stopping=senses.stopping,
            broker_away=_since(senses.away_since),
        )
        if step := self.clock.note(asked, told, time.monotonic()):
            self.note_step(step)
        self.note_beat()

    def note_step(self, step: Step) -> None:
        """PostgreSQL's clock was set: trust no difference of its times until everybody has beaten by the new one."""
        now = time.monotonic()
        back = max(0.0, -step.seconds)
        self.steady_since, self.forged_until = now, now + back + conf().lost_message_after
        logger.warning(
            "PostgreSQL's clock has been set %.0f s %s",
            abs(step.seconds),
            "back" if back else "forward",
            extra={"action": "clock_stepped", "seconds": step.seconds},
        )
        submit(refusal.begin_waiting_again)
        if back:
            submit(lambda: relay.catch_up(back, step.since))

    def note_beat(self) -> None:
        now = time.monotonic()
        if now - self.beaten_at > _two_beats():
            self.steady_since = now
        self.beaten_at = now

    def bury_lost_workers(self) -> None:
        """Bury lost workers, unless this one's own beats have failed lately.

        After an outage of PostgreSQL everybody has been silent for too long, after a step of its clock everybody looks so: those
        that live need a beat to say so.
        """
        counted = (
            self.clock.now()
        )  # before the question: a step that is noticed in between makes the answer no
        if self.is_steady():
            workers.bury_lost(self.watch, counted)

    def republish_lost_messages(self) -> None:
        """Leave it for a while after a step of the clock: which message is older is told by its times."""
        if time.monotonic() >= self.forged_until:
            reconciler.republish_lost_messages()

    def bury_unknown_jobs(self) -> None:
        """Bury jobs that nobody knows, once others have had time to start and to beat, too: after an outage of all, or a step."""
        counted = self.clock.now()
        if self.is_steady() and time.monotonic() - self.started_at >= conf().heartbeat_timeout:
            refusal.bury_unknown_jobs(counted)

    def is_steady(self) -> bool:
        """Tell whether this one's own beats have come through for two intervals."""
        now = time.monotonic()
        return now - self.beaten_at <= _two_beats() <= now - self.steady_since

    def loop_turns(self) -> bool:
        return senses.away_since is not None or time.monotonic() - senses.turned_at < TURN_TIMEOUT

    @staticmethod
    def keeper_turns() -> bool:
        return time.monotonic() - senses.kept_at < conf().stuck_after

    def recover_dead_children(self) -> None:
        """Make jobs due again whose child is gone without the pool having told: the rest is told at once (offbeat.jobs.request)."""
        pids = children(self.worker)
        if not pids or senses.gave_up:  # the jobs of children that the worker kills are not charged
            return
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, pid FROM offbeat_jobs_job WHERE state = 'running' AND worker = %s AND NOT pid = ANY(%s)",
                [workers.current(), list(pids)],
            )
            found = cursor.fetchall()
        now = time.monotonic()
        self.missing = {each: self.missing.get(each, now) for each in found}
        gone = [each for each, since in self.missing.items() if now - since >= MISSING]
        if gone:
            recovery.processes_died(workers.current(), gone, "its process is gone")

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
