"""What ends an attempt from outside: its process died, its worker was lost, or the worker stops and hands it back."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from django.db import transaction

from offbeat.jobs import last_crash, locks, sessions, signals, sql
from offbeat.jobs.conf import conf
from offbeat.jobs.consequences import follow
from offbeat.jobs.error_text import path_of, written_traceback
from offbeat.jobs.guard import ACCEPTED, IS_CANCELLED
from offbeat.jobs.history import CANCELLED_HISTORY, HISTORY, ending
from offbeat.jobs.locks import HeldError
from offbeat.jobs.models import Job
from offbeat.jobs.processes import wait_for_death

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Iterable, Sequence
    from typing import Any

logger = logging.getLogger(__name__)

# A crash counts: a job that kills its process must not do so for ever. Being handed back does not, nor does what is
# nobody's fault, as long as it stays within `max_excused`.
CRASH = f"""
    UPDATE offbeat_jobs_job SET {HISTORY}, {ACCEPTED}, crashes = crashes + counted, excused = excused + 1 - counted,
        due_at = now() + make_interval(secs => %s), publish_at = now() + make_interval(secs => %s),
        state = CASE WHEN counted = 1 AND crashes + 1 >= max_attempts THEN 'dead' ELSE 'pending' END,
        finished_at = CASE WHEN counted = 1 AND crashes + 1 >= max_attempts THEN clock_timestamp() END,
        reason = CASE WHEN counted = 1 AND crashes + 1 >= max_attempts
            THEN format('%%s of %%s attempts ended without an answer; the last: %%s', crashes + 1, max_attempts, %s::text)
            ELSE %s END
    FROM (SELECT id AS recovered, CASE WHEN excused < %s THEN 0 ELSE 1 END AS counted
        FROM offbeat_jobs_job WHERE state = 'running' AND {{which}} AND NOT {IS_CANCELLED} FOR NO KEY UPDATE SKIP LOCKED) AS account
    WHERE id = recovered
    RETURNING id, task, state, batch_id, concurrency_key, reason
"""  # noqa: S608  constants

HAND_BACK = f"""
    UPDATE offbeat_jobs_job SET {HISTORY}, {ACCEPTED}, state = 'pending', due_at = now(), publish_at = now(), reason = %s
    WHERE id IN (SELECT id FROM offbeat_jobs_job WHERE state = 'running' AND {{which}} AND NOT {IS_CANCELLED}
        FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING id, task, state, batch_id, concurrency_key, reason
"""  # noqa: S608  constants


# Those of them that a person has cancelled: whatever ended them, they are not tried again.
CANCEL = f"""
    UPDATE offbeat_jobs_job SET {CANCELLED_HISTORY}, state = 'cancelled', finished_at = clock_timestamp(),
        reason = cancellation.reason
    FROM offbeat_jobs_cancellation AS cancellation
    WHERE job_id = id AND id IN (
        SELECT id FROM offbeat_jobs_job WHERE state = 'running' AND {{which}} AND {IS_CANCELLED} FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING id, task, state, batch_id, concurrency_key, offbeat_jobs_job.reason
"""  # noqa: S608  constants

END_LOST = "its process has ended it, and PostgreSQL does not know how"
FINAL = (Job.State.DEAD, Job.State.CANCELLED)
ITS_JOB = "id = %s AND worker = %s AND (pid = %s OR %s::int IS NULL)"
# A worker that was lost may have beaten again meanwhile: then it lives, and so do its jobs.
LOST = "worker = ANY(%s) AND NOT EXISTS (SELECT 1 FROM offbeat_jobs_worker WHERE offbeat_jobs_worker.id = worker)"


def recover_attempt(job_id: uuid.UUID, worker: uuid.UUID, pid: int | None, reason: str) -> bool:
    """Make a job whose process died due again, or a dead letter; tell whether it was still that process' job.

    What the process has left running in PostgreSQL is ended first. One that died waiting for a lock is excused.
    Raises HeldError while somebody holds the job's row: call it again.
    """
    if pid is not None and pid != os.getpid() and _waited(job_id, worker, pid):
        reason = f"{reason}, while it waited for a lock"
        found = excuse_attempt(job_id, worker, pid, reason, wait=conf().busy_retry)
    else:
        found = count_attempt(job_id, worker, pid, reason)
    _waiters.discard((job_id, pid))
    return found


def count_attempt(job_id: uuid.UUID, worker: uuid.UUID, pid: int | None, reason: str) -> bool:
    """Do the same where nothing is left in PostgreSQL, or what ran it lives: its sessions are not to be ended."""
    return bool(_crash(ITS_JOB, [job_id, worker, pid, pid], ending("crashed", reason)))


def recover_unrun(
    worker: uuid.UUID, jobs: Iterable[tuple[uuid.UUID, int]], at_others: Collection[int], reason: str
) -> None:
    """Do the same for several jobs that nobody runs. Raises HeldError after that, where somebody holds the rows of some.

    A process that has gone on to another job, or to none, has ended it: its sessions stay, and the attempt is excused.
    """
    held = None
    for job_id, pid in jobs:
        try:
            if pid in at_others:
                excuse_attempt(job_id, worker, pid, END_LOST)
            else:
                recover_attempt(job_id, worker, pid, reason)
        except HeldError as error:
            held = error
    if held:
        raise held


def hand_back_attempt(job_id: uuid.UUID, worker: uuid.UUID, lane: int, reason: str) -> bool:
    """Make a job due again whose process was killed for another job, and count nothing. Raises HeldError as above."""
    sessions.end_process(worker, lane)
    its = ITS_JOB, [job_id, worker, lane, lane]
    past = ending("handed back", reason)
    rows = _cancel(*its) + _apply(HAND_BACK.format(which=ITS_JOB), [*past, reason, *its[1]])
    _raise_if_held(*its)
    return bool(rows)


_waiters: set[tuple[uuid.UUID, int | None]] = set()  # whose job's row was held when their sessions were ended


def _waited(job_id: uuid.UUID, worker: uuid.UUID, pid: int) -> bool:
    wait_for_death([pid])
    if sessions.end_process(worker, pid):
        _waiters.add((job_id, pid))
    return (job_id, pid) in _waiters


def excuse_attempt(
    job_id: uuid.UUID,
    worker: uuid.UUID,
    pid: int | None,
    reason: str,
    *,
    wait: float = 0.0,
    error: BaseException | None = None,
) -> bool:
    """Make a job whose attempt ended by nobody's fault due again in `wait` seconds; tell whether it still was that process' job.

    A deadlock, an outage of PostgreSQL, a lock that a frozen machine held. After `max_excused` of them the next ones count.
    """
    raised = (path_of(type(error)), written_traceback(error)) if error else ()
    past = ending("excused", reason, *raised)
    return bool(_crash(ITS_JOB, [job_id, worker, pid, pid], past, wait, conf().max_excused))


# A message whose attempt has not begun. A job that was published anew since says another time.
IS_UNBEGUN = "id = %s AND state = 'published' AND abs(extract(epoch FROM published_at) - %s) < 0.001"
BURY_UNBEGUN = f"""
    UPDATE offbeat_jobs_job SET state = 'dead', finished_at = clock_timestamp(), reason = %s, traceback = %s
    WHERE {IS_UNBEGUN} RETURNING task, batch_id
"""  # noqa: S608  a constant
GIVE_BACK_UNBEGUN = f"""
    UPDATE offbeat_jobs_job SET state = 'pending', publish_at = now() + make_interval(secs => %s) WHERE {IS_UNBEGUN}
"""  # noqa: S608  a constant


def bury_unbegun(job_id: uuid.UUID, published_at: float, reason: str, traceback: str) -> None:
    """Make a dead letter of a job whose message failed before its attempt began, as in a hook of its task's class.

    One that has begun, or was published anew since, is another matter: the row would say another time.
    """
    if row := sql.fetch_one(BURY_UNBEGUN, [reason, traceback, job_id, published_at]):
        follow(row[1], None)
        _report(job_id, row[0], Job.State.DEAD, reason)


def give_back_unbegun(job_id: uuid.UUID, published_at: float, wait: float = 0.0) -> None:
    """Make a job due again in `wait` seconds whose message nobody has any more, and count nothing.

    A begin that its process had sent may come only now: then it has begun, or its lock keeps this waiting.
    """
    sql.execute(GIVE_BACK_UNBEGUN, [wait, job_id, published_at])


def recover_workers(workers: Sequence[uuid.UUID], reason: str) -> int:
    """Make every job of workers that died due again, or a dead letter; return how many.

    Raises HeldError after that, where somebody holds the rows of some.
    """
    return len(_crash(LOST, [list(workers)], ending("crashed", reason)))


def hand_back(worker: uuid.UUID, reason: str) -> int:
    """Make every job of a stopping worker due again, without counting a crash; return how many. Its children must be dead by now.

    A job whose row somebody holds is left to the reconciler of another worker.
    """
    sessions.end_children(worker, os.getpid())
    its = "worker = %s", [worker]
    rows = _cancel(*its) + _apply(
        HAND_BACK.format(which=its[0]), [*ending("handed back", reason), reason, worker]
    )
    if left := _count_running(*its):
        logger.warning(
            "%d jobs are not returned to the queue: held by %s",
            left,
            locks.holders(),
            extra={"action": "jobs_held", "jobs": left},
        )
    return len(rows)


def _crash(
    which: str, values: list[Any], past: list[str], wait: float = 0.0, excuses: int = 0
) -> list[tuple[Any, ...]]:
    _, reason, _ = past
    cancelled = _cancel(which, values)
    rows = _apply(CRASH.format(which=which), [*past, wait, wait, reason, reason, excuses, *values])
    for job_id, task, state, _, _, last in rows:
        if state == Job.State.DEAD:
            last_crash.report(job_id, task, last)
    _raise_if_held(which, values)
    return cancelled + rows


def _cancel(which: str, values: list[Any]) -> list[tuple[Any, ...]]:
    return _apply(CANCEL.format(which=which), values)


def _raise_if_held(which: str, values: list[Any]) -> None:
    if left := _count_running(which, values):
        raise HeldError(f"{left} jobs must be recovered")


COUNT_RUNNING = "SELECT count(*) FROM offbeat_jobs_job WHERE state = 'running' AND {which}"


def _count_running(which: str, values: list[Any]) -> int:
    return int(sql.fetch_one(COUNT_RUNNING.format(which=which), values)[0])


def _apply(statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
    with transaction.atomic():
        rows = sql.fetch_all(statement, values)
        for _, _, state, batch_id, concurrency_key, _ in rows:
            follow(batch_id if state in FINAL else None, concurrency_key)
    for job_id, task, state, _, _, reason in rows:
        _report(job_id, task, state, reason)
    return rows


def _report(job_id: uuid.UUID, task: str, state: str, reason: str) -> None:
    logger.warning(
        "%s %s is %s: %s", task, job_id, state, reason, extra={"action": "job_recovered", "job": str(job_id)}
    )
    if state == Job.State.DEAD:
        signals.job_dead.send_robust(task, job_id=job_id, reason=reason)
    elif state == Job.State.CANCELLED:
        signals.job_cancelled.send_robust(task, job_id=job_id, reason=reason)
