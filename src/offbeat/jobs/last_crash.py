"""What Celery calls when a task has failed, for a job whose process was killed for the last time: no child is left to call it.

In the worker's main process, as Celery does for a killed task; from its maintenance thread, which has recorded the end.
"""

from __future__ import annotations

import logging
import uuid  # noqa: TC003
from typing import TYPE_CHECKING, Any

from billiard.einfo import ExceptionInfo
from billiard.exceptions import WorkerLostError
from celery import current_app, signals, states
from celery.app.task import Context

from offbeat.jobs import leftovers
from offbeat.jobs.models import Job

if TYPE_CHECKING:
    from celery import Task

logger = logging.getLogger(__name__)


def report(job_id: uuid.UUID, name: str, reason: str) -> None:
    """Call `on_failure` and `after_return` of its class, and send `task_failure`; what they raise is logged, and no more."""
    task = current_app.tasks.get(name)
    if task is None:
        return
    try:
        with leftovers.remove_leftovers():
            _report(task, Job.objects.only("args", "kwargs", "attempt", "retries").get(pk=job_id), reason)
    except BaseException:  # one such as SystemExit would end the thread
        logger.exception(
            "%s %s: a hook for its failure failed",
            name,
            job_id,
            extra={"action": "hook_failed", "job": str(job_id)},
        )


def _report(task: Task, job: Job, reason: str) -> None:
    try:
        raise WorkerLostError(reason)  # noqa: TRY301  for its traceback
    except WorkerLostError as lost:
        error, info = lost, ExceptionInfo()
    told: tuple[Any, ...] = (str(job.pk), job.args, job.kwargs)
    request = Context(
        id=told[0], args=job.args, kwargs=job.kwargs, retries=job.retries, called_directly=False, headers={}
    )
    task.request_stack.push(request)
    try:
        task.on_failure(error, *told, info)
        task.after_return(states.FAILURE, error, *told, None)
        signals.task_failure.send(
            sender=task,
            task_id=told[0],
            exception=error,
            args=job.args,
            kwargs=job.kwargs,
            traceback=error.__traceback__,
            einfo=info,
        )
    finally:
        task.request_stack.pop()
