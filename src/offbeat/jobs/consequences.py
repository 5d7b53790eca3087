"""What follows a change of a job's state, once the transaction that says so is committed: its batch, its key, its signal."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction

from offbeat.jobs import batches, concurrency_keys

if TYPE_CHECKING:
    import uuid

    from django.dispatch import Signal


def follow(batch_id: uuid.UUID | None, concurrency_key: str | None) -> None:
    """Settle the batch, and hand the key over, of a job that this transaction ends, once it has.

    Death in between: the reconciler does it.
    """
    if batch_id:
        batches.settle_after_commit(batch_id)
    if concurrency_key:
        transaction.on_commit(partial(concurrency_keys.hand_over, concurrency_key), robust=True)


def send_after_commit(signal: Signal, task: str, job_id: uuid.UUID, reason: str) -> None:
    """Send what became of a job, once the transaction that says so is committed."""
    transaction.on_commit(partial(signal.send_robust, task, job_id=job_id, reason=reason), robust=True)
