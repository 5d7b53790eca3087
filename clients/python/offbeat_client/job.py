"""A job as its producer sees it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Mapping

FINISHED = ("succeeded", "dead", "cancelled", "expired")


@dataclass(frozen=True, slots=True)
class Job:
    """What `offbeat_job` says of a job: the same as the HTTP API does.

    `progress` has "done" and "total" where the task reports it; `result` is what the task returned, where it keeps results;
    `error` says why a job is dead, cancelled or expired.
    """

    id: UUID
    task: str
    queue: str
    state: str
    attempt: int
    progress: Mapping[str, int] | None
    result: Any
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_finished(self) -> bool:
        return self.state in FINISHED


def read_job(found: Mapping[str, Any] | None) -> Job | None:
    """Return a job of what the database says of it; what a newer one says besides is left out."""
    if found is None:
        return None
    values = {field.name: found[field.name] for field in fields(Job)}
    for name in ("created_at", "started_at", "finished_at"):
        values[name] = values[name] and datetime.fromisoformat(values[name])
    return Job(**values | {"id": UUID(values["id"])})
