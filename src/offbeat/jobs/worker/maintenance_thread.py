"""Threads of the worker's main process: one maintains (relay, reconciler), one beats, one runs the periodic tasks of other apps.

Threads, not timers of Celery's event loop: that loop stands still while it waits for a lost broker, and nothing of this may.
Each has a connection of its own, on which no statement waits long for what somebody else has locked.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import TYPE_CHECKING, Any

from django.db import DataError, IntegrityError, connection
from django.db import Error as DatabaseFailure

from offbeat.jobs import broker, locks
from offbeat.jobs.error_text import one_line
from offbeat.jobs.worker.state import worker_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from offbeat.jobs.worker.periodic_tasks import PeriodicTask

logger = logging.getLogger(__name__)


class PeriodicThread(threading.Thread):
    """Runs periodic tasks until the process ends. PostgreSQL or Redis down: it says so once, and goes on trying."""

    def __init__(self, tasks: Sequence[PeriodicTask], name: str = "jobs-maintenance") -> None:
        super().__init__(name=name, daemon=True)
        self.tasks = tasks
        self.waiting: set[str] = set()  # names of what waits for a server, and has been reported

    def run(self) -> None:
        with locks.bound_statements():
            while True:
                self.run_due_tasks()
                self.wait(until=min(task.next_at for task in self.tasks))

    def run_due_tasks(self) -> None:
        for task in self.tasks:
            if time.monotonic() >= task.next_at:
                done = self.try_once(task.name, task.act)
                if done:
                    self.waiting.discard(task.name)
                wait = task.interval if done or task.pause is None else task.pause
                task.next_at = time.monotonic() + wait

    def wait(self, until: float) -> None:
        time.sleep(max(0.0, until - time.monotonic()))

    def try_once(self, name: str, act: Callable[[], Any]) -> bool:
        """Call `act`; tell whether that was all that could be done: False asks for another try."""
        try:
            act()
        except BaseException as error:  # such as SystemExit of a hook: nobody would miss the thread
            if not is_outage(error):
                logger.exception("%s failed", name, extra={"action": "maintenance_failed"})
                return True  # a defect: trying again would not help
            self.report_once(name, error)
            if isinstance(error, DatabaseFailure) and not locks.is_held(error):
                connection.close()
            return False
        return True

    def report_once(self, name: str, error: BaseException) -> None:
        if name in self.waiting:
            return
        self.waiting.add(name)
        line = one_line(str(error))
        if locks.is_held(error):
            line += f"; held by {locks.holders() or 'nobody that can be seen'}"
        logger.warning(
            "%s waits: %s: %s", name, type(error).__name__, line, extra={"action": "maintenance_waits"}
        )


class MaintenanceThread(PeriodicThread):
    """Also records what the main thread submits, without waiting for the next task's time."""

    def wait(self, until: float) -> None:
        """Record what is submitted until then, at least what is there; keep what PostgreSQL does not take for the next round."""
        worker_state.maintained_at = time.monotonic()
        refused, there = [], worker_state.records.qsize()
        while (wait := until - time.monotonic()) > 0 or there > 0:
            there -= 1
            try:
                act = worker_state.records.get(timeout=max(0.0, wait))
            except queue.Empty:
                break
            if not self.try_once("records", act):
                refused.append(act)
        for act in refused:
            worker_state.submit(act)
        if not refused:
            self.waiting.discard("records")


def is_outage(error: BaseException) -> bool:
    """Tell whether the same may succeed later: not where the database is there, and refuses the values."""
    refused = isinstance(error, DataError | IntegrityError)
    outages: tuple[type[BaseException], ...] = (DatabaseFailure, broker.BrokerAwayError, OSError)
    return not refused and isinstance(error, outages + broker.errors())
