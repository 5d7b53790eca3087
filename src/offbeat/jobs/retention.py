"""Retention: finished jobs go after a while, dead letters stay until somebody decides."""

from __future__ import annotations

from offbeat.jobs import sql
from offbeat.jobs.conf import conf

CHUNK = 1_000  # rows a DELETE: short transactions leave autovacuum and everybody else alone

PRUNE = """
    DELETE FROM offbeat_jobs_job WHERE id IN (
        SELECT id FROM offbeat_jobs_job WHERE state IN ('succeeded', 'cancelled', 'expired')
            AND finished_at < now() - make_interval(days => %s)
            AND (batch_id IS NULL OR batch_id IN (SELECT id FROM offbeat_jobs_batch WHERE finished_at IS NOT NULL))
            AND NOT EXISTS (SELECT 1 FROM offbeat_jobs_batch WHERE success_job_id = offbeat_jobs_job.id)
            AND NOT EXISTS (SELECT 1 FROM offbeat_jobs_batch WHERE failure_job_id = offbeat_jobs_job.id)
        LIMIT %s FOR UPDATE SKIP LOCKED
    )
"""
PRUNE_BATCHES = """
    DELETE FROM offbeat_jobs_batch WHERE id IN (
        SELECT id FROM offbeat_jobs_batch WHERE finished_at < now() - make_interval(days => %s)
            AND NOT EXISTS (SELECT 1 FROM offbeat_jobs_job WHERE batch_id = offbeat_jobs_batch.id)
        FOR UPDATE SKIP LOCKED
    )
"""


def prune(days: int | None = None) -> int:
    """Delete finished jobs older than `days` (default: the setting `retention_days`); return how many.

    A batch goes after its last job, and what followed it after the batch: the batch must not forget that it was followed.
    """
    age = conf().retention_days if days is None else days
    total = _prune_jobs(age)
    if sql.execute(PRUNE_BATCHES, [age]):
        total += _prune_jobs(age)
    return total


def _prune_jobs(age: int) -> int:
    total = 0
    while deleted := sql.execute(PRUNE, [age, CHUNK]):
        total += deleted
    return total
