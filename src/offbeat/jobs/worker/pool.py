"""Which pool a worker has. In place of Celery's threads and greenlets it gets lanes: there a message runs once and limits hold.

In place of Celery's prefork it gets the same, whose children may answer before they record (`offbeat.jobs.open_end`).
"""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

from celery import bootsteps, concurrency
from celery.concurrency.prefork import TaskPool

from offbeat import pools
from offbeat.container import MOST

# Celery's, by the path of its class.
PREFORK = {"celery.concurrency.prefork:TaskPool": "offbeat.jobs.worker.child_pool:ChildPool"}
LANES = {
    "celery.concurrency.thread:TaskPool": "offbeat.jobs.worker.lane_pool:ThreadLanes",
    "celery.concurrency.gevent:TaskPool": "offbeat.jobs.worker.lane_pool:GreenletLanes",
}
SOLO = "celery.concurrency.solo:TaskPool"
IN_TESTS = "in a test call run_jobs() of offbeat.jobs.testing"
NO_AUTOSCALE = (
    "--autoscale is not supported: Celery ends processes of the pool by its own count, which knows nothing of jobs. "
    "Hint: set --concurrency, and let the platform start more workers"
)
SIZE_HINT = "a number of jobs that run at a time; for more, let the platform start more workers"
PATCHED = (
    "gevent has replaced parts of Python in the worker's main process. "
    "Hint: start it by python manage.py worker --pool gevent"
)


class PoolChoice(bootsteps.Step):
    """Gives a worker lanes, and ends one with a pool that is not supported, before any part of it starts."""

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        found = path(worker.pool_cls)
        if problem := _problem(found, worker) or _size_problem(worker, kwargs.get("autoscale")):
            refuse(problem)
        if found in LANES:
            use_lanes()
        if ours := (LANES | PREFORK).get(found):
            worker.pool_cls = concurrency.get_implementation(ours)


def _problem(found: str, worker: Any) -> str:
    if type(worker).__module__.startswith("celery.contrib.testing"):  # it runs in a thread of the test
        return f"the worker's pool is {found}, and not in the main thread. Hint: {IN_TESTS}"
    if found == "celery.concurrency.gevent:TaskPool" or _is_patched():
        return PATCHED if _is_patched() else ""
    if found in (SOLO, *LANES, *LANES.values()) or is_prefork(worker.pool_cls):
        return ""
    return f"the worker's pool is {found}, which is not supported. Hint: {pools.HINT}; {IN_TESTS}"


def _size_problem(worker: Any, autoscale: Any) -> str:
    if autoscale:
        return NO_AUTOSCALE
    count = worker.concurrency or 0
    return f"--concurrency is {count}, and may be {MOST} at most. Hint: {SIZE_HINT}" if count > MOST else ""


def _is_patched() -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return bool(monkey and monkey.is_module_patched("threading"))


def use_lanes() -> None:
    """Let Celery's names mean lanes: its own class for greenlets would import gevent, into a process that has no use for it."""
    concurrency.ALIASES.update(
        {name: LANES[path] for name, path in concurrency.ALIASES.items() if path in LANES}
    )


def is_solo(worker: Any) -> bool:
    """Tell whether tasks run in the main thread of the worker itself."""
    return path(type(worker.pool)) == SOLO


def is_prefork(pool: Any) -> bool:
    """Tell whether a class is prefork or made of it."""
    return isinstance(pool, type) and issubclass(pool, TaskPool)


def path(pool: Any) -> str:
    return pool if isinstance(pool, str) else f"{pool.__module__}:{pool.__qualname__}"


def refuse(problem: str) -> NoReturn:
    sys.stderr.write(f"Error: {problem}\n")
    sys.exit(os.EX_CONFIG)
