"""The class of tasks that `@task` makes under our backend: what the ledger can do, as options of the decorator and of `using`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Generic, Unpack, cast

from celery import current_task
from django.utils import timezone

from offbeat.jobs import levels
from offbeat.jobs.parameters import P, R, TaskOptions
from offbeat.jobs.tasks_backend import registry
from offbeat.jobs.tasks_backend.interface import Task, TaskContext
from offbeat.jobs.tasks_backend.outcomes import UnknownTaskError
from offbeat.jobs.tasks_backend.retry_policy import Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from offbeat.jobs.models import Batch
    from offbeat.jobs.producer import Call
    from offbeat.jobs.tasks_backend.interface import TaskResult


# What a job has of its own, and what is said in the decorator alone.
FIXED = {"func", "takes_context"}
WHEN_BUSY = ("wait", "skip")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTask(Task, Generic[P, R]):
    """A task of Django's with the options of a job.

    `key`: unique until the job is pruned; `concurrency_key`: at most one job of the same key runs at a time. Each may be a function
    of the task's arguments. `when_busy`: "wait" or "skip". `not_after`: a time, or a timedelta from the enqueueing on; a job that
    has not started by then expires. `max_attempts`: attempts that may end without an answer. `atomic`: one transaction with the
    recording of success. `time_limit`, `soft_time_limit`, `statement_timeout`: seconds. `retry`: see Retry. `batch`: a Batch.
    """

    key: str | Callable[..., str] | None = None
    concurrency_key: str | Callable[..., str] | None = None
    when_busy: str = "wait"
    not_after: datetime | timedelta | None = None
    max_attempts: int | None = None
    atomic: bool = False
    time_limit: float | None = None
    soft_time_limit: float | None = None
    statement_timeout: float | None = None
    retry: Retry | None = None
    batch: Batch | None = field(default=None, compare=False)

    if TYPE_CHECKING:  # Django's own, with the parameters

        def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> TaskResult[P, R]: ...
        async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> TaskResult[P, R]: ...
        def call(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
        async def acall(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
        def get_result(self, result_id: str) -> TaskResult[P, R]: ...
        async def aget_result(self, result_id: str) -> TaskResult[P, R]: ...

    def using(self, **options: Unpack[TaskOptions]) -> LedgerTask[P, R]:
        """Return the task with other options; None leaves one as it is."""
        given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
        known = [each.name for each in fields(self) if each.name not in FIXED]
        for name in sorted(options.keys() - set(known)):
            raise TypeError(
                f"{self.module_path}: using() takes no {name}. It takes {', '.join(known)}.{_meant(name, known)}"
            )
        return replace(self, **given)

    def __reduce__(self) -> Any:
        """Pickle what differs from the task at its path: what that one has, such as a function of its key, may not be picklable."""
        try:
            declared = registry.find(self.module_path)
        except UnknownTaskError:
            return Task.__reduce__(self)
        changes = {
            each.name: value
            for each in fields(self)
            if (value := getattr(self, each.name)) != getattr(declared, each.name)
        }
        return _changed, (self.module_path, changes)

    def enqueue_many(self, calls: Iterable[tuple[Sequence[Any], Mapping[str, Any]]]) -> int:
        """Write one job for each `(args, kwargs)`, streamed; return how many. No `task_enqueued` is sent."""
        backend: Any = self.get_backend()
        return int(backend.enqueue_many(self, calls))

    def follow_up(self, *args: P.args, **kwargs: P.kwargs) -> Call:
        """Return what `enqueue` would write, to follow a batch."""
        backend: Any = self.get_backend()
        return cast("Call", backend.call(self, args, kwargs))


# Names that Celery, or a job of its tasks, has for the same.
OTHER_NAMES = {
    "queue": "queue_name",
    "run_at": "run_after",
    "eta": "run_after",
    "countdown": "run_after",
    "expires": "not_after",
    "max_retries": "retry",
    "autoretry_for": "retry",
}


def _meant(name: str, known: Sequence[str]) -> str:
    nearest = OTHER_NAMES.get(name) or next(iter(get_close_matches(name, known, n=1)), None)
    return f" Did you mean {nearest}?" if nearest else ""


def _changed(path: str, changes: dict[str, Any]) -> Task:
    return replace(registry.find(path), **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerContext(TaskContext):  # type: ignore[misc]  # the stubs do not say that it is frozen
    """What a task with `takes_context` is given."""

    def progress(self, done: int, total: int) -> None:
        """Record how far the job is. Raises FencedError when it has been started again elsewhere: let it pass."""
        current_task.progress(done, total)


DEFAULTS = {each.name: each.default for each in fields(LedgerTask)}


def option(task: Task, name: str) -> Any:
    """Return an option of a task, which may be a plain one: Django's, or of another backend."""
    return getattr(task, name, DEFAULTS[name])


def problem(task: Task) -> str:
    """Return what is wrong with the options of a task, "" for nothing."""
    if (busy := option(task, "when_busy")) not in WHEN_BUSY:
        return f'when_busy should be "wait" or "skip", got {busy!r}'
    not_after = option(task, "not_after")
    if isinstance(not_after, datetime) and timezone.is_naive(not_after):
        return f"not_after has no time zone ({not_after}): use django.utils.timezone.now() plus a timedelta"
    if not isinstance(not_after, datetime | timedelta | None):
        return f"not_after should be a datetime or a timedelta, got {not_after!r}"
    if not isinstance(option(task, "retry"), Retry | None):
        return f"retry should be a Retry, got {option(task, 'retry')!r}"
    return _type_problem(task) or _key_problem(task) or _number_problem(task)


def _type_problem(task: Task) -> str:
    """Return what Django's own validation would stumble over."""
    if not isinstance(task.run_after, datetime | None):
        return f"run_after should be a datetime, got {task.run_after!r}"
    if not (isinstance(task.queue_name, str) and task.queue_name):
        return f"queue_name should be the name of a queue, got {task.queue_name!r}"
    if not _is_number(task.priority):
        return f"priority should be {levels.PRIORITIES}, got {task.priority!r}"
    return ""


def _key_problem(task: Task) -> str:
    for name in ("key", "concurrency_key"):
        value = option(task, name)
        if not (value is None or callable(value) or isinstance(value, str)):
            return f"{name} should be a text, or a function of the task's arguments, got {value!r}"
    if not isinstance(option(task, "atomic"), bool):
        return f"atomic should be True or False, got {option(task, 'atomic')!r}"
    return ""


def _number_problem(task: Task) -> str:
    for name in ("time_limit", "soft_time_limit", "max_attempts", "statement_timeout"):
        value, least = option(task, name), 0 if name == "statement_timeout" else 1
        if value is not None and not (_is_number(value) and value >= least):
            return f"{name} should be a number from {least} on, got {value!r}"
    if not isinstance(most := option(task, "max_attempts"), int | None):
        return f"max_attempts should be a whole number, got {most!r}"
    hard, soft = option(task, "time_limit"), option(task, "soft_time_limit")
    if hard and soft and soft >= hard:
        return f"soft_time_limit ({soft:g} s) should be below time_limit ({hard:g} s)"
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
