"""Retention: finished jobs go after a while, dead letters stay until somebody decides."""

from __future__ import annotations

from offbeat.jobs import sql
from offbeat.jobs.conf import conf

CHUNK = 1_000  # rows a DELETE: short transactions leave autovacuum and everybody else alone

# From where the chunk before ended: what it deleted is still in the index, and each chunk would pass over all of that again.
PRUNE = """
    WITH pruned AS (
        DELETE FROM offbeat_jobs_job WHERE id = ANY (ARRAY(
            SELECT id FROM offbeat_jobs_job WHERE state IN ('succeeded', 'cancelled', 'expired')
                AND finished_at >= %s AND finished_at < now() - %s * interval '1 day'
                AND (batch_id IS NULL OR batch_id IN (SELECT id FROM offbeat_jobs_batch WHERE finished_at IS NOT NULL))
                AND NOT EXISTS (SELECT 1 FROM offbeat_jobs_batch WHERE success_job_id = offbeat_jobs_job.id)
                AND NOT EXISTS (SELECT 1 FROM offbeat_jobs_batch WHERE failure_job_id = offbeat_jobs_job.id)
            ORDER BY finished_at LIMIT %s FOR UPDATE SKIP LOCKED
        )) RETURNING finished_at
    ) SELECT count(*), max(finished_at) FROM pruned
"""
PRUNE_BATCHES = """
    DELETE FROM offbeat_jobs_batch WHERE id IN (
        SELECT id FROM offbeat_jobs_batch WHERE finished_at < now() - %s * interval '1 day'
            AND NOT EXISTS (SELECT 1 FROM offbeat_jobs_job WHERE batch_id = offbeat_jobs_batch.id)
        FOR UPDATE SKIP LOCKED
    )
"""


def prune(days: float | None = None) -> int:
    """Delete finished jobs older than `days` (default: the setting `retention_days`); return how many.

    A batch goes after its last job, and what followed it after the batch: the batch must not forget that it was followed.
    """
    age = conf().retention_days if days is None else days
    total = _prune_jobs(age)
    if sql.execute(PRUNE_BATCHES, [age]):
        total += _prune_jobs(age)
    return total


def _prune_jobs(age: float) -> int:
    total, end = 0, "-infinity"
    while True:
        deleted, end = sql.fetch_one(PRUNE, [end, age, CHUNK])
        total += deleted
        if not deleted:
            return total
