"""Starts the threads that maintain a worker, and prepares its processes."""

from __future__ import annotations

import gc
import logging
import os
import signal
from typing import Any

from celery import bootsteps, signals
from django.conf import settings

from offbeat.database import statement_bounds
from offbeat.jobs import (
    child_books,
    code,
    leftovers,
    refusal,  # noqa: F401  registers a Celery signal
    sessions,
    soft_limit,
    workers,
)
from offbeat.jobs.conf import conf
from offbeat.jobs.worker import commands  # noqa: F401  registers a command of Celery's remote control
from offbeat.jobs.worker.graceful_stop import stop_worker
from offbeat.jobs.worker.health_port import EVERYWHERE, open_health_port
from offbeat.jobs.worker.maintenance import WorkerMaintenance, heartbeat_tasks, maintenance_tasks
from offbeat.jobs.worker.maintenance_thread import MaintenanceThread, PeriodicThread
from offbeat.jobs.worker.periodic_tasks import registered

logger = logging.getLogger(__name__)


class MaintenanceStep(bootsteps.StartStopStep):
    """Starts the threads when the pool has started. They go on until the process ends, so that a stopping worker still beats."""

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        maintenance = WorkerMaintenance(worker)
        PeriodicThread(heartbeat_tasks(maintenance), name="jobs-heartbeat").start()
        MaintenanceThread(maintenance_tasks(maintenance, stop_worker)).start()
        if others := registered():
            PeriodicThread(others, name="jobs-periodic").start()
        # A project without the template has neither setting.
        open_health_port(getattr(settings, "BIND", EVERYWHERE), getattr(settings, "HEALTH_PORT", 0))


@signals.celeryd_after_setup.connect
def freeze_garbage_collector(**_: Any) -> None:
    """Leave modules, models and tasks out of the garbage collector's rounds, before the children are forked.

    A full round over them takes up to a tenth of a second, in which no message is dispatched; and it would copy into each child
    the pages that they share.
    """
    code.fingerprint()  # of what is loaded now, for this process and its children
    gc.freeze()


@signals.celeryd_after_setup.connect
def open_books(instance: Any, **_: Any) -> None:
    child_books.open_books(instance.concurrency)


@signals.worker_process_init.connect
def ignore_sigterm(**_: Any) -> None:
    """Let a child outlive the SIGTERM that some platforms send to every process: its parent decides when it has to stop."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@signals.worker_process_init.connect
def hold_soft_limits_back(**_: Any) -> None:
    soft_limit.hold_back_between_jobs()


@signals.celeryd_after_setup.connect
def hold_jobs(instance: Any, **_: Any) -> None:
    """Let a worker that is to take nothing consume no queue; what comes stays in Redis and in PostgreSQL."""
    if conf().hold:
        queues = instance.app.amqp.queues
        queues.deselect(list(queues.consume_from))
        logger.warning(
            "jobs and messages wait: this worker starts none (maintenance mode)",
            extra={"action": "jobs_held_back"},
        )


@signals.celeryd_after_setup.connect
@signals.worker_process_init.connect
def name_sessions(**_: Any) -> None:
    """Let PostgreSQL tell of each session whose it is: when its process no longer exists, it is ended."""
    sessions.name_sessions(workers.current(), os.getpid())


@signals.celeryd_after_setup.connect
def bound_statements(**_: Any) -> None:
    """Bound what the tasks' statements may take; the children inherit it."""
    statement_bounds.bound_process(conf().statement_timeout, conf().task_idle_timeout)


@signals.worker_process_init.connect
def abandon_sessions_in_forks(**_: Any) -> None:
    os.register_at_fork(after_in_child=leftovers.abandon_sessions)
