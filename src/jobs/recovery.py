"""What ends an attempt from outside: its process died, its worker was lost, or the worker stops and hands it back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import connection, transaction

from jobs import guard, signals
from jobs.conf import conf
from jobs.guard import HISTORY
from jobs.models import Job

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from typing import Any

logger = logging.getLogger(__name__)

# A crash is charged: a job that kills its process must not do so for ever. Being handed back is not, and what is nobody's
# fault is not either, as long as it stays within `max_excused`.
CRASH = f"""
    UPDATE jobs_job SET {HISTORY}, crashes = crashes + charge, excused = excused + 1 - charge,
        due_at = now() + make_interval(secs => %s), publish_at = now() + make_interval(secs => %s),
        state = CASE WHEN charge = 1 AND crashes + 1 >= max_attempts THEN 'dead' ELSE 'pending' END,
        finished_at = CASE WHEN charge = 1 AND crashes + 1 >= max_attempts THEN clock_timestamp() END,
        reason = CASE WHEN charge = 1 AND crashes + 1 >= max_attempts
            THEN format('%%s of %%s attempts ended without an answer; the last: %%s', crashes + 1, max_attempts, %s::text)
            ELSE %s END
    FROM (SELECT id AS charged, CASE WHEN excused < %s THEN 0 ELSE 1 END AS charge
        FROM jobs_job WHERE state = 'running' AND {{which}} FOR UPDATE) AS account
    WHERE id = charged
    RETURNING id, task, state, batch_id, concurrency_key, reason
"""  # noqa: S608  a constant

HAND_BACK = f"""
    UPDATE jobs_job SET {HISTORY}, state = 'pending', due_at = now(), publish_at = now(), reason = %s
    WHERE state = 'running' AND worker = %s
    RETURNING id, task, state, batch_id, concurrency_key, reason
"""  # noqa: S608  a constant


def attempt_crashed(job_id: uuid.UUID, worker: uuid.UUID, pid: int | None, reason: str) -> bool:
    """Make a job whose process died due again, or a dead letter; tell whether it was still that process' job."""
    which = "id = %s AND worker = %s AND (pid = %s OR %s::int IS NULL)"
    return bool(_crash(which, [job_id, worker, pid, pid], reason))


def attempt_excused(
    job_id: uuid.UUID, worker: uuid.UUID, pid: int | None, reason: str, wait: float = 0.0
) -> bool:
    """Make a job whose attempt ended by nobody's fault due again in `wait` seconds; tell whether it still was that process' job.

    A deadlock, an outage of PostgreSQL, a lock that a frozen machine held. After `max_excused` of them the next ones are charged.
    """
    which = "id = %s AND worker = %s AND (pid = %s OR %s::int IS NULL)"
    return bool(_crash(which, [job_id, worker, pid, pid], reason, outcome="excused", wait=wait))


def workers_lost(workers: Sequence[uuid.UUID], reason: str) -> int:
    """Make every job of workers that died due again, or a dead letter; return how many."""
    return len(_crash("worker = ANY(%s)", [list(workers)], reason))


def hand_back(worker: uuid.UUID, reason: str) -> int:
    """Make every job of a stopping worker due again, uncharged; return how many. Its children must be dead by now."""
    return len(_apply(HAND_BACK, ["handed back", reason, reason, worker]))


def _crash(
    which: str, values: list[Any], reason: str, *, outcome: str = "crashed", wait: float = 0.0
) -> list[tuple[Any, ...]]:
    excuses = conf().max_excused if outcome == "excused" else 0
    return _apply(CRASH.format(which=which), [outcome, reason, wait, wait, reason, reason, excuses, *values])


def _apply(statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows = cursor.fetchall()
        for _, _, state, batch_id, concurrency_key, _ in rows:
            guard.follow(batch_id if state == Job.State.DEAD else None, concurrency_key)
    for job_id, task, state, _, _, reason in rows:
        _tell(job_id, task, state, reason)
    return rows


def _tell(job_id: uuid.UUID, task: str, state: str, reason: str) -> None:
    logger.warning(
        "%s %s is %s: %s", task, job_id, state, reason, extra={"action": "job_recovered", "job": str(job_id)}
    )
    if state == Job.State.DEAD:
        signals.job_dead.send_robust(task, job_id=job_id, reason=reason)
