"""Attempts: a message may arrive never, twice or late; the ledger decides, by compare-and-set, whether a job starts.

`begin` takes a job from pending or published to running and counts the attempt. That number is the fencing token: whatever ends an
attempt names it, and changes nothing when another attempt has begun meanwhile.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.db import IntegrityError, connection, transaction

from offbeat.jobs import guard, lanes, locks, signals, sql
from offbeat.jobs.conf import conf
from offbeat.jobs.consequences import follow, send_after_commit
from offbeat.jobs.guard import ACCEPTED, IN_TIME, IS_CANCELLED, IS_HELD, IS_MEANT, KEY_IS_BUSY, STARTABLE
from offbeat.jobs.history import CANCELLED_HISTORY, HISTORY, ending

if TYPE_CHECKING:
    import uuid


class FencedError(Exception):
    """The attempt is no longer the job's current one: it was taken for dead, and the job was started again or decided otherwise.

    Nothing of it is recorded. Inside `atomic` tasks, their effects are rolled back with it.
    """


class CancelledAttemptError(FencedError):
    """The attempt did not succeed, and a person has cancelled its job: that is recorded, and nothing else."""


@dataclass(slots=True)
class Attempt:
    """One execution of a job, as the child process that executes it knows it."""

    job_id: uuid.UUID
    number: int
    args: list[Any]
    kwargs: dict[str, Any]
    context: dict[str, str]
    options: dict[str, Any]  # of whoever runs it for another: see `task`
    task: str  # that of the job, which another one of Celery's may run
    retries: int
    excused: int
    max_attempts: int
    batch_id: uuid.UUID | None
    concurrency_key: str | None
    is_atomic: bool = False  # one transaction with the recording of its success
    keeps_result: bool = False
    target: Any = None  # what a task that runs jobs of others has found to run
    result: str | None = None  # JSON
    again: Again | None = None  # set by `self.retry`
    is_executed: bool = False  # its task has been called: whoever called it records the end
    is_ignored: bool = False  # the task has raised Ignore
    is_committed: bool = False  # the transaction of an `atomic` task
    is_open: bool = False  # it has succeeded, which is recorded with the next begin
    progress_told_at: float = 0.0  # monotonic seconds

    def note_commit(self) -> None:
        self.is_committed = True


# What a statement that begins an attempt returns of it.
BEGUN = (
    "attempt, args, kwargs, context, options, task, retries, excused, max_attempts, batch_id, concurrency_key"
)
BEGIN = f"""
    UPDATE offbeat_jobs_job SET state = 'running', attempt = attempt + 1, worker = %(worker)s, pid = %(pid)s,
        started_at = clock_timestamp()
    WHERE id = %(id)s AND {IS_MEANT} AND CASE state
        WHEN 'running' THEN worker = %(worker)s AND pid = %(pid)s
        ELSE {STARTABLE} AND {IN_TIME} AND NOT {IS_HELD}
    END AND {{key}}
    RETURNING {BEGUN}
"""  # noqa: S608  constants
# To plan the look at the key costs a third of the whole statement, and most jobs have none.
BEGIN_WITHOUT_KEY = BEGIN.format(key="concurrency_key IS NULL")
BEGIN_WITH_KEY = BEGIN.format(key=f"concurrency_key IS NOT NULL AND (state = 'running' OR NOT {KEY_IS_BUSY})")


def begin(
    job_id: uuid.UUID, worker: uuid.UUID | None, task: str | None = None, queue: str | None = None
) -> Attempt | None:
    """Start a job; None when there is nothing to start: a duplicate, a job that ended or expired, or one that may not start now.

    `task` is what the message says, `queue` where it waited: one that names another task than what runs the job, or comes from
    a queue that the job has been moved away from, starts nothing.
    A row that says that this very process, or lane of one, runs it is one whose answer was lost in an outage: it runs one job at a
    time, so the attempt is begun anew.
    """
    values = start(job_id, worker, task, queue)
    row = _begin_in_round(values) or _begin(BEGIN_WITHOUT_KEY, values) or _begin(BEGIN_WITH_KEY, values)
    if row is None:
        guard.turn_away(job_id, task, queue)
        return None
    return from_row(job_id, row)


def start(job_id: uuid.UUID, worker: uuid.UUID | None, task: str | None, queue: str | None) -> dict[str, Any]:
    """Return the values of BEGIN."""
    return {"id": job_id, "task": task, "queue": queue, "worker": worker, "pid": lanes.current()}


def from_row(job_id: uuid.UUID, row: tuple[Any, ...]) -> Attempt:
    """Return the attempt of a job, by what a begin returns."""
    number, *texts = row[:5]
    return Attempt(job_id, number, *map(json.loads, texts), *row[5:])


def _begin_in_round(values: dict[str, Any]) -> Any:
    """Begin with other lanes of this process in one statement; None where that is not possible, or begins nothing."""
    if not lanes.here():
        return None
    from offbeat.jobs import lane_rounds  # noqa: PLC0415  only lanes need it

    return lane_rounds.begin(values["id"], values["task"], values["queue"])


def _begin(statement: str, values: dict[str, Any]) -> tuple[Any, ...] | None:
    from offbeat.jobs import prepared  # noqa: PLC0415  only processes that execute jobs need it

    # Alone it is its own transaction; in that of a test, a savepoint keeps the refusal from ending it.
    around = transaction.atomic() if connection.in_atomic_block else contextlib.nullcontext()
    try:
        with around:
            return cast("tuple[Any, ...] | None", prepared.fetch_one(statement, values))
    except IntegrityError:  # offbeat_jobs_one_running: another job of the key began in the same moment
        return None


SUCCEED = """
    UPDATE offbeat_jobs_job SET state = 'succeeded', finished_at = clock_timestamp(), reason = '', traceback = '',
        result = %(result)s::jsonb
"""
IS_CURRENT = f"id = %(ended)s AND {guard.IS_RUNNING} AND attempt = %(number)s"
FINISH = f"""{SUCCEED} WHERE {IS_CURRENT}
    RETURNING set_config('idle_in_transaction_session_timeout',
        coalesce(%(idle)s, current_setting('idle_in_transaction_session_timeout')), true)
"""


def finish(attempt: Attempt) -> None:
    """Record success. Raises FencedError when the attempt is no longer current: a normal end of a race, and it lost."""
    if not _finish_in_round(attempt):
        _finish_alone(attempt)
    follow(attempt.batch_id, attempt.concurrency_key)


def _finish_in_round(attempt: Attempt) -> bool:
    if not lanes.here():
        return False
    from offbeat.jobs import lane_rounds  # noqa: PLC0415  as above

    return lane_rounds.finish(attempt)


def _finish_alone(attempt: Attempt) -> None:
    # The transaction of an `atomic` task is about to be committed: a machine that freezes before that must not keep the row.
    is_committing = connection.in_atomic_block and not connection.savepoint_ids
    idle = str(locks.milliseconds(conf().idle_timeout)) if is_committing else None
    from offbeat.jobs import prepared  # noqa: PLC0415  as above

    if prepared.fetch_one(FINISH, {**success(attempt), "idle": idle}) is None and (
        is_committing or not _is_recorded(attempt)
    ):
        raise fenced(attempt)


FIND_SUCCESS = "SELECT 1 FROM offbeat_jobs_job WHERE id = %(ended)s AND state || '' = 'succeeded' AND attempt = %(number)s"


def _is_recorded(attempt: Attempt) -> bool:
    """Tell whether this very attempt has succeeded: PostgreSQL has committed that, and its answer was lost."""
    return sql.fetch_one(FIND_SUCCESS, success(attempt)) is not None


def success(attempt: Attempt) -> dict[str, Any]:  # the values of SUCCEED
    return {"result": attempt.result, "ended": attempt.job_id, "number": attempt.number}


NOTE = "UPDATE offbeat_jobs_job SET reason = %s, traceback = %s WHERE id = %s AND state = 'succeeded' AND attempt = %s"


def note(attempt: Attempt, reason: str, traceback: str) -> None:
    """Write down what went wrong after the success was committed."""
    _end(NOTE, [reason, traceback, attempt.job_id, attempt.number], attempt)


BURY = f"""
    UPDATE offbeat_jobs_job SET state = 'dead', finished_at = clock_timestamp(), reason = %s, traceback = %s, {HISTORY}
    WHERE id = %s AND {guard.IS_RUNNING} AND attempt = %s AND NOT {IS_CANCELLED}
"""  # noqa: S608  constants


def bury(attempt: Attempt, reason: str, traceback: str, error: str = "") -> None:
    """Record that the task failed for good: a dead letter, until a person retries or discards it."""
    past = ending("failed", reason, error, traceback)
    _end_unless_cancelled(BURY, [reason, traceback, *past, attempt.job_id, attempt.number], attempt, "failed")
    follow(attempt.batch_id, attempt.concurrency_key)


RETRY = f"""
    UPDATE offbeat_jobs_job SET state = 'pending', retries = retries + 1, reason = %s, traceback = %s, {HISTORY}, {ACCEPTED},
        args = coalesce(%s::jsonb, args), kwargs = coalesce(%s::jsonb, kwargs),
        due_at = now() + make_interval(secs => %s), publish_at = now() + make_interval(secs => %s)
    WHERE id = %s AND {guard.IS_RUNNING} AND attempt = %s AND NOT {IS_CANCELLED}
"""  # noqa: S608  constants


LONGEST_WAIT = 10 * 365 * 86_400.0  # seconds; PostgreSQL refuses times that are thousands of years away


@dataclass(frozen=True, slots=True)
class Again:
    """What a task asked for with `self.retry`: another attempt in `countdown` seconds, perhaps with other arguments (JSON)."""

    countdown: float
    args: str | None = None
    kwargs: str | None = None


def retry(attempt: Attempt, again: Again, reason: str, traceback: str, error: str = "") -> None:
    """Record that the task asks for another attempt; it waits in PostgreSQL."""
    wait = min(max(0.0, again.countdown), LONGEST_WAIT)
    _end_unless_cancelled(
        RETRY,
        [
            reason,
            traceback,
            *ending("retried", reason, error, traceback),
            again.args,
            again.kwargs,
            wait,
            wait,
            attempt.job_id,
            attempt.number,
        ],
        attempt,
        "retried",
    )
    follow(None, attempt.concurrency_key)


PROGRESS = f"""
    UPDATE offbeat_jobs_job SET progress_done = %s, progress_total = %s WHERE id = %s AND {guard.IS_RUNNING} AND attempt = %s
"""  # noqa: S608  a constant


def record_progress(attempt: Attempt, done: int, total: int) -> None:
    """Record how far the attempt is. Raises FencedError when it is no longer current, so that a long task stops early."""
    _end(PROGRESS, [done, total, attempt.job_id, attempt.number], attempt)


def _end(statement: str, values: list[Any], attempt: Attempt) -> None:
    if not sql.execute(statement, values):
        raise fenced(attempt)


# Whatever it was that ended it: the cancel has interrupted it, or came in that moment.
CANCEL = f"""
    UPDATE offbeat_jobs_job SET {CANCELLED_HISTORY}, state = 'cancelled', finished_at = clock_timestamp(),
        reason = cancellation.reason
    FROM offbeat_jobs_cancellation AS cancellation
    WHERE job_id = id AND id = %s AND {guard.IS_RUNNING} AND attempt = %s
    RETURNING task, offbeat_jobs_job.reason
"""  # noqa: S608  a constant


def end_cancelled(attempt: Attempt) -> None:
    """Record that an attempt that did not succeed was to be cancelled, and raise CancelledError; FencedError where it was not."""
    row = sql.fetch_one(CANCEL, [attempt.job_id, attempt.number])
    if row is None:
        raise fenced(attempt)
    follow(attempt.batch_id, attempt.concurrency_key)
    send_after_commit(signals.job_cancelled, row[0], attempt.job_id, row[1])
    raise CancelledAttemptError(f"attempt {attempt.number} of job {attempt.job_id} is cancelled: {row[1]}")


FIND_END = """
    SELECT 1 FROM offbeat_jobs_job
    WHERE id = %s AND history -> -1 @> jsonb_build_object('attempt', %s::int, 'outcome', %s::text)
"""


def _end_unless_cancelled(statement: str, values: list[Any], attempt: Attempt, outcome: str) -> None:
    if sql.execute(statement, values):
        return
    if not sql.fetch_one(FIND_END, [attempt.job_id, attempt.number, outcome]):  # else its answer was lost
        end_cancelled(attempt)


def fenced(attempt: Attempt) -> FencedError:
    return FencedError(f"attempt {attempt.number} of job {attempt.job_id} is no longer the current one")
