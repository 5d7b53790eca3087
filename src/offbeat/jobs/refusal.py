"""Jobs that the code of a worker cannot run, because their task or its signature is another version's.

1. such a worker refuses the job: it is pending again, without an attempt, and says what it waits for;
2. a worker with other code, which knows the task, takes it from the ledger (`offbeat.jobs.worker.pull`) and runs or refuses it:
   each version of the code refuses a job once;
3. a job that no living worker has known for `unknown_after` seconds is a dead letter.
Should nobody take it, it is published again all the same, ever more seldom.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from celery import current_app, signals

from offbeat.jobs import attempts, code, sql
from offbeat.jobs.conf import conf
from offbeat.jobs.consequences import follow
from offbeat.jobs.error_text import one_line
from offbeat.jobs.guard import IS_CANCELLED, IS_RUNNING, RUN_BY, STARTABLE
from offbeat.jobs.message import JOB_HEADER
from offbeat.jobs.relay import CLAIMED, ClaimedJob, execute_claim
from offbeat.jobs.signals import job_dead
from offbeat.jobs.worker.state import worker_state

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from offbeat.jobs.attempts import Attempt

logger = logging.getLogger(__name__)

# Published again after as long as it has waited, between these seconds: for a worker that does not look for it by itself.
SHORTEST, LONGEST = 60.0, 1800.0
MOST = 500  # jobs refused in one statement: the thread has other tasks
REFUSED = f"""
    state = 'pending', reason = %(reason)s, refused_at = coalesce(refused_at, now()),
    refused_by = CASE WHEN refused_by @> %(code)s::jsonb THEN refused_by ELSE refused_by || %(code)s::jsonb END,
    publish_at = now() + make_interval(secs => least({LONGEST}, greatest({SHORTEST},
        extract(epoch FROM now() - coalesce(refused_at, now())))))
"""
# A message may name the job of another task, or one that has begun elsewhere, or another ledger's: none of them is refused.
REFUSE = f"""
    UPDATE offbeat_jobs_job SET {REFUSED} WHERE {RUN_BY} = %(task)s AND id IN (
        SELECT id FROM offbeat_jobs_job WHERE id = ANY(%(ids)s) AND {STARTABLE} FOR NO KEY UPDATE SKIP LOCKED)
"""  # noqa: S608  constants
# The attempt never was one: nobody else can have its number, as it is the current one.
REFUSE_BEGUN = f"""
    UPDATE offbeat_jobs_job SET {REFUSED}, attempt = attempt - 1
    WHERE id = %(id)s AND {IS_RUNNING} AND attempt = %(attempt)s AND NOT {IS_CANCELLED}
"""  # noqa: S608  constants


_unknown: queue.SimpleQueue[tuple[str, uuid.UUID]] = queue.SimpleQueue()


@signals.task_unknown.connect
def refuse_unknown(message: Any = None, name: str = "", id: str = "", **_: Any) -> None:  # noqa: A002  Celery's name
    """Have a job refused from the maintenance thread, with others: the event loop must not wait for PostgreSQL."""
    if message is not None and message.headers.get(JOB_HEADER):
        collect(uuid.UUID(id), name)


def collect(job_id: uuid.UUID, name: str) -> None:
    """Have a job refused soon."""
    worker_state.note_start()  # a worker that only refuses does consume
    _unknown.put((name, job_id))
    if _unknown.qsize() == 1:  # else there is somebody on the way for it
        worker_state.submit(refuse_collected)


def refuse_collected() -> None:
    """Refuse what has come together. PostgreSQL down: nothing is taken back, the reconciler finds the messages missing."""
    jobs: dict[str, list[uuid.UUID]] = defaultdict(list)
    with contextlib.suppress(queue.Empty):
        for _ in range(MOST):
            name, job_id = _unknown.get_nowait()
            jobs[name].append(job_id)
    if not _unknown.empty():
        worker_state.submit(refuse_collected)
    for name, ids in jobs.items():
        refuse(ids, name)


def refuse(ids: Sequence[uuid.UUID], name: str) -> None:
    """Make jobs that were not started wait for a worker that knows their task."""
    reason = f"waits for a worker that knows it: none here has the task {name}"
    if name in current_app.tasks:
        reason = f"waits for a worker that knows it: {name} is not a DurableTask here"
    values = {"ids": list(ids), "task": name, "reason": reason, "code": _own_code()}
    if jobs := sql.execute(REFUSE, values):
        _log(name, jobs, reason)


def refuse_begun(attempt: Attempt, name: str, misfit: str) -> None:
    """Make a job wait for a worker whose code takes its arguments. Raises nothing where the attempt is no longer current."""
    reason = one_line(f"waits for a worker that knows it: {misfit}")
    values = {"id": attempt.job_id, "attempt": attempt.number, "reason": reason, "code": _own_code()}
    if not sql.execute(REFUSE_BEGUN, values):
        with contextlib.suppress(attempts.FencedError):
            attempts.end_cancelled(attempt)
        return
    follow(None, attempt.concurrency_key)
    _log(name, 1, reason)


CLAIM = f"""
    UPDATE offbeat_jobs_job SET state = 'published', reason = '', published_at = now() WHERE id IN (
        SELECT id FROM offbeat_jobs_job WHERE state = 'pending' AND refused_at IS NOT NULL
            AND queue = ANY(%s) AND {RUN_BY} = ANY(%s) AND NOT refused_by @> %s::jsonb
        ORDER BY refused_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING {CLAIMED}
"""  # noqa: S608  a constant


def claim(queues: Sequence[str], limit: int) -> list[ClaimedJob]:
    """Take at most `limit` jobs that only other code has refused; their messages are the caller's to deliver."""
    return execute_claim(CLAIM, list(queues), code.tasks(), _own_code(), limit)


KNOWN = f"""
    EXISTS (SELECT 1 FROM offbeat_jobs_worker WHERE heartbeat_at > least(now(), %(now)s) - make_interval(secs => %(timeout)s)
        AND queues ? offbeat_jobs_job.queue AND tasks ? {RUN_BY}
        AND NOT offbeat_jobs_job.refused_by ? offbeat_jobs_worker.code)
"""  # noqa: S608  a constant
REMEMBER = f"""
    UPDATE offbeat_jobs_job SET refused_at = now() WHERE id IN (
        SELECT id FROM offbeat_jobs_job WHERE state = 'pending'
            AND refused_at < least(now(), %(now)s) - make_interval(secs => %(after)s / 2.0)
            AND {KNOWN}
        LIMIT 500 FOR NO KEY UPDATE SKIP LOCKED)
"""  # noqa: S608  constants
BURY = f"""
    UPDATE offbeat_jobs_job SET state = 'dead', finished_at = clock_timestamp(),
        reason = format('%%s; no living worker has known it for %%s s', reason, %(after)s::int)
            || CASE WHEN version <> '' THEN format(' (enqueued by version %%s)', version) ELSE '' END
    WHERE id IN (
        SELECT id FROM offbeat_jobs_job WHERE state = 'pending' AND NOT {KNOWN}
            AND refused_at < least(now(), %(now)s) - make_interval(secs => %(after)s)
        LIMIT 500 FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING id, task, batch_id, reason
"""  # noqa: S608  constants


def bury_unknown_jobs(now: datetime) -> int:
    """Make dead letters of the jobs that no living worker has known for `unknown_after` seconds; return how many.

    The time begins again while a living worker knows the task, and has not refused the job. `now` is PostgreSQL's time as the
    caller has counted it: a clock that has been set makes nothing older.
    """
    values: dict[str, float | datetime] = {
        "timeout": conf().heartbeat_timeout,
        "after": conf().unknown_after,
        "now": now,
    }
    sql.execute(REMEMBER, values)
    buried = sql.fetch_all(BURY, values)
    for job_id, task, batch_id, reason in buried:
        follow(batch_id, None)
        logger.error(
            "%s %s is dead: %s", task, job_id, reason, extra={"action": "job_unknown", "job": str(job_id)}
        )
        job_dead.send_robust(task, job_id=job_id, reason=reason)
    return len(buried)


class Refused(NamedTuple):
    """The jobs of a task that wait for a worker that knows them."""

    task: str
    jobs: int  # 1,000 at most of all tasks
    since: datetime
    reason: str


WAITING = """
    SELECT task, count(*), min(refused_at), min(reason) FROM (
        SELECT task, refused_at, reason FROM offbeat_jobs_job WHERE state = 'pending' AND refused_at IS NOT NULL LIMIT 1000
    ) AS refused GROUP BY task ORDER BY task
"""


BEGIN_AGAIN = """
    UPDATE offbeat_jobs_job SET refused_at = now()
    WHERE id IN (SELECT id FROM offbeat_jobs_job WHERE state = 'pending' AND refused_at IS NOT NULL FOR NO KEY UPDATE SKIP LOCKED)
"""


def begin_waiting_again() -> None:
    """Count the waiting of all refused jobs from now on, because PostgreSQL's clock has been set."""
    sql.execute(BEGIN_AGAIN)


def refused() -> list[Refused]:
    """Return what waits for a worker that knows it, by task."""
    return [Refused(*row) for row in sql.fetch_all(WAITING)]


def _own_code() -> str:
    return json.dumps([code.fingerprint()])


def _log(name: str, jobs: int, reason: str) -> None:
    logger.warning("%s: %d jobs: %s", name, jobs, reason, extra={"action": "job_refused", "jobs": jobs})
