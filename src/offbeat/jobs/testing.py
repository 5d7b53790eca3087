"""For tests: executes due jobs in the test's own process, without a worker and without Redis."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from celery import current_app
from celery.app.trace import build_tracer
from django.utils import timezone

from offbeat.jobs import batches, refusal, sql, tracer
from offbeat.jobs.message import headers
from offbeat.jobs.models import Job

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

# In a TestCase now() stands still, at the beginning of the test's transaction: the clock on the wall tells what is due,
# and `least` makes it due for `attempts.begin`, which asks now().
NEXT = """
    UPDATE offbeat_jobs_job SET due_at = least(due_at, now()) WHERE id = (
        SELECT id FROM offbeat_jobs_job
        WHERE state IN ('pending', 'published') AND due_at <= clock_timestamp() + make_interval(secs => %s) AND NOT id = ANY(%s)
        ORDER BY due_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING id, coalesce(nullif(runner, ''), task), queue, attempt
"""


class EndlessJobsError(Exception):
    """The jobs of a test enqueue jobs without end: look for one that enqueues itself, or call run_jobs with less `ahead`."""


class _Due(NamedTuple):
    id: uuid.UUID
    task: str
    queue: str
    attempt: int


def run_jobs(*, ahead: timedelta = timedelta(0), limit: int = 1000) -> int:
    """Execute every job that is due, with those that they enqueue, and return how many attempts were made.

    They run through the ledger as in a worker, so retries, batches, concurrency keys and dead letters are the real ones; an
    error of a task makes a dead letter and is not raised. `ahead` also runs what is due by then: retries, and jobs with `run_at`.
    Works in TestCase and in TransactionTestCase. Raises EndlessJobsError after `limit` attempts.
    """
    attempts = 0
    passed: list[uuid.UUID] = []  # those that were not started: looked at once
    while (due := _next(ahead, passed)) is not None:
        if attempts >= limit:
            raise EndlessJobsError(f"{attempts} attempts were made, and {due.task} {due.id} is due still")
        if _execute(due):
            attempts += 1
        else:
            passed.append(due.id)
    return attempts


def _next(ahead: timedelta, passed: Sequence[uuid.UUID]) -> _Due | None:
    row = sql.fetch_one(NEXT, [ahead.total_seconds(), list(passed)])
    return _Due(*row) if row else None


def _execute(due: _Due) -> bool:
    """Run one message of the job as a worker's child would; tell whether an attempt was started."""
    if due.task not in current_app.tasks:  # a follow-up may be a task that the test has not imported
        current_app.autodiscover_tasks(force=True)
    task = current_app.tasks.get(due.task)
    if task is None:
        refusal.refuse([due.id], due.task)
        return False
    celerys = build_tracer(task.name, task, app=task.app, eager=True)  # eager: no result is stored
    tracer.trace(task, celerys, str(due.id), (), {}, _request(due))
    batches.settle_all()  # in a TestCase nothing is ever committed, which settles them elsewhere
    return Job.objects.filter(pk=due.id, attempt__gt=due.attempt).exists()


def _request(due: _Due) -> dict[str, Any]:
    return {
        **headers(str(due.id), due.task, timezone.now().timestamp()),
        "args": [],
        "kwargs": {},
        "hostname": "run_jobs",
        "delivery_info": {"exchange": "", "routing_key": due.queue, "redelivered": False},
    }
