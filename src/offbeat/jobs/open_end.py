"""The end of a job that waits a moment for the next one to begin: one statement, and one commit, record both.

A child of prefork answers as soon as its task has succeeded, so that the main process takes the next message meanwhile:
1. the child's books (`offbeat.jobs.child_books`) say that the end is open, and the main process is answered;
2. the next message comes: what begins its job records the end, too. It is recorded alone before a message that is no job's, where
   none has come for `LONGEST`, and before the child exits. Where somebody holds its row, an idle child does not wait for that; what
   comes next does, so that the child is at one job only.
Death in between: the main process finds the end open in the books of the dead child, and makes the job due again at once. With
the main process dead, another worker does so, as with every job that ran there.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from celery import Task, signals
from celery.backends.base import DisabledBackend
from django.db import Error as DatabaseFailure

from offbeat.jobs import attempts, child_books, prepared, sql
from offbeat.jobs.attempts import BEGIN_WITHOUT_KEY, IS_CURRENT, SUCCEED
from offbeat.jobs.locks import BOUND_LOCKS, HeldError
from offbeat.jobs.records import log_fenced, record
from offbeat.jobs.signals import job_succeeded

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterator

    from offbeat.jobs.attempts import Attempt
    from offbeat.jobs.task import DurableTask

# Seconds: a message that waits in Redis takes one or two at a network's distance; more would show.
LONGEST = 0.004
PAUSE = 0.1  # seconds until a child tries again to record an end whose row somebody holds

_is_offered = False
_open: Attempt | None = None


def offer() -> None:
    """Let ends of this process wait: whoever calls this asks for each that is open."""
    global _is_offered  # noqa: PLW0603  said once, when the child starts
    _is_offered = True


def is_open() -> bool:
    return _open is not None


def leave_open(task: DurableTask, attempt: Attempt) -> bool:
    """Let the end of an attempt wait, unless something follows it that must find it recorded; tell whether it does."""
    global _open
    if not _is_offered or _is_awaited(task, attempt) or not child_books.leave_open(attempt.job_id):
        return False
    attempt.is_open, _open = True, attempt
    return True


def _is_awaited(task: DurableTask, attempt: Attempt) -> bool:
    return bool(
        attempt.batch_id
        or attempt.concurrency_key
        or attempt.is_ignored
        or task.statement_timeout is not None  # which holds for the record, too
        or not (
            task.ignore_result or isinstance(task.backend, DisabledBackend)
        )  # who finds it there looks here
        or type(task).on_success is not Task.on_success
        or type(task).after_return is not Task.after_return
        or job_succeeded.concerns(attempt.task)
        or any(_foreign_receivers())
    )


def _foreign_receivers() -> Iterator[bool]:
    """Tell of each receiver of Celery's signals after a task whether it is a project's: ours do not look at the job."""
    for signal in (signals.task_success, signals.task_postrun):
        for _, receiver in signal.receivers:
            module = getattr(
                receiver() if isinstance(receiver, weakref.ref) else receiver, "__module__", None
            )
            yield not str(module).startswith(("celery.", "offbeat."))


def record_end() -> None:
    """Record the end that is open, if one is, by itself. A lost race is logged, as nobody waits for the answer."""
    _record(attempts.finish)


def record_unless_held() -> None:
    """Do the same, but where somebody holds the row: then it stays open, and the child takes what comes."""
    _record(_finish_unless_held)


def _record(finish: Callable[[Attempt], bool | None]) -> None:
    """Record it by `finish`, which returns True where somebody holds the row."""
    if (ended := _open) is None:
        return
    is_held: bool | None = False
    try:
        is_held = record(lambda: finish(ended))
    except attempts.FencedError as error:
        log_fenced(ended.task, ended.job_id, error)
    if not is_held:
        _close()


# Nothing else waits where somebody holds the row of the job that ends.
ENDED = f"""mine AS (SELECT id AS its_id FROM offbeat_jobs_job WHERE {IS_CURRENT} FOR NO KEY UPDATE SKIP LOCKED),
        ended AS ({SUCCEED} FROM mine WHERE id = its_id RETURNING 1)"""  # noqa: S608  constants
FINISH_UNLESS_HELD = f"WITH {ENDED} SELECT count(*) FROM ended"  # noqa: S608  constants
# And the end does not wait for long where somebody holds what the next job needs: its time limit would end this child.
FINISH_AND_BEGIN = f"""
    WITH {ENDED},
        bound AS MATERIALIZED (SELECT {BOUND_LOCKS}),
        begun AS ({BEGIN_WITHOUT_KEY.replace("RETURNING", "AND EXISTS (SELECT FROM mine, bound) RETURNING")})
    SELECT (SELECT count(*) FROM ended), begun.* FROM (SELECT) AS always LEFT JOIN begun ON true
"""  # noqa: S608  constants
FIND_CURRENT = f"SELECT 1 FROM offbeat_jobs_job WHERE {IS_CURRENT}"  # noqa: S608  a constant
GIVE_BACK = """
    UPDATE offbeat_jobs_job SET state = 'pending', publish_at = now()
    WHERE id = (SELECT id FROM offbeat_jobs_job WHERE id = %s AND state || '' = 'published' FOR NO KEY UPDATE SKIP LOCKED)
"""


def begin(job_id: uuid.UUID, worker: uuid.UUID, task: str, queue: str | None) -> Attempt | None:
    """Begin a job as `attempts.begin` does, and record the end that is open with it."""
    ended, attempt = _open, None
    if ended and ended.job_id != job_id:  # a second message of it begins nothing, once its end is recorded
        try:
            attempt = _finish_and_begin(ended, job_id, attempts.start(job_id, worker, task, queue))
        except HeldError:  # for as long as somebody likes: others run this job
            sql.execute(GIVE_BACK, [job_id])
        except (attempts.FencedError, DatabaseFailure):  # of which of the two, they say one by one
            pass
        else:
            _close()
    record_end()
    return attempt or attempts.begin(job_id, worker, task, queue)


def _finish_unless_held(ended: Attempt) -> bool:
    if prepared.fetch_one(FINISH_UNLESS_HELD, attempts.success(ended))[0]:
        return False
    if _is_current(ended):
        return True
    attempts.finish(ended)  # raises, unless PostgreSQL has recorded it, and its answer was lost
    return False


def _finish_and_begin(ended: Attempt, job_id: uuid.UUID, start: dict[str, Any]) -> Attempt | None:
    """Record a success that nothing follows, and start a job; None where that needs a `begin` of its own.

    Where the attempt that ended is no longer current (FencedError), or somebody holds its row (HeldError), nothing is done.
    """
    is_recorded, *row = prepared.fetch_one(FINISH_AND_BEGIN, attempts.success(ended) | start)
    if not is_recorded:
        raise HeldError if _is_current(ended) else attempts.fenced(ended)
    return attempts.from_row(job_id, tuple(row)) if row[0] else None


def _is_current(ended: Attempt) -> bool:
    return sql.fetch_one(FIND_CURRENT, attempts.success(ended)) is not None


def _close() -> None:
    global _open  # noqa: PLW0603  as above
    _open = None
    child_books.close_end()
