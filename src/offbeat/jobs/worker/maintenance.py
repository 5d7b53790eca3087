"""What a worker maintains: its heartbeat, the ledger, and itself. Run by its threads as periodic tasks."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from celery.worker import state

from offbeat.jobs import (
    batches,
    broker,
    child_books,
    concurrency_keys,
    known_code,
    lanes,
    loss_token,
    pauses,
    reconciler,
    recovery,
    refusal,
    relay,
    sql,
    workers,
)
from offbeat.jobs.conf import conf
from offbeat.jobs.silence import SilenceWatch
from offbeat.jobs.worker import heartbeat_file
from offbeat.jobs.worker.cancellations import Cancellations
from offbeat.jobs.worker.clock import LedgerClock
from offbeat.jobs.worker.lane_books import lanes_of_worker
from offbeat.jobs.worker.periodic_tasks import PeriodicTask
from offbeat.jobs.worker.pull import pull
from offbeat.jobs.worker.state import worker_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from offbeat.jobs.worker.clock import ClockStep

logger = logging.getLogger(__name__)

RUNNING = "SELECT id, pid FROM offbeat_jobs_job WHERE state = 'running' AND worker = %s"
MISSING = 10.0  # seconds until nobody is believed to run a job: a child that was just forked is not in the pool's list yet
TURN_TIMEOUT = 60.0  # seconds without a turn of the event loop, while the broker is there: it hangs


def heartbeat_tasks(maintenance: WorkerMaintenance) -> list[PeriodicTask]:
    """Return what says that a worker lives: it waits for nothing else."""
    often = conf().heartbeat_interval
    soon = min(1.0, often)  # the others do not wait for long
    return [
        PeriodicTask("heartbeat file", often, maintenance.write_heartbeat_file),
        PeriodicTask("heartbeat", often, maintenance.beat, pause=soon),
    ]


def maintenance_tasks(
    maintenance: WorkerMaintenance, stop_worker: Callable[[str], None]
) -> list[PeriodicTask]:
    """Return what keeps ledger and worker well; `stop_worker` is given a reason."""
    settings = conf()
    often = settings.reconcile_interval
    return [
        PeriodicTask("relay", settings.relay_interval, relay.relay),
        PeriodicTask(
            "refused jobs", settings.relay_interval, lambda: pull(maintenance.worker, maintenance.queues)
        ),
        PeriodicTask("pauses", settings.relay_interval, maintenance.follow_pauses),
        PeriodicTask("cancels", settings.relay_interval, maintenance.cancellations.end_attempts),
        PeriodicTask("dead children", often, maintenance.recover_dead_children),
        PeriodicTask("lost workers", often, maintenance.recover_lost_workers),
        PeriodicTask("loss token", often, loss_token.check),
        PeriodicTask("lost messages", often, maintenance.republish_lost_messages),
        PeriodicTask("late jobs", often, reconciler.expire_late_jobs),
        PeriodicTask("unknown jobs", often, maintenance.bury_unknown_jobs),
        PeriodicTask("batches", often, batches.settle_all),
        PeriodicTask("known code", known_code.INTERVAL, known_code.announce, pause=often),
        PeriodicTask("free keys", settings.busy_retry, concurrency_keys.hand_over_free_keys),
        PeriodicTask("stuck consumer", often, lambda: maintenance.stop_if_stuck(stop_worker)),
    ]


class WorkerMaintenance:
    """What is known of one Celery worker, and done for it, by its threads."""

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        self.queues = sorted(worker.app.amqp.queues.consume_from)
        self.clock, self.watch, self.cancellations = LedgerClock(), SilenceWatch(), Cancellations()
        self.beaten_at = self.steady_since = self.forged_until = -math.inf  # monotonic seconds
        self.missing_since: dict[tuple[Any, int], float] = {}  # by jobs whose child is gone
        self.is_suspected = False
        self.started_at = time.monotonic()

    @property
    def busy(self) -> int:
        """Return how many processes have something to do; a message may wait for one."""
        return min(len(state.reserved_requests), self.worker.concurrency)

    def write_heartbeat_file(self) -> None:
        """Write the heartbeat file, but for a hanging event loop or maintenance thread: dead to the probe only, for its jobs run.

        A task of its own: a full disk, or a file that is somebody else's, must not look to the ledger like a dead worker.
        """
        if self.is_loop_turning() and self.is_maintained() and not worker_state.has_left_ledger:
            heartbeat_file.write(worker_state.broker_lost_at)

    def beat(self) -> None:
        if worker_state.has_left_ledger:  # a late beat would leave the row of a worker that is no more
            return
        asked = time.monotonic()
        shown = workers.beat(
            queues=json.dumps(self.queues),
            concurrency=self.worker.concurrency,
            busy=self.busy,
            stopping=worker_state.is_stopping,
            broker_away=_seconds_since(worker_state.broker_lost_at),
        )
        if step := self.clock.note(asked, shown, time.monotonic()):
            self.note_step(step)
        self.note_beat()

    def note_step(self, step: ClockStep) -> None:
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
        worker_state.submit(refusal.begin_waiting_again)
        if back:
            worker_state.submit(lambda: relay.catch_up(back, step.since))

    def note_beat(self) -> None:
        now = time.monotonic()
        if now - self.beaten_at > _two_beats():
            self.steady_since = now
        self.beaten_at = now

    def recover_lost_workers(self) -> None:
        """Recover the jobs of lost workers, unless this one's own beats have failed lately.

        After an outage of PostgreSQL everybody has been silent for too long, after a step of its clock everybody looks so: those
        that live need a beat to say so.
        """
        counted = self.clock.now()  # asked first: a step that is noticed in between makes the answer no
        if self.is_steady():
            workers.recover_lost(self.watch, counted)

    def republish_lost_messages(self) -> None:
        """Leave it for a while after a step of the clock: which message is older is known by its time."""
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

    def is_loop_turning(self) -> bool:
        return (
            worker_state.broker_lost_at is not None
            or time.monotonic() - worker_state.loop_turned_at < TURN_TIMEOUT
        )

    @staticmethod
    def is_maintained() -> bool:
        return time.monotonic() - worker_state.maintained_at < conf().stuck_after

    @staticmethod
    def follow_pauses() -> None:
        """Take no messages of paused queues from now on, and publish what pauses have held that are over."""
        now_paused = pauses.paused_queues()
        if now_paused != worker_state.paused_queues:
            worker_state.paused_queues = now_paused
            worker_state.note_start()  # that nothing has started meanwhile was no fault of the consumer
        pauses.release()

    def recover_dead_children(self) -> None:
        """Make jobs due again that nobody here runs, though the ledger says so: their child is gone, or has gone on.

        The pool reports most of the dead at once (offbeat.jobs.request).
        """
        if worker_state.is_killing_children:  # what the worker kills has not crashed
            return
        kill_stuck_children()
        found = self._jobs_without_process()
        now = time.monotonic()
        self.missing_since = {
            (job_id, pid): self.missing_since.get((job_id, pid), now) for job_id, pid in found
        }
        gone = [each for each, since in self.missing_since.items() if now - since >= MISSING]
        if gone:
            living = lanes.living or children(self.worker)
            others = {*living, *child_books.done()}
            recovery.recover_unrun(workers.current(), gone, others, "its process no longer exists")

    def _jobs_without_process(self) -> list[Any]:
        """Return the jobs that the ledger knows as running here, and the worker's books do not."""
        if not (pids := children(self.worker)):
            return []
        rows, known = sql.fetch_all(RUNNING, [workers.current()]), lanes_of_worker.jobs()
        if lanes_of_worker.pool:
            return [(job_id, lane) for job_id, lane in rows if (str(job_id), lane) not in known]
        return [
            (job_id, pid) for job_id, pid in rows if pid not in pids or not child_books.is_at(pid, job_id)
        ]

    def stop_if_stuck(self, stop_worker: Callable[[str], None]) -> None:
        """Stop when messages wait, processes are free, the broker is there and yet nothing has started for `stuck_after` seconds.

        Seen in the field after lost connections: the platform restarts what has exited, but not what only looks alive. It takes two
        looks: a message that has just come to a worker that was idle is about to be taken.
        """
        suspected, self.is_suspected = self.is_suspected, False
        idle = time.monotonic() - worker_state.task_started_at
        if (
            worker_state.broker_lost_at is not None
            or worker_state.is_stopping
            or idle < conf().stuck_after
            or self.busy >= self.worker.concurrency
        ):
            return
        closed = worker_state.paused_queues | worker_state.unusable_queues
        open_queues = [queue for queue in self.queues if queue not in closed]
        stuck = [queue for queue in open_queues if broker.waiting(queue)]
        self.is_suspected = bool(stuck)
        if stuck and suspected:
            stop_worker(
                f"messages wait in {', '.join(stuck)}, processes are free, and nothing has started for {idle:.0f} s"
            )


def children(worker: Any) -> set[int]:
    """Return the pids of the pool's processes; none for one that has stopped, or has none."""
    if lanes_of_worker.pool:
        return lanes_of_worker.pool.pids()
    pool = getattr(getattr(worker, "pool", None), "_pool", None)
    return {process.pid for process in list(getattr(pool, "_pool", []))}


def kill_stuck_children() -> None:
    """Kill a child that records an end for too long: it stands still, and no time limit holds for it any more."""
    for pid, seconds in child_books.open_ends().items():
        if seconds > conf().stuck_after:
            logger.error(
                "process %d is killed: the end of its job was not recorded within %.0f s",
                pid,
                seconds,
                extra={"action": "child_stuck"},
            )
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _two_beats() -> float:
    return 2 * conf().heartbeat_interval


def _seconds_since(moment: float | None) -> float | None:
    return None if moment is None else time.monotonic() - moment
