"""Batches: jobs that belong together, with a job to follow exactly once when the last of them has finished.

1. a job ends: its row says so, in the transaction that ends it;
2. after that commit its batch is settled: where no job is unfinished, the batch's row says that it has finished, and the
   follow-up is inserted, in one transaction.
Death between the two: the reconciler settles the batch. An empty Redis, which loses a chord, loses nothing here.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, fields
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.exceptions import SynchronousOnlyOperation
from django.db import OperationalError, connection, models, transaction
from django.db.models.functions import Now

from offbeat.jobs import event_loop, sql
from offbeat.jobs.models import Batch, Job

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator, Sequence

    from offbeat.jobs.producer import Call


@contextlib.contextmanager
def open_batch(
    name: str, *, on_success: Call | None = None, on_failure: Call | None = None
) -> Iterator[Batch]:
    """Create a batch for the jobs enqueued with `using(batch=batch)` inside the block, in one transaction.

    `on_success` follows when every job has succeeded; `on_failure` when all have finished and some have not succeeded. Make them
    with `task.call(...)` or `task.using(...).call(...)`. A batch without jobs has succeeded. A dead letter that is retried and then
    succeeds can still make `on_success` follow; each follows once at most.
    Raises SynchronousOnlyOperation in async code, which cannot keep a transaction to itself over its awaits.
    """
    if event_loop.is_running():
        raise SynchronousOnlyOperation(
            f'open_batch("{name}") is a transaction, and async code cannot have one: make the batch in a synchronous function, '
            "and call it through asgiref.sync.sync_to_async"
        )
    with transaction.atomic():
        batch = Batch.objects.create(
            name=name, on_success=_stored(on_success), on_failure=_stored(on_failure)
        )
        yield batch
        seal(batch)


SEAL = """
    UPDATE offbeat_jobs_batch SET sealed_at = now(), total = (SELECT count(*) FROM offbeat_jobs_job WHERE batch_id = %s)
    WHERE id = %s RETURNING total, sealed_at
"""


def seal(batch: Batch) -> None:
    """Say that no job will be added, so that the batch can finish."""
    batch.total, batch.sealed_at = sql.fetch_one(SEAL, [batch.id, batch.id])
    settle(batch.id)


def settle_after_commit(batch_id: uuid.UUID) -> None:
    """Settle the batch of a job that this transaction ends, once it has. Death in between: the reconciler settles it."""
    transaction.on_commit(partial(settle, batch_id), robust=True)


# The newest first: jobs start about in the order of their ids, so from the oldest on each end would read past all that have ended.
NO_JOB = """
    (SELECT id FROM offbeat_jobs_job WHERE batch_id = offbeat_jobs_batch.id AND state = '{}' ORDER BY id DESC LIMIT 1) IS NULL
"""
UNFINISHED = (Job.State.PUBLISHED, Job.State.PENDING, Job.State.RUNNING)
DONE = " AND ".join(
    ["sealed_at IS NOT NULL", "finished_at IS NULL", *(NO_JOB.format(state.value) for state in UNFINISHED)]
)
# Whoever is skipped has its lock because all jobs have ended: it does the rest.
LOCK = f"SELECT total, on_success, on_failure, success_job_id, failure_job_id FROM offbeat_jobs_batch WHERE id = %s AND {DONE} FOR NO KEY UPDATE SKIP LOCKED"  # noqa: S608, E501
COUNT_FAILED = "SELECT count(*) FROM offbeat_jobs_job WHERE batch_id = %s AND state <> 'succeeded'"


def settle(batch_id: uuid.UUID) -> bool:
    """Finish a batch whose jobs have all ended, and enqueue what follows; tell whether this call did.

    Counted once, at the end: a counter that each job's end changes would put the ends of a batch in a row, and make them fail
    each other where transactions are serializable. Whoever calls it, and however often: the row's lock and `finished_at` let
    one do it.
    """
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:  # a project's default may be stricter, and would let this fail for others' sake
            sql.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        row = sql.fetch_one(LOCK, [batch_id])
        if row is None:
            return False
        total, on_success, on_failure, success_job, failure_job = row
        (failed,) = sql.fetch_one(COUNT_FAILED, [batch_id])
        values: dict[str, Any] = {"finished_at": Now(), "failed": failed, "succeeded": total - failed}
        if failed and on_failure and not failure_job:
            values["failure_job"] = _enqueue(json.loads(on_failure))
        if not failed and on_success and not success_job:
            values["success_job"] = _enqueue(json.loads(on_success))
        Batch.objects.filter(pk=batch_id).update(**values)
    return True


def settle_all(limit: int = 100) -> int:
    """Settle the batches that nobody has: whoever ended their last job died before it could; return how many.

    Raises OperationalError after that, where one could not be settled.
    """
    settled, held = 0, None
    for (batch_id,) in sql.fetch_all(f"SELECT id FROM offbeat_jobs_batch WHERE {DONE} LIMIT %s", [limit]):  # noqa: S608  a constant
        try:
            settled += settle(batch_id)
        except OperationalError as error:  # somebody holds what follows it: the others go on
            held = error
    if held:
        raise held
    return settled


def reopen(batch_id: uuid.UUID) -> None:
    """Let a batch finish again, because one of its jobs will be tried again."""
    Batch.objects.filter(pk=batch_id).update(finished_at=None)


def count(batches: Sequence[Batch]) -> Sequence[Batch]:
    """Return the batches with the counts of now: a row keeps them when its batch has finished."""
    open_ones = {batch.id: batch for batch in batches if batch.finished_at is None}
    for batch in open_ones.values():
        batch.succeeded = batch.failed = 0
    ended = Job.objects.filter(batch__in=open_ones, state__in=Job.FINISHED)
    for batch_id, state, jobs in ended.values_list("batch_id", "state").annotate(jobs=models.Count("pk")):
        name = "succeeded" if state == Job.State.SUCCEEDED else "failed"
        setattr(open_ones[batch_id], name, getattr(open_ones[batch_id], name) + jobs)
    return batches


def _enqueue(call: dict[str, Any]) -> Any:
    from offbeat.jobs.producer import Call, enqueue  # noqa: PLC0415  enqueueing publishes, publishing needs no batch

    # Written by another version, perhaps, which knows an option more.
    known = {option.name for option in fields(Call)}
    return enqueue(Call(**{name: value for name, value in call.items() if name in known}))


def _stored(call: Call | None) -> dict[str, Any] | None:
    if call is None:
        return None
    if call.run_at or call.not_after or call.batch_id:
        raise ValueError(
            f"{call.task}: a follow-up takes key, concurrency_key and queue; it starts when the batch has finished."
        )
    call.row()  # refuses arguments that are not JSON now, not when the batch has finished
    return asdict(call)
