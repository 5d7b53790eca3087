"""The execution guard: a message may arrive never, twice or late; the ledger decides, by compare-and-set, whether a job starts.

`begin` takes a job from pending or published to running and counts the attempt. That number is the fencing token: whatever ends an
attempt names it, and changes nothing when another attempt has begun meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, connection, transaction

from jobs import batches
from jobs.conf import conf
from jobs.models import Job

if TYPE_CHECKING:
    import uuid


class FencedError(Exception):
    """The attempt is no longer the job's current one: it was taken for dead, and the job was started again or decided otherwise.

    Nothing of it is recorded. Inside `atomic` tasks, their effects are rolled back with it.
    """


@dataclass(slots=True)
class Attempt:
    """One execution of a job, as the child process that executes it knows it."""

    job_id: uuid.UUID
    number: int
    args: list[Any]
    kwargs: dict[str, Any]
    context: dict[str, str]
    retries: int
    max_attempts: int
    batch_id: uuid.UUID | None
    concurrency_key: str | None
    again: Again | None = None  # set by `self.retry`
    progress_told_at: float = 0.0  # monotonic seconds


BEGIN = """
    UPDATE jobs_job SET state = 'running', attempt = attempt + 1, worker = %(worker)s, pid = %(pid)s, started_at = clock_timestamp()
    WHERE id = %(id)s AND CASE state
        WHEN 'running' THEN worker = %(worker)s AND pid = %(pid)s
        ELSE state IN ('pending', 'published') AND due_at <= now() AND (not_after IS NULL OR not_after > now())
    END
    RETURNING attempt, args, kwargs, context, retries, max_attempts, batch_id, concurrency_key
"""


def begin(job_id: uuid.UUID, worker: uuid.UUID | None) -> Attempt | None:
    """Start a job; None when there is nothing to start: a duplicate, a job that ended or expired, or one whose key is busy.

    A row that says that this very process runs it is one whose answer was lost in an outage: a process runs one job at a time,
    so the attempt is begun anew.
    """
    # Alone it is its own transaction; in that of a test, a savepoint keeps the refusal from ending it.
    around = transaction.atomic() if connection.in_atomic_block else contextlib.nullcontext()
    try:
        with around, connection.cursor() as cursor:
            cursor.execute(BEGIN, {"id": job_id, "worker": worker, "pid": os.getpid()})
            row = cursor.fetchone()
    except IntegrityError:  # jobs_one_running: another job of this concurrency_key runs
        _step_back(job_id)
        return None
    if row is None:
        expire(job_id)
        return None
    number, args, kwargs, context, *rest = row
    return Attempt(job_id, number, json.loads(args), json.loads(kwargs), json.loads(context), *rest)


FINISH = """
    UPDATE jobs_job SET state = 'succeeded', finished_at = clock_timestamp(), reason = '', traceback = ''
    WHERE id = %s AND state = 'running' AND attempt = %s
"""


def finish(attempt: Attempt) -> None:
    """Record success. Raises FencedError when the attempt is no longer current: a normal end of a race, and it lost."""
    if attempt.batch_id or attempt.concurrency_key:
        with transaction.atomic():
            _end(FINISH, [attempt.job_id, attempt.number], attempt)
            _settle(attempt, succeeded=True)
    else:
        _end(FINISH, [attempt.job_id, attempt.number], attempt)


# Appends the attempt that ends to the job's history; takes its outcome and its reason.
HISTORY = """
    history = history || jsonb_build_array(jsonb_build_object('attempt', attempt, 'outcome', %s::text, 'reason', %s::text,
        'started_at', started_at, 'ended_at', clock_timestamp(), 'worker', worker))
"""

BURY = f"""
    UPDATE jobs_job SET state = 'dead', finished_at = clock_timestamp(), reason = %s, traceback = %s, {HISTORY}
    WHERE id = %s AND state = 'running' AND attempt = %s
"""  # noqa: S608  a constant


def bury(attempt: Attempt, reason: str, traceback: str) -> None:
    """Record that the task failed for good: a dead letter, until a person retries or discards it."""
    with transaction.atomic():
        _end(BURY, [reason, traceback, "failed", reason, attempt.job_id, attempt.number], attempt)
        _settle(attempt, succeeded=False)


RETRY = f"""
    UPDATE jobs_job SET state = 'pending', retries = retries + 1, reason = %s, traceback = %s, {HISTORY},
        args = coalesce(%s::jsonb, args), kwargs = coalesce(%s::jsonb, kwargs),
        due_at = now() + make_interval(secs => %s), publish_at = now() + make_interval(secs => %s)
    WHERE id = %s AND state = 'running' AND attempt = %s
"""  # noqa: S608  a constant


LONGEST_WAIT = 10 * 365 * 86_400.0  # seconds; PostgreSQL refuses times that are thousands of years away


@dataclass(frozen=True, slots=True)
class Again:
    """What a task asked for with `self.retry`: another attempt in `countdown` seconds, perhaps with other arguments (JSON)."""

    countdown: float
    args: str | None = None
    kwargs: str | None = None


def retry(attempt: Attempt, again: Again, reason: str, traceback: str) -> None:
    """Record that the task asks for another attempt; it waits in PostgreSQL."""
    wait = min(max(0.0, again.countdown), LONGEST_WAIT)
    with transaction.atomic():
        values = [
            reason,
            traceback,
            "retried",
            reason,
            again.args,
            again.kwargs,
            wait,
            wait,
            attempt.job_id,
            attempt.number,
        ]
        _end(RETRY, values, attempt)
        if attempt.concurrency_key:
            hand_over(attempt.concurrency_key)


PROGRESS = "UPDATE jobs_job SET progress_done = %s, progress_total = %s WHERE id = %s AND state = 'running' AND attempt = %s"


def progress(attempt: Attempt, done: int, total: int) -> None:
    """Record how far the attempt is. Raises FencedError when it is no longer current, so that a long task stops early."""
    _end(PROGRESS, [done, total, attempt.job_id, attempt.number], attempt)


EXPIRE = """
    UPDATE jobs_job SET state = 'expired', finished_at = clock_timestamp(), reason = 'not started before its not_after'
    WHERE id = %s AND state IN ('pending', 'published') AND not_after <= now() RETURNING batch_id
"""


def expire(job_id: uuid.UUID) -> bool:
    """End a job that was not started before its `not_after`; tell whether it was one."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(EXPIRE, [job_id])
        row = cursor.fetchone()
        if row and row[0]:
            batches.count(row[0], succeeded=False)
    return row is not None


def hand_over(concurrency_key: str) -> None:
    """Let the job that has waited longest for this key be published at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE jobs_job SET due_at = now(), publish_at = now() WHERE id = (
                SELECT id FROM jobs_job WHERE state = 'pending' AND concurrency_key = %s AND reason = %s
                ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)""",
            [concurrency_key, BUSY],
        )


BUSY = "waits for another job of the same concurrency_key"
STEP_BACK = """
    UPDATE jobs_job SET reason = %s,
        state = CASE when_busy WHEN 'skip' THEN 'cancelled' ELSE 'pending' END,
        finished_at = CASE when_busy WHEN 'skip' THEN clock_timestamp() END,
        due_at = now() + make_interval(secs => %s), publish_at = now() + make_interval(secs => %s)
    WHERE id = %s AND state IN ('pending', 'published') AND due_at <= now() RETURNING state, batch_id
"""


def _step_back(job_id: uuid.UUID) -> None:
    """Another job holds the concurrency key: wait for it, or end as cancelled, as `when_busy` says."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(STEP_BACK, [BUSY, conf().busy_retry, conf().busy_retry, job_id])
        row = cursor.fetchone()
        if row and row[0] == Job.State.CANCELLED and row[1]:
            batches.count(row[1], succeeded=False)


def _settle(attempt: Attempt, *, succeeded: bool) -> None:
    if attempt.batch_id:
        batches.count(attempt.batch_id, succeeded=succeeded)
    if attempt.concurrency_key:
        hand_over(attempt.concurrency_key)


def _end(statement: str, values: list[Any], attempt: Attempt) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        if cursor.rowcount == 0:
            raise FencedError(
                f"attempt {attempt.number} of job {attempt.job_id} is no longer the current one"
            )
