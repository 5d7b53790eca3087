"""What comes and goes as JSON: the bodies of requests and answers, from which ninja writes the OpenAPI document."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  pydantic reads the hints
from typing import Annotated, Any
from uuid import UUID  # noqa: TC003  pydantic reads the hints

from ninja import Schema
from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field


def require_text(value: Any) -> Any:
    """Refuse numbers, also as text: whether they are seconds or milliseconds would be a guess."""
    if not isinstance(value, str) or "-" not in value[1:]:
        raise ValueError(  # the one that pydantic reports
            "should be a time with its zone, such as 2026-11-26T12:00:00Z"
        )
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(require_text), Field(strict=False)]


class WantedJob(Schema):
    """A task with its arguments, and when and where it runs."""

    model_config = ConfigDict(extra="forbid", strict=True)

    task: Annotated[str, Field(max_length=255, examples=["shop.tasks.charge"])]
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    queue: Annotated[str | None, Field(min_length=1, max_length=100)] = None
    priority: Annotated[int | None, Field(ge=-100, le=100)] = None
    run_at: Moment | None = None
    not_after: Moment | None = None


class JobReceipt(Schema):
    """A job that is in the ledger."""

    id: UUID
    task: str
    queue: str
    state: str
    created_at: datetime
    status_url: str
    events_url: str


class JobProgress(Schema):
    """How far a job is, as its task says."""

    done: int
    total: int


class JobStatus(JobReceipt):
    """How a job is."""

    attempt: int
    progress: JobProgress | None
    result: Any
    error: str | None
    started_at: datetime | None
    finished_at: datetime | None


class QueueStatus(Schema):
    """How deep a queue is. `waiting` jobs could start now, `later` ones have a time ahead."""

    name: str
    waiting: int
    later: int
    running: int
    dead: int
    oldest_age_seconds: float | None
    consumers: int
    is_paused: bool


class WorkerStatus(Schema):
    """A worker, as of its last heartbeat."""

    name: str
    queues: list[str]
    concurrency: int
    busy: int
    version: str
    started_at: datetime
    heartbeat_at: datetime
    is_alive: bool
    is_stopping: bool


class CronjobStatus(Schema):
    """A cronjob; `conditions` are what is wrong with it."""

    name: str
    schedule: str
    timezone: str
    next_slot: datetime
    last_fire_at: datetime | None
    last_success_at: datetime | None
    is_paused: bool
    conditions: list[str]


class ValueProblem(Schema):
    """One value that is wrong: where, and what would be right."""

    pointer: str
    detail: str


class ProblemDetails(Schema):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ValueProblem] = []
