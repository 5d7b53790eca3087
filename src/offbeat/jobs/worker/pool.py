"""Which pool a worker has: prefork, or it does not start. Threads and greenlets ran a message twice, and no hard limit fired."""

from __future__ import annotations

import os
import sys
from typing import Any

from celery import bootsteps
from celery.concurrency import ALIASES, get_implementation
from celery.concurrency.prefork import TaskPool

VARIABLE = "CELERY_WORKER_POOL"  # Celery's command line reads each of its options from such a variable, too
HINT = f"start it without -P or --pool, and without {VARIABLE}; in a test call run_jobs() of offbeat.jobs.testing"
REASON = "should be prefork, the only pool in which a message runs once and time limits work"


class PoolIsPrefork(bootsteps.Step):
    """Ends a worker with another pool before any part of it starts, whichever way it came by it."""

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        if not is_prefork(worker.pool_cls):
            sys.stderr.write(f"Error: the worker's pool is {path(worker.pool_cls)}: {REASON}. Hint: {HINT}\n")
            sys.exit(os.EX_CONFIG)


def is_prefork(pool: Any) -> bool:
    """Tell whether a pool, a class or a name of one, is prefork or made of it."""
    if isinstance(pool, str) and ALIASES.get(pool) == ALIASES["prefork"]:
        return True
    try:
        return issubclass(get_implementation(pool), TaskPool)
    except (ImportError, AttributeError, TypeError, ValueError):
        return False  # none that could start


def path(pool: Any) -> str:
    return pool if isinstance(pool, str) else f"{pool.__module__}:{pool.__qualname__}"
