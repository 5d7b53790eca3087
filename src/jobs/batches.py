"""Batches: jobs that belong together, with a job to follow exactly once when the last of them has finished.

The count is a row in PostgreSQL, changed in the transaction that ends each job, and the follow-up is inserted in the transaction
that ends the last one: an empty Redis, which loses a chord, loses nothing here.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from jobs.models import Batch

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator

    from jobs.enqueue import Call


@contextlib.contextmanager
def open_batch(
    name: str, *, on_success: Call | None = None, on_failure: Call | None = None
) -> Iterator[Batch]:
    """Create a batch for the jobs enqueued with `using(batch=batch)` inside the block, in one transaction.

    `on_success` follows when every job has succeeded; `on_failure` when all have finished and some have not succeeded. Make them
    with `task.call(...)` or `task.using(...).call(...)`. A batch without jobs has succeeded. A dead letter that is retried and then
    succeeds can still make `on_success` follow; each follows once at most.
    """
    with transaction.atomic():
        batch = Batch.objects.create(
            name=name, on_success=_stored(on_success), on_failure=_stored(on_failure)
        )
        yield batch
        seal(batch)


def seal(batch: Batch) -> None:
    """Say that no job will be added, so that the batch can finish."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE jobs_batch SET sealed_at = now(), total = (SELECT count(*) FROM jobs_job WHERE batch_id = %s)
            WHERE id = %s RETURNING total, sealed_at""",
            [batch.id, batch.id],
        )
        batch.total, batch.sealed_at = cursor.fetchone()
    _follow_up(batch.id)


def count(batch_id: uuid.UUID, *, succeeded: bool) -> None:
    """Count a job that has ended; call it in the transaction that ends it. The row's lock puts the last ones in order."""
    _add(batch_id, succeeded=int(succeeded), failed=int(not succeeded))
    _follow_up(batch_id)


def uncount_failure(batch_id: uuid.UUID) -> None:
    """Take back that a job has failed, because it will be tried again."""
    _add(batch_id, succeeded=0, failed=-1)
    Batch.objects.filter(pk=batch_id).update(finished_at=None)


def _add(batch_id: uuid.UUID, *, succeeded: int, failed: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE jobs_batch SET succeeded = succeeded + %s, failed = failed + %s WHERE id = %s",
            [succeeded, failed, batch_id],
        )


def _follow_up(batch_id: uuid.UUID) -> None:
    """Enqueue what follows, if this transaction is the one that finished the batch: it holds the row's lock."""
    batch = Batch.objects.get(pk=batch_id)
    if not batch.sealed_at or batch.succeeded + batch.failed < batch.total:
        return
    slot, call = ("failure_job", batch.on_failure) if batch.failed else ("success_job", batch.on_success)
    values: dict[str, Any] = {"finished_at": _database_now()}
    if call and getattr(batch, f"{slot}_id") is None:
        values[slot] = _enqueue(call)
    Batch.objects.filter(pk=batch_id).update(**values)


def _enqueue(call: dict[str, Any]) -> Any:
    from jobs.enqueue import Call, enqueue  # noqa: PLC0415  enqueueing publishes, publishing needs no batch

    return enqueue(Call(**call))


def _stored(call: Call | None) -> dict[str, Any] | None:
    if call is None:
        return None
    if call.run_at or call.not_after or call.batch_id:
        raise ValueError(
            f"{call.task}: a follow-up takes key, concurrency_key and queue; it starts when the batch has finished."
        )
    call.row()  # refuses arguments that are not JSON now, not when the batch has finished
    return asdict(call)


def _database_now() -> Any:
    from django.db.models.functions import Now  # noqa: PLC0415

    return Now()
