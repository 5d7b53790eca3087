"""The jobs that a test has enqueued, to be compared with what it expects."""

from __future__ import annotations

import inspect
import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload
from unittest.mock import call

from celery import current_app

from offbeat.jobs import plain_messages
from offbeat.jobs.arguments import encode_arguments
from offbeat.jobs.enqueuer import own_priority, queue_of
from offbeat.jobs.models import Job
from offbeat.jobs.producer import Call

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Expected = Any  # unittest.mock.call(...), or task.call(...)


class EnqueuedJob:  # noqa: PLW1641  it has lists
    """A job as it was enqueued. It equals `unittest.mock.call(...)` by its arguments, and `task.call(...)` by its options too."""

    def __init__(self, job: Job, task: Any) -> None:
        self.job = job
        self.task = task
        self.args: list[Any] = job.args
        self.kwargs: dict[str, Any] = job.kwargs
        self.options = options_of(job, task)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EnqueuedJob | Call | type(call)) and not self.differences(other)

    def __repr__(self) -> str:
        using = f".using({_written([], self.options)})" if self.options else ""
        return f"{_short(self.job.task)}{using}.enqueue({_written(self.args, self.kwargs)})"

    def differences(self, other: Expected) -> list[str]:
        """Return in what it is not as expected, a line each."""
        if isinstance(other, EnqueuedJob):
            return [] if self.job == other.job else ["it is another job"]
        if not isinstance(other, Call):
            args, kwargs = _arguments_of(other)
            return _compared(self._bound(self.args, self.kwargs), self._bound(*_as_json(args, kwargs)))
        ours, theirs = (
            self._bound(self.args, self.kwargs),
            self._bound(*_as_json(list(other.args), other.kwargs)),
        )
        options = options_of_call(other, self.task)
        task = _compared({"task": self.job.task}, {"task": other.task})
        return task + _compared(ours, theirs) + _compared(self.options, options)

    def _bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments by their names, however they were passed."""
        try:
            signature = inspect.signature(function_of(self.task), follow_wrapped=False)
            bound = signature.bind(*args, **kwargs)
        except (TypeError, ValueError):
            return dict(enumerate(args)) | kwargs  # type: ignore[operator]
        bound.apply_defaults()
        return dict(bound.arguments)


class EnqueuedJobs(Sequence[EnqueuedJob]):  # noqa: PLW1641  as above
    """Jobs in the order in which they were enqueued; equal to a list of what was expected, in that order."""

    def __init__(self, name: str, jobs: Sequence[EnqueuedJob]) -> None:
        self.name = name
        self._jobs = list(jobs)

    @overload
    def __getitem__(self, index: int) -> EnqueuedJob: ...
    @overload
    def __getitem__(self, index: slice) -> list[EnqueuedJob]: ...
    def __getitem__(self, index: int | slice) -> EnqueuedJob | list[EnqueuedJob]:
        return self._jobs[index]

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[EnqueuedJob]:
        return iter(self._jobs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EnqueuedJobs | list | tuple):
            return NotImplemented
        return len(self) == len(other) and all(
            ours == theirs for ours, theirs in zip(self, other, strict=True)
        )

    def __repr__(self) -> str:
        return repr(self._jobs)

    def explain(self, expected: Sequence[Expected]) -> list[str]:
        """Return why they are not what was expected, line by line."""
        lines = [f"the jobs of {self.name} are not as expected"]
        for number in range(max(len(self), len(expected))):
            lines += self._explain_one(number, expected)
        return lines + self.others()

    def _explain_one(self, number: int, expected: Sequence[Expected]) -> list[str]:
        place = f"  {number + 1}. "
        if number >= len(self):
            return [f"{place}{_shown(expected[number])} was not enqueued"]
        ours = self[number]
        if number >= len(expected):
            return [f"{place}{ours!r} was not expected"]
        theirs = expected[number]
        if not isinstance(theirs, EnqueuedJob | Call | type(call)):
            right = "unittest.mock.call(...) for its arguments, or task.call(...) for its options too"
            return [f"{place}{ours!r} is not compared with {theirs!r}: write {right}"]
        if ours == theirs:
            return [f"{place}{ours!r} is as expected"]
        return [
            f"{place}{ours!r} is not {_shown(theirs)}",
            *(f"       {line}" for line in ours.differences(theirs)),
        ]

    def others(self) -> list[str]:
        """Return what the test has enqueued or sent besides: the answer may be there."""
        counts = Counter(Job.objects.exclude(task=self.name).values_list("task", flat=True))
        lines = [f"  {name}: {count} enqueued" for name, count in sorted(counts.items())]
        kept = plain_messages.kept()
        sent = sum(each.task == self.name for each in kept.waiting) if kept else 0
        if sent:
            lines.append(
                f"  {self.name}: {sent} sent by .delay() or .apply_async(), a plain message and no job: .enqueue() makes one"
            )
        return ["  besides:", *lines] if lines else []


def enqueued(task: Any) -> EnqueuedJobs:
    """Return the jobs of a task that this test has enqueued, in that order: a task of Celery's or of Django's, or its name."""
    found = find_task(task)
    name = task if isinstance(task, str) else _name(found)
    jobs = Job.objects.filter(task=name).order_by("id").select_related("batch")
    return EnqueuedJobs(name, [EnqueuedJob(job, found) for job in jobs])


def find_task(task: Any) -> Any:
    """Return the task that is meant. Raises TypeError for what is none, or makes no jobs."""
    if isinstance(task, str):
        return current_app.tasks.get(task)
    if hasattr(task, "module_path"):
        if not hasattr(task, "follow_up"):
            raise TypeError(
                f'{task.module_path}: its backend "{task.backend}" makes no jobs: see TASKS in the settings.'
            )
        return task
    if not hasattr(task, "enqueue"):
        shown = getattr(task, "name", None) or getattr(task, "__qualname__", repr(task))
        raise TypeError(f"enqueued() takes a task, got {shown}. Hint: make it one with @shared_task.")
    return task


def _name(task: Any) -> str:
    return str(getattr(task, "module_path", None) or task.name)


def function_of(task: Any) -> Any:
    """Return what takes the arguments of a job."""
    if hasattr(task, "module_path"):
        from offbeat.jobs.tasks_backend.periodic import PeriodicJobs  # noqa: PLC0415  only these need it

        return PeriodicJobs(task).run
    return getattr(task, "_orig_run", None) or getattr(task, "run", None)


def _defaults(task: Any) -> tuple[str, int]:
    """Return queue and priority of a task's jobs where the call says nothing."""
    if hasattr(task, "module_path"):
        from offbeat.jobs.tasks_backend import queue  # noqa: PLC0415  as above

        return queue.queue_of(task), int(task.priority)
    if task is None:
        return str(current_app.conf.task_default_queue), 0
    return queue_of(task), own_priority(task)


def options_of(job: Job, task: Any) -> dict[str, Any]:
    """Return with what options a job was enqueued. `run_at` is there until the job is due."""
    run_at = job.due_at if job.due_at > job.created_at and not job.attempt else None
    return _options(task, job, run_at)


def options_of_call(expected: Call, task: Any) -> dict[str, Any]:
    return _options(task, expected, expected.run_at)


def _options(task: Any, told: Job | Call, run_at: Any) -> dict[str, Any]:
    queue, priority = _defaults(task)
    usual = {"queue": queue, "priority": priority, "when_busy": "wait"}
    given = {
        "queue": told.queue,
        "priority": told.priority,
        "key": told.key,
        "concurrency_key": told.concurrency_key,
        "when_busy": str(told.when_busy),
        "run_at": run_at,
        "not_after": told.not_after,
        "batch": told.batch_id,
    }
    return {name: value for name, value in given.items() if value != usual.get(name)}


def _as_json(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return arguments as they come back from PostgreSQL. Raises ArgumentError for what is no JSON."""
    encoded = encode_arguments("what was expected", list(args), dict(kwargs))
    return json.loads(encoded[0]), json.loads(encoded[1])


def _arguments_of(expected: Any) -> tuple[Sequence[Any], Mapping[str, Any]]:
    *_, args, kwargs = expected
    return args, kwargs


def _compared(ours: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> list[str]:
    missing = object()
    return [
        f"{name}: {_or_nothing(ours.get(name, missing), missing)}, expected {_or_nothing(theirs.get(name, missing), missing)}"
        for name in dict.fromkeys([*ours, *theirs])
        if ours.get(name, missing) != theirs.get(name, missing)
    ]


def _or_nothing(value: Any, missing: object) -> str:
    return "nothing" if value is missing else repr(value)


def _shown(expected: Expected) -> str:
    if isinstance(expected, Call):
        return f"{_short(expected.task)}.call({_written(expected.args, expected.kwargs)})"
    return repr(expected)


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _written(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    return ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())])
