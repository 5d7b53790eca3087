"""A task of Django's as a cronjob has it: with the names that the tasks of Celery's have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from offbeat.jobs import producer
from offbeat.jobs.tasks_backend.calls import make_call
from offbeat.jobs.tasks_backend.task import LedgerTask

if TYPE_CHECKING:
    from offbeat.jobs.models import Job
    from offbeat.jobs.producer import Call


@dataclass(frozen=True, slots=True)
class PeriodicJobs:
    """Makes the jobs of a cronjob whose task is one of Django's."""

    task: LedgerTask

    def __post_init__(self) -> None:
        if not isinstance(self.task, LedgerTask):
            raise TypeError(
                f'{self.name}: its backend "{self.task.backend}" makes no jobs, so a cronjob cannot enqueue it. '
                "Hint: give it one of TASKS whose BACKEND is offbeat.jobs.tasks_backend.LedgerBackend."
            )

    @property
    def name(self) -> str:
        return str(self.task.module_path)

    @property
    def time_limit(self) -> float | None:
        return self.task.time_limit

    @property
    def soft_time_limit(self) -> float | None:
        return self.task.soft_time_limit

    @property
    def run(self) -> Any:
        """Return what takes the arguments of a job."""
        return partial(self.task.func, None) if self.task.takes_context else self.task.func

    def using(self, *, run_at: Any = None, **options: Any) -> PeriodicJobs:
        return replace(self, task=self.task.using(run_after=run_at, **options))

    def call(self, *args: Any, **kwargs: Any) -> Call:
        return make_call(self.task, args, kwargs, self.task.backend)

    def enqueue(self, *args: Any, **kwargs: Any) -> Job:
        return producer.enqueue(self.call(*args, **kwargs))
