"""The enqueuer: a task with the options of a job to be made, and where and how urgently Celery's routing sends it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic

from asgiref.sync import sync_to_async
from django.utils import timezone

from offbeat.jobs import celery_options, levels, queue_names
from offbeat.jobs.conf import conf
from offbeat.jobs.models import Batch, Job
from offbeat.jobs.parameters import P, R
from offbeat.jobs.producer import Call, enqueue, enqueue_many

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from celery import Task
    from celery.app.routes import Router

    from offbeat.jobs.task import DurableTask


@dataclass(frozen=True, slots=True)
class Enqueuer(Generic[P, R]):
    """A task with options for the jobs to be made of it. Times are aware datetimes.

    `key`: unique for ever (until pruned): enqueueing it again returns the job that exists.
    `concurrency_key`: at most one job of the same key runs at a time; `when_busy` says what happens to another: "wait" or "skip".
    `run_at`: not before; `not_after`: expires unless started by then. `queue`: other than the task's. `priority`:
    -100 to 100, higher first within the queue; by default what Celery's `priority` of the task comes to. `batch`: see
    offbeat.jobs.batches.
    """

    task: DurableTask[P, R]
    key: str | None = None
    concurrency_key: str | None = None
    when_busy: str = "wait"
    run_at: datetime | None = None
    not_after: datetime | None = None
    queue: str | None = None
    priority: int | None = None
    batch: Batch | None = None

    def __post_init__(self) -> None:
        for name, kind, right in KINDS:
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, kind) or value == "":
                raise TypeError(f"{self.task.name}: {name} should be {right}, got {value!r}.")
            if isinstance(value, datetime) and timezone.is_naive(value):
                raise ValueError(
                    f"{self.task.name}: {name} has no time zone ({value}): use django.utils.timezone.now() plus a timedelta."
                )
        if self.when_busy not in Job.WhenBusy.values:
            raise ValueError(
                f'{self.task.name}: when_busy should be "wait" or "skip", got "{self.when_busy}".'
            )
        if self.priority is not None:
            levels.check_priority(self.task.name, self.priority)

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        return enqueue(self.call(*args, **kwargs))

    def enqueue_many(self, calls: Iterable[tuple[Sequence[Any], Mapping[str, Any]]]) -> int:
        return enqueue_many(self.call(*args, **kwargs) for args, kwargs in calls)

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        return await sync_to_async(self.enqueue)(*args, **kwargs)

    async def aenqueue_many(self, calls: Iterable[tuple[Sequence[Any], Mapping[str, Any]]]) -> int:
        return await sync_to_async(self.enqueue_many)(calls)

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Call:
        if self.task.typing and (header := getattr(self.task, "__header__", None)):  # a class may have none
            header(*args, **kwargs)  # raises TypeError, as a call of the function would
        celery_options.refuse_rate_limit(self.task)
        if dump := self.task._dump_pydantic_arguments:  # noqa: SLF001  what its own apply_async asks
            args, kwargs = dump(args, kwargs)
        if self.batch and self.batch.sealed_at:
            raise ValueError(
                f'{self.task.name}: batch "{self.batch}" is sealed: enqueue its jobs inside its `with` block.'
            )
        queue = self.queue or queue_of(self.task)
        queue_names.check_queue(self.task.name, queue)
        return Call(
            task=self.task.name,
            queue=queue,
            max_attempts=self.task.max_attempts or conf().max_attempts,
            args=args,
            kwargs=kwargs,
            key=self.key,
            concurrency_key=self.concurrency_key,
            when_busy=self.when_busy,
            batch_id=self.batch.id if self.batch else None,
            not_after=self.not_after or celery_options.expiry(self.task),
            run_at=self.run_at,
            priority=own_priority(self.task) if self.priority is None else self.priority,
        )


TIME = "an aware datetime, such as timezone.now() + timedelta(hours=1)"
KINDS = (
    ("key", str, "a text"),
    ("concurrency_key", str, "a text"),
    ("run_at", datetime, TIME),
    ("not_after", datetime, TIME),
    ("queue", str, "the name of a queue"),
    ("batch", Batch, "a Batch: open_batch() gives one"),
)
OPTIONS = tuple(field.name for field in fields(Enqueuer) if field.name != "task")


def queue_of(task: Task) -> str:
    """Return the queue that Celery routes a task to: its own `queue`, `task_routes`, or the default."""
    return str(getattr(task, "queue", None) or routed(task.app.amqp.router, task.name)[0])


def own_priority(task: Task) -> int:
    """Return the priority of a task's jobs where none is given: its plain messages and its jobs wait in one list."""
    number = routed(task.app.amqp.router, task.name)[1] if task.priority is None else task.priority
    if number is None:
        return 0
    levels.check_number(task.name, number)
    return levels.priority_of(number)


@lru_cache(maxsize=1024)
def routed(router: Router, name: str) -> tuple[str, Any]:
    """Return the queue and the priority that `task_routes` give a task; asked once, for it takes a tenth of an enqueue."""
    route = router.route({}, name)
    queue = route.get("queue")
    return getattr(queue, "name", queue) or router.app.conf.task_default_queue, route.get("priority")
