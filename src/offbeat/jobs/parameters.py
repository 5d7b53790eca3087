"""What a type checker knows of a task: the parameters of its function, what it returns, and the options of its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from typing_extensions import ParamSpec, TypeVar

    from offbeat.jobs.models import Batch
    from offbeat.jobs.tasks_backend.retry_policy import Retry

    # A class of tasks that says nothing of them has any.
    P = ParamSpec("P", default=...)
    R = TypeVar("R", default=Any)
else:
    from typing import ParamSpec, TypeVar

    P, R = ParamSpec("P"), TypeVar("R")


class EnqueueOptions(TypedDict, total=False):
    """The options of `using`: those of `Enqueuer`."""

    key: str | None
    concurrency_key: str | None
    when_busy: Literal["wait", "skip"]
    run_at: datetime | None
    not_after: datetime | None
    queue: str | None
    priority: int | None
    batch: Batch | None


class TaskOptions(TypedDict, total=False):
    """The options of a task of Django's: those of `LedgerTask`."""

    priority: int | None
    queue_name: str | None
    run_after: datetime | None
    backend: str | None
    key: str | Callable[..., str] | None
    concurrency_key: str | Callable[..., str] | None
    when_busy: Literal["wait", "skip"]
    not_after: datetime | timedelta | None
    max_attempts: int | None
    atomic: bool
    time_limit: float | None
    soft_time_limit: float | None
    statement_timeout: float | None
    retry: Retry | None
    batch: Batch | None
