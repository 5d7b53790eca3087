"""What a type checker knows of a task: the parameters of its function, what it returns, and the options of its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from datetime import datetime

    from typing_extensions import ParamSpec, TypeVar

    from offbeat.jobs.models import Batch

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
