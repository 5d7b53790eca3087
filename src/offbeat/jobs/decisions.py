"""What a person decides about jobs: try dead letters again, discard, run now, move to another queue; run a finished job once more.

About one job, or about many as they were when the person was asked: each has a statement of its own, which both share.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import transaction

from offbeat.jobs import batches, signals, sql
from offbeat.jobs.consequences import send_after_commit
from offbeat.jobs.models import BUSY, PAUSED, Job
from offbeat.jobs.producer import Call, enqueue
from offbeat.jobs.relay import publish_jobs

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

State = Job.State


class AskedJob(NamedTuple):
    """A job as it was when a person was asked about it: once its state is another, or an attempt has begun, it is left alone."""

    id: uuid.UUID
    state: str
    attempt: int


@dataclass(frozen=True)
class JobDecision:
    """What changes, and of which jobs; `states` are those in which it can be decided at all."""

    states: tuple[str, ...]
    change: str
    selects: str = "true"  # of what is in these states
    only: str = "true"  # besides, when it is done
    is_due_after: bool = True  # so it is published
    ends: bool = False  # so its batch may have ended

    def sql(self, which: str) -> str:
        states = ", ".join(f"'{state}'" for state in self.states)
        return (
            f"UPDATE offbeat_jobs_job SET {self.change} "  # noqa: S608  constants of this module
            f"WHERE {which.format(only=f'state IN ({states}) AND {self.selects} AND {self.only}')} RETURNING id, batch_id, task"
        )


RETRY = JobDecision(
    (State.DEAD, State.CANCELLED, State.EXPIRED),
    """state = 'pending', due_at = now(), publish_at = now(), finished_at = NULL, crashes = 0, retries = 0,
        excused = 0, refused_by = '[]', refused_at = NULL,
        not_after = CASE WHEN not_after > now() THEN not_after END, reason = 'retried by hand'""",
)
# A word to cancel it that came too late: else it would end the attempt that follows, too.
FORGET_CANCEL = "DELETE FROM offbeat_jobs_cancellation WHERE job_id = ANY(%s)"
DISCARD = JobDecision(
    (State.DEAD, State.PENDING, State.PUBLISHED),
    "state = 'cancelled', finished_at = clock_timestamp(), reason = %(reason)s",
    is_due_after=False,
    ends=True,
)
# One that waits for its concurrency key would only step back.
RUN_NOW = JobDecision(
    (State.PENDING,), "due_at = now(), publish_at = now()", f"due_at > now() AND reason <> '{BUSY}'"
)
# Of a pause, of the old queue perhaps: the guard of the new one asks anew.
HELD = f"reason LIKE '{PAUSED}%%'"
# Its message stays in the old queue, and starts nothing there: see IS_MEANT in `guard`.
MOVE = JobDecision(
    (State.PENDING, State.PUBLISHED, State.DEAD),
    f"""queue = %(queue)s, state = CASE state WHEN 'published' THEN 'pending' ELSE state END,
        published_at = CASE state WHEN 'published' THEN NULL ELSE published_at END,
        publish_at = CASE WHEN state = 'published' OR {HELD} THEN now() ELSE publish_at END""",
    only="queue <> %(queue)s",
)

ONE = "id = %(id)s AND {only}"
# Rows that somebody holds are being changed: they are passed by, so that two people do not wait for each other.
ASKED = """id IN (
    SELECT id FROM offbeat_jobs_job JOIN unnest(%(ids)s::uuid[], %(states)s::text[], %(attempts)s::int[])
        AS asked (id, state, attempt) USING (id, state, attempt)
    WHERE {only} ORDER BY id FOR NO KEY UPDATE OF offbeat_jobs_job SKIP LOCKED)"""


class NotConsumedError(ValueError):
    """Nobody would run jobs of that queue: name one that a worker consumes, or start such a worker first."""


def retry(job_id: uuid.UUID) -> bool:
    """Make a dead, cancelled or expired job due again, with fresh attempts; tell whether it was one."""
    return bool(_decide(RETRY, ONE, id=job_id))


def retry_many(asked: Sequence[AskedJob]) -> list[uuid.UUID]:
    """Do the same with many jobs; return those that were as asked about."""
    return _decide(RETRY, ASKED, **_columns(asked))


def discard(job_id: uuid.UUID, reason: str = "discarded by hand") -> bool:
    """Cancel a job that does not run: a dead letter, or one that waits; tell whether it could be."""
    return bool(_decide(DISCARD, ONE, id=job_id, reason=reason))


def discard_many(asked: Sequence[AskedJob], reason: str = "discarded by hand") -> list[uuid.UUID]:
    """Do the same with many jobs; return those that were as asked about."""
    return _decide(DISCARD, ASKED, reason=reason, **_columns(asked))


def run_now(job_id: uuid.UUID) -> bool:
    """Make a job due that waits for a later time, such as that of its next retry; tell whether it was one."""
    return bool(_decide(RUN_NOW, ONE, id=job_id))


def run_now_many(asked: Sequence[AskedJob]) -> list[uuid.UUID]:
    """Do the same with many jobs; return those that were as asked about."""
    return _decide(RUN_NOW, ASKED, **_columns(asked))


def move(job_id: uuid.UUID, queue: str) -> bool:
    """Let a job that waits, or a dead letter, be run by the workers of another queue; tell whether it could be moved.

    A worker of the old queue that takes its message meanwhile either has begun it, and it is not moved, or begins nothing.
    Raises NotConsumedError for a queue that no living worker consumes.
    """
    check_consumed(queue)
    return bool(_decide(MOVE, ONE, id=job_id, queue=queue))


def move_many(asked: Sequence[AskedJob], queue: str) -> list[uuid.UUID]:
    """Do the same with many jobs; return those that were as asked about."""
    check_consumed(queue)
    return _decide(MOVE, ASKED, queue=queue, **_columns(asked))


def check_consumed(queue: str) -> None:
    """Raise NotConsumedError for a queue that no living worker consumes: jobs moved there would wait unseen."""
    from offbeat.jobs.queries import consumed_queues  # noqa: PLC0415  a wake-up, which decides nothing, needs none of it

    known = consumed_queues()
    if queue not in known:
        found = (
            f"The queues that workers consume now: {', '.join(known)}." if known else "No worker is running."
        )
        raise NotConsumedError(f'No living worker consumes the queue "{queue}". {found}')


def _columns(asked: Sequence[AskedJob]) -> dict[str, list[Any]]:
    ids, states, numbers = ([each[place] for each in asked] for place in range(3))
    return {"ids": ids, "states": states, "attempts": numbers}


def _decide(decision: JobDecision, which: str, **values: Any) -> list[uuid.UUID]:
    """Change the jobs, in the caller's transaction or in one of its own; return which ones could be."""
    with transaction.atomic():
        rows = sql.fetch_all(decision.sql(which), values)
        decided = [row[0] for row in rows]
        for batch_id in sorted({row[1] for row in rows if row[1]}):
            if decision.ends:
                batches.settle_after_commit(batch_id)
            elif decision is RETRY:
                batches.reopen(batch_id)
        if decision is DISCARD:
            for job_id, _, task in rows:
                send_after_commit(signals.job_cancelled, task, job_id, values["reason"])
        if decision is RETRY:
            sql.execute(FORGET_CANCEL, [decided])
        if decided and decision.is_due_after:
            transaction.on_commit(partial(publish_jobs, decided))
    return decided


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
