"""The worker bootstep that starts the keeper."""

from __future__ import annotations

import gc
import signal
from typing import Any

from celery import bootsteps, signals

from jobs import refusal  # noqa: F401  registers a Celery signal
from jobs.worker.duties import registered
from jobs.worker.keeper import Assistant, Keeper
from jobs.worker.stop import leave
from jobs.worker.view import duties


class KeeperStep(bootsteps.StartStopStep):
    """Starts the keeper when the pool has started; it goes on until the process ends, so that a stopping worker still beats."""

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        Keeper(duties(worker, leave)).start()
        if others := registered():
            Assistant(others, name="jobs-assistant").start()


@signals.celeryd_after_setup.connect
def set_apart_what_is_loaded(**_: Any) -> None:
    """Leave modules, models and tasks out of the garbage collector's rounds, before the children are forked.

    A full round over them takes up to a tenth of a second, in which no message is dispatched; and it would copy into each child
    the pages that they share.
    """
    gc.freeze()


@signals.worker_process_init.connect
def ignore_sigterm(**_: Any) -> None:
    """Let a child outlive the SIGTERM that some platforms send to every process: its parent decides when it has to stop."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
