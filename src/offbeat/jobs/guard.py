"""Why a job may not start now: a cancel, a pause, its key, its time. Each is asked here, with one reason that the row shows.

What is the same for every start is in the statement that starts (`offbeat.jobs.attempts`), and nothing else is asked on that way.
Only a job that did not start is looked at again: it waits, as a pending row with its reason, or it ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.jobs import signals, sql
from offbeat.jobs.consequences import follow, send_after_commit
from offbeat.jobs.models import BUSY, PAUSED, Job

if TYPE_CHECKING:
    import uuid

RUN_BY = "coalesce(nullif(offbeat_jobs_job.runner, ''), offbeat_jobs_job.task)"  # the task of Celery that runs a job
# By a message: of this task, and from the queue that the job is in. One that was left behind when its job was moved starts nothing.
IS_MEANT = f"{RUN_BY} = coalesce(%(task)s, {RUN_BY}) AND queue = coalesce(%(queue)s, queue)"
# What is published was due when it was: a database whose clock steps back must not refuse it.
STARTABLE = "(state = 'published' OR state = 'pending' AND due_at <= now())"
KEY_IS_BUSY = """EXISTS (SELECT 1 FROM offbeat_jobs_job AS other
    WHERE other.state = 'running' AND other.concurrency_key = offbeat_jobs_job.concurrency_key)"""
# Paused or cancelled. A function of the database: PostgreSQL plans a subquery anew for each start, which costs twice as much.
IS_HELD = "offbeat_jobs_is_held(offbeat_jobs_job.id, offbeat_jobs_job.queue, offbeat_jobs_job.task)"
IS_CANCELLED = "EXISTS (SELECT FROM offbeat_jobs_cancellation WHERE job_id = offbeat_jobs_job.id)"
# Of a job that its id finds, so that PostgreSQL looks it up by that. The index of the jobs that run seems smaller, where they are
# few; but while an old transaction is open, it has all that have run since.
IS_RUNNING = "state || '' = 'running'"
IN_TIME = "(not_after IS NULL OR not_after > now())"
# Of a job that has begun: the code that begins it the next time is asked anew.
ACCEPTED = "refused_at = NULL, refused_by = '[]'"


def turn_away(job_id: uuid.UUID, task: str | None = None, queue: str | None = None) -> None:
    """Say of a job that did not start why it waits, or end it; a duplicate's row says it already.

    `task` is what the message says, `queue` where it waited: one of another task than what runs the job, or from a queue that the
    job is not in, changes nothing.
    """
    _ = (
        cancel_waiting(job_id)
        or hold(job_id, task, queue)
        or step_back(job_id, task, queue)
        or expire(job_id)
    )


CANCEL_WAITING = """
    UPDATE offbeat_jobs_job SET state = 'cancelled', finished_at = clock_timestamp(), reason = cancellation.reason
    FROM offbeat_jobs_cancellation AS cancellation
    WHERE id = %s AND job_id = id AND state IN ('pending', 'published')
    RETURNING batch_id, task, offbeat_jobs_job.reason
"""


def cancel_waiting(job_id: uuid.UUID) -> bool:
    """End a job that was to be cancelled while it ran, and whose attempt ended another way in that moment."""
    if row := sql.fetch_one(CANCEL_WAITING, [job_id]):
        follow(row[0], None)
        send_after_commit(signals.job_cancelled, row[1], job_id, row[2])
    return row is not None


# Its due time stays: what has waited longest goes first when the pause is over.
HOLD = f"""
    UPDATE offbeat_jobs_job SET state = 'pending', publish_at = now() + interval '10 years', {ACCEPTED},
        reason = '{PAUSED}' || pause.kind || ' ' || pause.name
    FROM offbeat_jobs_pause AS pause
    WHERE offbeat_jobs_job.id = %(id)s AND {IS_MEANT} AND {STARTABLE} AND {IN_TIME}
        AND (pause.kind = 'queue' AND pause.name = queue OR pause.kind = 'task' AND pause.name = task)
    RETURNING concurrency_key
"""  # noqa: S608  constants


def hold(job_id: uuid.UUID, task: str | None = None, queue: str | None = None) -> bool:
    """Let a job of a paused queue or task wait for the end of the pause; tell whether it is one. Nothing is counted."""
    if row := sql.fetch_one(HOLD, {"id": job_id, "task": task, "queue": queue}):
        follow(None, row[0])  # it may have been given a key that others wait for
    return row is not None


# Not one that had the key, and lost it by a deploy, a deadlock or a crash: it has been begun, and is to be done.
SKIPS = "when_busy = 'skip' AND (attempt = 0 OR retries > 0) AND refused_at IS NULL"
STEP_BACK = f"""
    UPDATE offbeat_jobs_job SET reason = %(reason)s,
        state = CASE WHEN {SKIPS} THEN 'cancelled' ELSE 'pending' END,
        finished_at = CASE WHEN {SKIPS} THEN clock_timestamp() END,
        due_at = now() + interval '1 day', publish_at = now() + interval '1 day'
    WHERE id = %(id)s AND {IS_MEANT} AND {STARTABLE} AND concurrency_key IS NOT NULL
        AND {IN_TIME}
    RETURNING state, batch_id, concurrency_key, task
"""  # noqa: S608  constants


def step_back(job_id: uuid.UUID, task: str | None = None, queue: str | None = None) -> bool:
    """Let a job whose key was busy wait for it, or end as cancelled, as `when_busy` says; tell whether it was such a job."""
    row = sql.fetch_one(STEP_BACK, {"id": job_id, "task": task, "queue": queue, "reason": BUSY})
    if row is None:
        return False
    state, batch_id, key, name = row
    if state == Job.State.CANCELLED:
        send_after_commit(signals.job_cancelled, name, job_id, BUSY)
    # The other one may have ended meanwhile, and found nobody to hand its key over to.
    follow(batch_id if state == Job.State.CANCELLED else None, key)
    return True


LATE = "not started before its not_after"
EXPIRE = f"""
    UPDATE offbeat_jobs_job SET state = 'expired', finished_at = clock_timestamp(), reason = '{LATE}'
    WHERE id = %s AND state IN ('pending', 'published') AND not_after <= now() RETURNING batch_id, task
"""  # noqa: S608  a constant


def expire(job_id: uuid.UUID) -> bool:
    """End a job that was not started before its `not_after`; tell whether it was one."""
    if row := sql.fetch_one(EXPIRE, [job_id]):
        follow(row[0], None)
        send_after_commit(signals.job_expired, row[1], job_id, LATE)
    return row is not None
