"""A backend for Django's tasks: `@task` functions become jobs of the ledger. Public are the names below.

TASKS = {"default": {"BACKEND": "offbeat.jobs.tasks_backend.LedgerBackend", "QUEUES": []}}
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from offbeat.jobs.tasks_backend.backend import LedgerBackend
    from offbeat.jobs.tasks_backend.outcomes import (
        AttemptLostError,
        JobCancelledError,
        JobExpiredError,
        UnknownTaskError,
    )
    from offbeat.jobs.tasks_backend.retry_policy import Retry
    from offbeat.jobs.tasks_backend.task import LedgerContext, LedgerTask

__all__ = [
    "AttemptLostError",
    "JobCancelledError",
    "JobExpiredError",
    "LedgerBackend",
    "LedgerContext",
    "LedgerTask",
    "Retry",
    "UnknownTaskError",
]
HOMES = {
    "AttemptLostError": "outcomes",
    "JobCancelledError": "outcomes",
    "JobExpiredError": "outcomes",
    "LedgerBackend": "backend",
    "LedgerContext": "task",
    "LedgerTask": "task",
    "Retry": "retry_policy",
    "UnknownTaskError": "outcomes",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: no wake-up pays for Django's tasks that enqueues none."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
