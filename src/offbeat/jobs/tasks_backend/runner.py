"""The task of Celery's that runs Django's tasks: each as the job of its own path."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from celery.exceptions import TaskPredicate

from offbeat.database.statement_bounds import statement_timeout
from offbeat.jobs import event_loop
from offbeat.jobs.arguments import ArgumentError, encode_result
from offbeat.jobs.attempts import FencedError
from offbeat.jobs.execution import attempt_of
from offbeat.jobs.task import DurableTask
from offbeat.jobs.tasks_backend import bridge, registry
from offbeat.jobs.tasks_backend.outcomes import UnknownTaskError

if TYPE_CHECKING:
    from offbeat.jobs.attempts import Attempt
    from offbeat.jobs.tasks_backend.interface import Task, TaskResult
    from offbeat.jobs.tasks_backend.retry_policy import Retry


class TaskRunner(DurableTask):
    """Looks up the task that a job names, and runs it in the job's attempt."""

    abstract = True

    def _prepare(self, attempt: Attempt) -> str:
        from offbeat.jobs.tasks_backend import signature  # noqa: PLC0415  a worker without such tasks needs none

        try:
            task = registry.find(attempt.task)
        except UnknownTaskError as error:
            return str(error)
        attempt.target, attempt.keeps_result = task, True
        attempt.is_atomic = bool(_option(attempt, "atomic"))
        return signature.misfit(task, attempt.args, attempt.kwargs)

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        attempt = attempt_of(self)
        is_needed = attempt is not None and attempt.target.takes_context
        self.request.task_result = bridge.send("task_started", task_id, is_needed=is_needed)

    def run_target(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task that the job names, and try it again as its `retry` says."""
        attempt = attempt_of(self)
        if attempt is None or attempt.target is None:
            raise TypeError(f"{self.name} runs jobs of Django's tasks, and no others: enqueue one of those.")
        seconds = _option(attempt, "statement_timeout")
        try:
            with contextlib.nullcontext() if seconds is None else statement_timeout(seconds):
                result = _call(attempt.target, self.request.task_result, args, kwargs)
        except (TaskPredicate, FencedError):  # no failure
            raise
        except Exception as error:
            if (policy := _policy(attempt)) and policy.covers(error):
                wait = policy.countdown(attempt.retries)
                self.retry(exc=error, countdown=wait, max_retries=policy.max_retries)
            raise
        return _normalized(attempt.task, result)


def _call(task: Task, result: TaskResult, args: Any, kwargs: Any) -> Any:
    """Call the function of a task, and not its `call`, which would run a coroutine where no limit interrupts it."""
    if task.takes_context:
        from offbeat.jobs.tasks_backend.task import LedgerContext  # noqa: PLC0415  as above

        args = (LedgerContext(task_result=result), *args)
    return event_loop.await_result(task.module_path, task.func(*args, **kwargs))


def _normalized(path: str, result: Any) -> Any:
    """Return a result as JSON has it, by Django's rules. Raises TypeError, which names the place of what is not."""
    from offbeat.jobs.tasks_backend.interface import normalize_json  # noqa: PLC0415  as above

    try:
        return normalize_json(result)
    except (TypeError, ValueError, RecursionError) as error:
        try:
            encode_result(path, result)
        except ArgumentError as ours:
            raise TypeError(str(ours)) from error
        raise


def _option(attempt: Attempt, name: str) -> Any:
    """Return an option of how a task runs: what was said with `using`, or what its decorator says."""
    from offbeat.jobs.tasks_backend.task import option  # noqa: PLC0415  as above

    return attempt.options[name] if name in attempt.options else option(attempt.target, name)


def _policy(attempt: Attempt) -> Retry | None:
    from offbeat.jobs.tasks_backend.retry_policy import Retry  # noqa: PLC0415  as above

    found = _option(attempt, "retry")
    return Retry.from_json(found) if isinstance(found, dict) else found
