"""The life of a job: what happened to it, in order, and its attempts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from offbeat.jobs.models import Job

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import timedelta

    from offbeat.ops.models import AuditEntry


@dataclass(frozen=True)
class AttemptRow:
    """One execution, as far as the ledger knows it."""

    number: int
    started_at: datetime | None
    ended_at: datetime | None
    outcome: str
    reason: str
    worker: str

    @property
    def length(self) -> timedelta | None:
        return self.ended_at - self.started_at if self.started_at and self.ended_at else None


@dataclass(frozen=True)
class Event:
    """Something that happened to a job. `kind` is a state's name where it brought the job there."""

    at: datetime
    kind: str
    text: str
    reason: str = ""


def attempts(job: Job) -> list[AttemptRow]:
    """Return every attempt: those that did not succeed are in the history, the last one is in the row itself."""
    past = [_of_history(each) for each in job.history]
    if job.attempt > max((each.number for each in past), default=0):
        is_over = job.state != Job.State.RUNNING
        past.append(
            AttemptRow(
                job.attempt,
                job.started_at,
                job.finished_at if is_over else None,
                job.state,
                "",
                str(job.worker or ""),
            )
        )
    return past


def _of_history(attempt: Mapping[str, Any]) -> AttemptRow:
    return AttemptRow(
        attempt["attempt"],
        _moment(attempt.get("started_at")),
        _moment(attempt.get("ended_at")),
        attempt["outcome"],
        attempt["reason"],
        str(attempt.get("worker") or ""),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def timeline(job: Job, acts: Sequence[AuditEntry]) -> list[Event]:
    """Return what happened, the first thing first."""
    return sorted([*_birth(job), *_work(job), *_end(job), *_acts(acts)], key=lambda event: event.at)


def _birth(job: Job) -> Iterator[Event]:
    yield Event(job.created_at, "pending", "Enqueued: committed to PostgreSQL")
    if job.published_at:
        yield Event(job.published_at, "published", f"Published to the queue {job.queue}" + _again(job))


def _again(job: Job) -> str:
    return ", for the last time" if job.attempt > 1 or job.history else ""


def _work(job: Job) -> Iterator[Event]:
    for attempt in attempts(job):
        if attempt.started_at:
            yield Event(attempt.started_at, "running", f"Attempt {attempt.number} started")
        if attempt.ended_at and attempt.outcome != job.state:
            yield Event(
                attempt.ended_at, "ended", f"Attempt {attempt.number}: {attempt.outcome}", attempt.reason
            )


def _end(job: Job) -> Iterator[Event]:
    if job.finished_at:
        told = {attempt.reason for attempt in attempts(job)}
        yield Event(job.finished_at, job.state, ENDS[job.state], "" if job.reason in told else job.reason)
    elif job.state == Job.State.PENDING and job.due_at > job.created_at:
        yield Event(job.due_at, "due", "Due", job.reason)


ENDS: dict[str, str] = {
    Job.State.SUCCEEDED: "Succeeded",
    Job.State.DEAD: "Became a dead letter",
    Job.State.CANCELLED: "Cancelled",
    Job.State.EXPIRED: "Expired: not started in time",
}


def _acts(acts: Sequence[AuditEntry]) -> Iterator[Event]:
    for act in acts:
        yield Event(act.at, "act", f"{act.who}: {act.act}", act.result)
