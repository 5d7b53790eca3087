"""From the row of a job to what Django's interface says of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from offbeat.jobs.error_text import path_of
from offbeat.jobs.message import RUNNER
from offbeat.jobs.models import Job
from offbeat.jobs.tasks_backend import registry
from offbeat.jobs.tasks_backend.interface import (
    InvalidTask,
    InvalidTaskBackend,
    Task,
    TaskError,
    TaskResult,
    TaskResultDoesNotExist,
    TaskResultStatus,
)
from offbeat.jobs.tasks_backend.outcomes import (
    AttemptLostError,
    JobCancelledError,
    JobExpiredError,
    UnknownTaskError,
)
from offbeat.jobs.tasks_backend.queue import queue_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offbeat.jobs.producer import Call

STATUS: dict[str, TaskResultStatus] = {
    Job.State.RUNNING: TaskResultStatus.RUNNING,
    Job.State.SUCCEEDED: TaskResultStatus.SUCCESSFUL,
    Job.State.DEAD: TaskResultStatus.FAILED,
    Job.State.CANCELLED: TaskResultStatus.FAILED,
    Job.State.EXPIRED: TaskResultStatus.FAILED,
}
ENDED_BY: dict[str, type[Exception]] = {
    Job.State.CANCELLED: JobCancelledError,
    Job.State.EXPIRED: JobExpiredError,
    Job.State.DEAD: UnknownTaskError,
}
LOST = {"crashed", "excused"}  # outcomes of attempts that left no error, or none of the task's
AT_ONCE = timedelta(seconds=1)  # between the end of an attempt and that of the job by the same statement


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerResult(TaskResult):  # type: ignore[misc]  # the stubs do not say that it is frozen
    """A result, made of what the row says."""

    _return_value: Any = None


def find(result_id: str, alias: str) -> LedgerResult:
    """Return the result with this id. Raises TaskResultDoesNotExist, also for the id of a job of Celery's own tasks."""
    try:
        job = Job.objects.get(pk=uuid.UUID(str(result_id)), runner=RUNNER)
        return result_of(job, alias)
    except (ValueError, TypeError, AttributeError, Job.DoesNotExist):
        raise TaskResultDoesNotExist(result_id) from None
    except UnknownTaskError as error:
        raise TaskResultDoesNotExist(f"{result_id}: {error}") from error


def result_of(job: Job, alias: str) -> LedgerResult:
    """Return what a row says, whose task has to be there: raises UnknownTaskError."""
    task = _task_of(job, alias)
    last = job.history[-1] if job.history else {}
    waits = job.state in Job.STARTABLE
    return LedgerResult(
        task=task,
        id=str(job.pk),
        status=STATUS.get(job.state, TaskResultStatus.READY),
        enqueued_at=job.created_at,
        started_at=_moment(job.history[0]) if job.history else _started_at(job),
        finished_at=job.finished_at,
        last_attempted_at=_moment(last) if waits else _started_at(job),
        args=job.args,
        kwargs=job.kwargs,
        backend=job.options.get("backend", alias),
        errors=errors_of(job),
        worker_ids=_worker_ids(job),
        _return_value=job.result,
    )


def new_result(job: Job, task: Task, call: Call, alias: str) -> LedgerResult:
    """Return the result of a job that has just been enqueued."""
    return LedgerResult(
        task=task,
        id=str(job.pk),
        status=TaskResultStatus.READY,
        enqueued_at=job.created_at,
        started_at=None,
        finished_at=None,
        last_attempted_at=None,
        args=list(call.args),
        kwargs=dict(call.kwargs),
        backend=alias,
        errors=[],
        worker_ids=[],
    )


def _task_of(job: Job, alias: str) -> Task:
    declared = registry.find(job.task)
    run_after = job.options.get("run_after")
    as_enqueued: dict[str, Any] = {
        "priority": job.priority,
        "queue_name": declared.queue_name if job.queue == queue_of(declared) else job.queue,
        "run_after": datetime.fromisoformat(run_after) if run_after else None,
        "backend": job.options.get("backend", alias),
    }
    changes = {name: value for name, value in as_enqueued.items() if value != getattr(declared, name)}
    try:
        return replace(declared, **changes) if changes else declared
    except (InvalidTask, InvalidTaskBackend):  # by settings that have changed since
        return declared


def errors_of(job: Job) -> list[TaskError]:
    """Return how each attempt failed, and how the job ended where that was no attempt's end."""
    errors = [error for each in job.history if (error := _error(each))]
    if errors and job.traceback and job.state == Job.State.DEAD and "traceback" in job.history[-1]:
        errors[-1] = replace(errors[-1], traceback=job.traceback)  # of the last one there is more
    if (ended_by := ENDED_BY.get(job.state)) and not _is_of_attempt(job):
        errors.append(
            TaskError(exception_class_path=path_of(ended_by), traceback=job.traceback or job.reason)
        )
    return errors


def _error(attempt: Mapping[str, Any]) -> TaskError | None:
    if path := attempt.get("error"):
        return TaskError(exception_class_path=path, traceback=attempt["traceback"])
    if attempt["outcome"] in LOST:
        return TaskError(exception_class_path=path_of(AttemptLostError), traceback=attempt["reason"])
    return None


def _is_of_attempt(job: Job) -> bool:
    """Tell whether a job ended with its last attempt, and not while it waited for one."""
    ended_at = job.history and job.history[-1].get("ended_at")
    return bool(
        job.state == Job.State.DEAD
        and ended_at
        and job.finished_at
        and abs(job.finished_at - datetime.fromisoformat(ended_at)) < AT_ONCE
    )


def _worker_ids(job: Job) -> list[str]:
    """Return the worker of each attempt; "" for one that a long history has left out."""
    workers = {each["attempt"]: each.get("worker") or "" for each in job.history}
    if job.attempt and job.attempt not in workers:
        workers[job.attempt] = str(job.worker or "")
    return [workers.get(number, "") for number in range(1, job.attempt + 1)]


def _started_at(job: Job) -> datetime | None:
    return job.started_at if job.attempt else None


def _moment(attempt: Mapping[str, Any]) -> datetime | None:
    text = attempt.get("started_at")
    return datetime.fromisoformat(text) if text else None
