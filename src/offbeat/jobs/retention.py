"""Retention: finished jobs go after a while, dead letters stay until somebody decides."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from offbeat.jobs import sql
from offbeat.jobs.conf import conf

CHUNK = 1_000  # rows a DELETE: short transactions leave autovacuum and everybody else alone

# From where the chunk before ended: what it deleted is still in the index, and each chunk would pass over all of that again.
# A batch is looked up for each row: joined, each chunk would read all batches.
PRUNE = """
    WITH pruned AS (
        DELETE FROM offbeat_jobs_job WHERE id = ANY (ARRAY(
            SELECT id FROM offbeat_jobs_job WHERE state IN ('succeeded', 'cancelled', 'expired')
                AND finished_at >= %s AND finished_at < now() - %s * interval '1 day'
                AND (batch_id IS NULL OR (SELECT finished_at IS NOT NULL FROM offbeat_jobs_batch WHERE id = batch_id))
                AND NOT EXISTS (SELECT 1 FROM offbeat_jobs_batch WHERE success_job_id = offbeat_jobs_job.id)
                AND NOT EXISTS (SELECT 1 FROM offbeat_jobs_batch WHERE failure_job_id = offbeat_jobs_job.id)
            ORDER BY finished_at LIMIT %s FOR UPDATE SKIP LOCKED
        )) RETURNING finished_at
    ) SELECT count(*), max(finished_at) FROM pruned
"""
PRUNE_BATCHES = """
    WITH pruned AS (
        DELETE FROM offbeat_jobs_batch WHERE id = ANY (ARRAY(
            SELECT id FROM offbeat_jobs_batch WHERE id >= %s AND finished_at < now() - %s * interval '1 day'
                AND coalesce((SELECT false FROM offbeat_jobs_job WHERE batch_id = offbeat_jobs_batch.id LIMIT 1), true)
            ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
        )) RETURNING id
    ) SELECT count(*), (SELECT id FROM pruned ORDER BY id DESC LIMIT 1) FROM pruned
"""


def prune(days: float | None = None) -> int:
    """Delete finished jobs older than `days` (default: the setting `retention_days`); return how many.

    A batch goes after its last job, and what followed it after the batch: the batch must not forget that it was followed.
    """
    age = conf().retention_days if days is None else days
    total = _delete(PRUNE, "-infinity", age)
    if _delete(PRUNE_BATCHES, UUID(int=0), age):
        total += _delete(PRUNE, "-infinity", age)
    return total


def _delete(chunk: str, start: Any, age: float) -> int:
    total = 0
    while True:
        deleted, start = sql.fetch_one(chunk, [start, age, CHUNK])
        total += deleted
        if not deleted:
            return total
