"""Cancels jobs, also those that run: the request is a row, the worker that runs the job ends its attempt.

1. `cancel` ends what waits, at once; of a job that runs it writes a request;
2. its worker sees that within about a second, and interrupts the task as its soft time limit does; a task that goes on for
   `cancel_grace` seconds all the same is killed with its process (`offbeat.jobs.worker.cancellations`);
3. whatever ends the attempt, but a success that was quicker, finds the request and records `cancelled`: a failure, a retry, a
   crash, a worker that stops or is lost. Both are compare-and-sets on the attempt, so one of them is what happened.
Death at any point: the request stays until the job has ended, and keeps it from being started again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.db import transaction
from django.db.models import TextChoices

from offbeat.jobs import decisions, guard, sql, workers
from offbeat.jobs.models import Job

if TYPE_CHECKING:
    import uuid


class Cancelled(TextChoices):
    """What a cancel has done."""

    AT_ONCE = "cancelled"
    ASKED = "asked"  # its worker ends it
    ASKED_BEFORE = "asked before"  # by somebody else, whose reason it keeps
    TOO_LATE = "too late"  # it has ended, or there is no such job


REQUEST = f"""
    INSERT INTO offbeat_jobs_cancellation (job_id, reason)
    SELECT id, %s FROM offbeat_jobs_job WHERE id = %s AND {guard.IS_RUNNING} ON CONFLICT DO NOTHING
"""  # noqa: S608  a constant
TURNS = (
    3  # a job may begin, or end for a retry, between two statements; each time it is found in another state
)


def cancel(job_id: uuid.UUID, reason: str) -> Cancelled:
    """Cancel a job that waits or is a dead letter, and ask the worker of one that runs to end it. `reason` says why and by whom."""
    for _ in range(TURNS):
        if decisions.discard(job_id, reason):
            return Cancelled.AT_ONCE
        if sql.execute(REQUEST, [reason, job_id]):
            return Cancelled.ASKED
        state = Job.objects.filter(pk=job_id).values_list("state", flat=True).first()
        if state == Job.State.RUNNING and requested_reason(job_id) is not None:
            return Cancelled.ASKED_BEFORE
        if state is None or state in Job.FINISHED:
            break
    return Cancelled.TOO_LATE


def reason_of(given: str, by: str) -> str:
    """Return what a cancelled job's row says: by whom, and why."""
    given = " ".join(given.replace("\0", " ").split())[:500]
    return f"cancelled by {by}: {given}" if given else f"cancelled by {by}"


REASON = "SELECT reason FROM offbeat_jobs_cancellation WHERE job_id = %s"


def requested_reason(job_id: uuid.UUID) -> str | None:
    """Return why a job is to be cancelled, None where nobody has asked for it."""
    row = sql.fetch_one(REASON, [job_id])
    return row[0] if row else None


class Requested(NamedTuple):
    """An attempt of this worker that is to be ended."""

    job_id: uuid.UUID
    attempt: int
    pid: int


REQUESTED = """
    SELECT job_id, state, worker, attempt, pid FROM offbeat_jobs_cancellation
    LEFT JOIN offbeat_jobs_job ON offbeat_jobs_job.id = job_id
"""
OVER = """
    DELETE FROM offbeat_jobs_cancellation WHERE job_id = ANY(%s) AND NOT EXISTS (
        SELECT FROM offbeat_jobs_job WHERE id = job_id AND state IN ('pending', 'published', 'running'))
"""


def requested() -> list[Requested]:
    """Return the attempts of this worker that are to be ended; end jobs that wait by now, and forget what is over."""
    rows = sql.fetch_all(REQUESTED)
    if waiting := [job_id for job_id, state, *_ in rows if state in Job.STARTABLE]:
        for job_id in waiting:
            with transaction.atomic():
                guard.cancel_waiting(job_id)
    if over := [job_id for job_id, state, *_ in rows if state is None or state in Job.FINISHED]:
        sql.execute(OVER, [over])
    me = workers.current()
    return [
        Requested(job_id, attempt, pid)
        for job_id, state, worker, attempt, pid in rows
        if state == Job.State.RUNNING and worker == me
    ]
