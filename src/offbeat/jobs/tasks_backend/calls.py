"""From a task of Django's with its arguments to the row of a job."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from django.utils import timezone

from offbeat.jobs import arguments, producer, queue_names
from offbeat.jobs.conf import conf
from offbeat.jobs.message import RUNNER
from offbeat.jobs.producer import Call
from offbeat.jobs.tasks_backend import registry, results
from offbeat.jobs.tasks_backend.interface import InvalidTask, Task, normalize_json, task_enqueued
from offbeat.jobs.tasks_backend.outcomes import UnknownTaskError
from offbeat.jobs.tasks_backend.queue import queue_of
from offbeat.jobs.tasks_backend.signature import misfit
from offbeat.jobs.tasks_backend.task import option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from offbeat.jobs.tasks_backend.interface import BaseTaskBackend, TaskResult

# Said by the decorator, and known to the worker by its own code; what `using` says otherwise goes with the job.
OF_CODE = ("atomic", "statement_timeout", "retry")


def enqueue(
    backend: BaseTaskBackend, task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> TaskResult:
    """Write a job and return its result; with a `key` that exists, that of the job that has it."""
    call = make_call(task, args, kwargs, backend.alias)
    job, is_new = producer.write(call)
    if not is_new:
        if (job.runner, job.task) != (call.runner, call.task):
            raise ValueError(f'{call.task}: the key "{call.key}" is that of a job of {job.task}.')
        return results.result_of(job, backend.alias)
    result = results.new_result(job, task, call, backend.alias)
    task_enqueued.send_robust(type(backend), task_result=result)
    return result


def make_call(task: Task, args: Sequence[Any], kwargs: Mapping[str, Any], alias: str) -> Call:
    """Return the row to be written. Raises TypeError for arguments that are no JSON, or do not fit, InvalidTask for the task."""
    path = task.module_path
    args, kwargs = _normalized(path, list(args), dict(kwargs))
    if reason := misfit(task, args, kwargs):
        raise TypeError(reason)
    batch = option(task, "batch")
    if batch and batch.sealed_at:
        raise ValueError(f'{path}: batch "{batch}" is sealed: enqueue its jobs inside its `with` block.')
    queue = queue_of(task)
    queue_names.check_queue(path, queue)
    return Call(
        task=path,
        runner=RUNNER,
        options=own_options(task, alias),
        queue=queue,
        max_attempts=option(task, "max_attempts") or conf().max_attempts,
        args=args,
        kwargs=kwargs,
        key=_key(task, "key", args, kwargs),
        concurrency_key=_key(task, "concurrency_key", args, kwargs),
        when_busy=option(task, "when_busy"),
        batch_id=batch.id if batch else None,
        not_after=_moment(option(task, "not_after")),
        run_at=task.run_after,
        priority=int(task.priority),
    )


def _normalized(path: str, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return arguments as JSON has them, by Django's rules: tuples become lists, bytes text."""
    try:
        return cast("tuple[list[Any], dict[str, Any]]", (normalize_json(args), normalize_json(kwargs)))
    except (TypeError, ValueError, RecursionError) as error:
        try:
            arguments.encode_arguments(path, args, kwargs)
        except arguments.ArgumentError as ours:  # which says where
            raise arguments.ArgumentError(f"{ours} ({error})") from error
        raise


def _key(task: Task, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    value = option(task, name)
    key = value(*args, **kwargs) if callable(value) else value
    if not isinstance(key, str | None):
        raise TypeError(
            f"{task.module_path}: the function of {name} should return a text or None, got {key!r}."
        )
    return key


def _moment(not_after: datetime | timedelta | None) -> datetime | None:
    if not isinstance(not_after, timedelta):
        return not_after
    try:
        return timezone.now() + not_after
    except OverflowError:
        raise InvalidTask(f"not_after is {not_after} from now, and years go to 9999") from None


def own_options(task: Task, alias: str) -> dict[str, Any]:
    """Return what the runner has to know besides the path."""
    declared = _declared(task)
    options: dict[str, Any] = {"backend": alias}
    limits = [option(task, "time_limit"), option(task, "soft_time_limit")]
    if any(limits):
        options["timelimit"] = limits
    if task.run_after:
        options["run_after"] = task.run_after.isoformat()
    for name in OF_CODE:
        if (value := option(task, name)) != option(declared, name):
            options[name] = value.as_json() if name == "retry" and value else value
    return options


def _declared(task: Task) -> Task:
    """Return what stands at the task's path, where a worker will look for it."""
    try:
        declared = registry.find(task.module_path)
    except UnknownTaskError as error:
        raise InvalidTask(
            f"{task.module_path}: a worker would not find it under this path: {error}. Hint: use @task as a decorator."
        ) from error
    if declared.func is not task.func:
        raise InvalidTask(f"{task.module_path}: this path is that of another function.")
    return declared
