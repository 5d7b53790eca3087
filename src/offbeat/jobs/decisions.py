"""What a person decides about a job: try a dead letter again, discard it, run a finished job once more."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction

from offbeat.jobs import batches, signals, sql
from offbeat.jobs.consequences import send_after_commit
from offbeat.jobs.models import Job
from offbeat.jobs.producer import Call, enqueue
from offbeat.jobs.relay import publish_job

if TYPE_CHECKING:
    import uuid

RETRY = """
    UPDATE offbeat_jobs_job SET state = 'pending', due_at = now(), publish_at = now(), finished_at = NULL, crashes = 0, retries = 0,
        excused = 0, refused_by = '[]', refused_at = NULL,
        not_after = CASE WHEN not_after > now() THEN not_after END, reason = 'retried by hand'
    WHERE id = %s AND state IN ('dead', 'cancelled', 'expired') RETURNING batch_id
"""
# Of a job that has ended; else it would end the attempt that follows, too.
FORGET_CANCEL = """
    DELETE FROM offbeat_jobs_cancellation USING offbeat_jobs_job
    WHERE job_id = id AND id = %s AND state IN ('dead', 'cancelled', 'expired')
"""
DISCARD = """
    UPDATE offbeat_jobs_job SET state = 'cancelled', finished_at = clock_timestamp(), reason = %s
    WHERE id = %s AND state IN ('dead', 'pending', 'published') RETURNING batch_id, task
"""


def retry(job_id: uuid.UUID) -> bool:
    """Make a dead, cancelled or expired job due again, with fresh attempts; tell whether it was one."""
    with transaction.atomic():
        sql.execute(FORGET_CANCEL, [job_id])
        row = sql.fetch_one(RETRY, [job_id])
        if row and row[0]:
            batches.reopen(row[0])
        if row:
            transaction.on_commit(partial(publish_job, job_id))
    return row is not None


def discard(job_id: uuid.UUID, reason: str = "discarded by hand") -> bool:
    """Cancel a job that does not run: a dead letter, or one that waits; tell whether it could be."""
    row = sql.fetch_one(DISCARD, [reason, job_id])
    if row and row[0]:
        batches.settle_after_commit(row[0])
    if row:
        send_after_commit(signals.job_cancelled, row[1], job_id, reason)
    return row is not None


def run_again(job_id: uuid.UUID) -> Job:
    """Enqueue a new job with the task and arguments of an old one. Raises Job.DoesNotExist."""
    old = Job.objects.get(pk=job_id)
    return enqueue(
        Call(
            old.task,
            old.queue,
            old.max_attempts,
            old.args,
            old.kwargs,
            concurrency_key=old.concurrency_key,
            priority=old.priority,
            runner=old.runner,
            options=old.options,
        )
    )
