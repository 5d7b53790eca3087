"""For tests: executes due jobs in the test's own process, without a worker and without Redis."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from asgiref.sync import sync_to_async
from celery import current_app, states
from celery.app.trace import build_tracer
from django.core.exceptions import SynchronousOnlyOperation
from django.utils import timezone

from offbeat.jobs import batches, plain_messages, refusal, sql, tracer
from offbeat.jobs.execution import EndedError
from offbeat.jobs.message import headers
from offbeat.jobs.models import Job

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from offbeat.jobs.plain_messages import PlainMessage

logger = logging.getLogger(__name__)

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


class JobFailedError(Exception):
    """A job of the test did not succeed, and no exception of its task says why: the message does. See run_jobs."""


class _Due(NamedTuple):
    id: uuid.UUID
    task: str
    queue: str
    attempt: int


def run_jobs(*, ahead: timedelta = timedelta(0), limit: int = 1000, raises: bool = True) -> int:
    """Execute every job that is due, with those that they enqueue, and return how many attempts were made.

    They run through the ledger as in a worker, so retries, batches, concurrency keys and dead letters are the real ones. What
    `.delay()` has sent runs too, where the pytest plugin keeps it.

    The first job that ends as a dead letter ends the call, with the exception of its task; the other jobs stay due.
    JobFailedError stands for what has none: a task or a signature that this code lacks, an error of on_commit after an
    `atomic` task. With `raises=False` nothing of it is raised, and the rows say it. A retry, an expired job and one that gave way
    to another of its key are no errors.

    `ahead` also runs what is due by then: retries, and jobs with `run_at`.
    Works in TestCase and in TransactionTestCase. Raises EndlessJobsError after `limit` attempts.
    """
    attempts = 0
    passed: list[uuid.UUID] = []  # those that were not started: looked at once
    while (due := _next(ahead, passed)) is not None:
        if attempts >= limit:
            raise EndlessJobsError(f"{attempts} attempts were made, and {due.task} {due.id} is still due")
        if isinstance(due, _Due):
            has_begun, error = _execute(due, raises=raises)
            passed += [] if has_begun else [due.id]
        else:
            has_begun, error = True, _run_message(due)
        attempts += has_begun
        if error is not None and raises:
            raise error
    return attempts


async def arun_jobs(*, ahead: timedelta = timedelta(0), limit: int = 1000, raises: bool = True) -> int:
    """Do the same from an async test: where its synchronous calls run, so in their transaction."""
    return await sync_to_async(run_jobs)(ahead=ahead, limit=limit, raises=raises)


def _next(ahead: timedelta, passed: Sequence[uuid.UUID]) -> _Due | PlainMessage | None:
    try:
        row = sql.fetch_one(NEXT, [ahead.total_seconds(), list(passed)])
    except SynchronousOnlyOperation:
        raise SynchronousOnlyOperation(
            "run_jobs waits for PostgreSQL, and this is async code: write `await arun_jobs()`"
        ) from None
    if row:
        return _Due(*row)
    kept = plain_messages.kept()
    return kept.take(ahead) if kept else None


def _execute(due: _Due, *, raises: bool) -> tuple[bool, BaseException | None]:
    """Run one message of the job as a worker's child would; return whether an attempt was started, and what ended it."""
    task = _find(due.task)
    if task is None:
        refusal.refuse([due.id], due.task)
        return False, _misfit(due)
    celerys = build_tracer(task.name, task, app=task.app, eager=True)  # eager: no result is stored
    try:
        traced = tracer.trace(task, celerys, str(due.id), (), {}, _request(due))
    except EndedError as ended:  # of a hook, or a signal, of Celery's
        if not raises:
            raise
        raise (ended.__context__ if isinstance(ended.__context__, Exception) else ended) from None
    batches.settle_all()  # in a TestCase nothing is ever committed, which settles them elsewhere
    job = Job.objects.get(pk=due.id)
    if job.attempt <= due.attempt:
        return False, _misfit(due)
    return True, _error(job, traced.info and traced.info.retval)


def _find(name: str) -> Any:
    if name not in current_app.tasks:  # a follow-up may be a task that the test has not imported
        current_app.autodiscover_tasks(force=True)
    return current_app.tasks.get(name)


def _misfit(due: _Due) -> BaseException | None:
    """Return why this code cannot run a job; None for one that waits, has expired or gave way."""
    job = Job.objects.get(pk=due.id)
    return JobFailedError(f"{job.task} {job.id} {job.reason}") if job.refused_at else None


def _error(job: Job, raised: Any) -> BaseException | None:
    """Return what a test has to know of the attempt that has just ended."""
    if job.state == Job.State.DEAD:
        logger.error("%s %s is a dead letter: %s", job.task, job.id, job.reason)
        if isinstance(raised, Exception):
            return raised
        return JobFailedError(f"{job.task} {job.id} is a dead letter: {job.reason}\n{job.traceback}")
    if job.state == Job.State.SUCCEEDED and job.reason:
        return JobFailedError(f"{job.task} {job.id} {job.reason}\n{job.traceback}")
    if job.state == Job.State.PENDING:
        # Else a test that does not look ahead fails without a trace of the error that it was about.
        logger.warning("%s %s is tried again at %s: %s", job.task, job.id, job.due_at, job.reason)
    return None


def _run_message(message: PlainMessage) -> BaseException | None:
    """Run what `.delay()` has sent; return what ended it."""
    if _find(message.task) is None:
        return JobFailedError(f"no task {message.task} is known here, and a message names it")
    info = message.run().info
    return info.retval if info and info.state == states.FAILURE else None


def _request(due: _Due) -> dict[str, Any]:
    return {
        **headers(str(due.id), due.task, timezone.now().timestamp()),
        "args": [],
        "kwargs": {},
        "hostname": "run_jobs",
        "delivery_info": {"exchange": "", "routing_key": due.queue, "redelivered": False},
    }
