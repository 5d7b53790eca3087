"""The graceful stop: finish what fits in the grace, hand back the rest as due again, exit.

Celery's own ways do not fit a platform: the warm shutdown waits for ever, the cold one kills at once, and the soft one sleeps its
whole timeout in a signal handler, with the event loop standing still.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import bootsteps, signals
from celery.worker import state
from django.db import Error as DatabaseFailure

from offbeat.jobs import child_books, locks, recovery, workers
from offbeat.jobs.conf import conf
from offbeat.jobs.processes import wait_for_death
from offbeat.jobs.worker import heartbeat_file
from offbeat.jobs.worker.maintenance import children
from offbeat.jobs.worker.pool import is_solo
from offbeat.jobs.worker.state import worker_state

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

HANDED_BACK = "returned to the queue by a worker that stopped"
LAST_MESSAGE = 2.0  # seconds for the event loop to stop consuming, unless it stands still
STAND_STILL = signal.SIGUSR2
STANDS_STILL = 0.2  # seconds until the main thread's handler runs, unless no step of Python follows at all
LAST_LINE = 0.5  # seconds for a line of the log
LAST_RECORD = 2.0  # seconds for the last statement to PostgreSQL, and the lines about it
LAST_WORDS = 5.0  # seconds between handing back and leaving by force: what Celery needs to close its connections, and some


class GracefulStop(bootsteps.StartStopStep):
    """Takes SIGTERM and the first SIGINT: stop consuming, wait for running tasks up to `drain` seconds, hand the rest back, exit.

    A second SIGINT, and SIGQUIT, hand back at once. The event loop goes on turning meanwhile: results are read, messages
    acknowledged, leases renewed.
    """

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        self.worker = worker
        self.hurry = threading.Event()
        self.asked: queue.SimpleQueue[None] = queue.SimpleQueue()

    def start(self, worker: Any) -> None:
        # Begun now, and not when it is needed: a machine at its limit starts no thread.
        threading.Thread(target=self.stop_when_asked, name="jobs-stop", daemon=True).start()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self.on_signal)
        if is_solo(worker):
            signal.signal(STAND_STILL, lambda *_: time.sleep(3600))

    def on_signal(self, number: int, frame: Any) -> None:
        if number == signal.SIGQUIT or (number == signal.SIGINT and worker_state.is_stopping):
            self.hurry.set()
        if not worker_state.is_stopping:
            worker_state.is_stopping = True
            self.asked.put(None)  # which a handler may, whatever it interrupts

    def stop_when_asked(self) -> None:
        self.asked.get()
        self.stop_gracefully()
        time.sleep(LAST_WORDS)
        exit_by_force(self.worker)

    def stop_gracefully(self) -> None:
        deadline = time.monotonic() + conf().drain
        self.stop_consuming()
        log_without_waiting(
            logging.INFO, f"stopping, with {len(state.reserved_requests)} running tasks", "worker_stopping"
        )
        while is_at_work() and time.monotonic() < deadline and not self.hurry.is_set():
            time.sleep(0.1)
        if has_jobs():  # killed before their jobs are handed back: never two at once
            kill_children(self.worker)
            do_within(LAST_RECORD, hand_back)
            state.should_terminate = os.EX_OK
        else:
            state.should_stop = os.EX_OK

    def stop_consuming(self) -> None:
        """Ask for no more messages, and return when none can come any more: what is in hand then has the whole grace.

        From the event loop: cancelling between BRPOP and its answer would lose one. A loop that stands still, as it does without
        a broker, takes no message either.
        """
        consumer = getattr(self.worker.consumer, "task_consumer", None)
        hub = getattr(self.worker, "hub", None)
        if consumer is None or hub is None:
            return
        cancelled = threading.Event()

        def cancel() -> None:
            consumer.cancel()
            cancelled.set()

        hub.call_soon(cancel)
        cancelled.wait(LAST_MESSAGE)


def is_at_work() -> bool:
    """Tell whether tasks run, or a request for messages is open: what SQS gives to it afterwards would be hidden from others."""
    return has_jobs() or bool(worker_state.open_requests)


def has_jobs() -> bool:
    """Tell whether tasks run, or ends of theirs are still to be recorded."""
    return bool(state.reserved_requests or child_books.open_ends())


def kill_children(worker: Any) -> None:
    """Kill the children, and return when they are dead. Without any, a task in the main thread takes no further step."""
    worker_state.is_killing_children = True
    if is_solo(worker):
        os.kill(os.getpid(), STAND_STILL)
        time.sleep(STANDS_STILL)
    pids = children(worker)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for_death(pids)


def hand_back() -> None:
    """Make this worker's running jobs due again. PostgreSQL down: the reconciler of another worker does it later."""
    with contextlib.suppress(DatabaseFailure), locks.bound_statements():
        count = recovery.hand_back(workers.current(), HANDED_BACK)
        logger.info(
            "returned %d jobs to the queue", count, extra={"action": "worker_handed_back", "jobs": count}
        )


@signals.worker_shutdown.connect
def leave_ledger(**_: Any) -> None:
    """The pool has stopped: nothing runs in this worker any more."""
    worker_state.has_left_ledger = True
    with contextlib.suppress(DatabaseFailure), locks.bound_statements():
        recovery.hand_back(workers.current(), HANDED_BACK)
        workers.leave_ledger()
    heartbeat_file.remove()


def exit_by_force(worker: Any) -> None:
    """Exit although Celery has not finished stopping, because the grace is nearly over.

    A message that came in the moment of stopping may still run: its child is killed before its job is handed back.
    """
    log_without_waiting(logging.WARNING, "exiting by force", "worker_exited_by_force")
    kill_children(worker)
    # PostgreSQL may be down, with its name: then another worker's reconciler does it.
    do_within(LAST_RECORD, leave_ledger)
    os._exit(os.EX_OK)


def do_within(seconds: float, act: Callable[[], Any]) -> None:
    """Do something that may take for ever, and go on after so many seconds."""
    thread = threading.Thread(target=act, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the machine starts no more
        act()
    else:
        thread.join(seconds)


def log_without_waiting(level: int, line: str, action: str) -> None:
    """Log; where nobody reads the log, and its pipe is full, a worker that stops must not wait for that."""
    do_within(LAST_LINE, partial(logger.log, level, line, extra={"action": action}))


def stop_worker(reason: str) -> None:
    """Stop a worker that cannot go on, so that the platform starts a new one."""
    os.kill(os.getpid(), signal.SIGTERM)  # first: the log may be what stands still
    logger.critical("stopping: %s", reason, extra={"action": "worker_stuck"})
