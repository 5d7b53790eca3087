"""The backend: `enqueue` writes a row in the caller's transaction, and its message is sent after the commit.

Imported while apps are loaded, as soon as a models.py imports a task; so what needs models is imported when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.checks import Error

from offbeat.jobs.tasks_backend import registry
from offbeat.jobs.tasks_backend.interface import BaseTaskBackend, InvalidTask
from offbeat.jobs.tasks_backend.task import LedgerTask, problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from django.core.checks import CheckMessage

    from offbeat.jobs.producer import Call
    from offbeat.jobs.tasks_backend.interface import Task, TaskResult

    Arguments = tuple[Sequence[Any], Mapping[str, Any]]


class LedgerBackend(BaseTaskBackend):
    """Tasks as jobs: durable, in the caller's transaction, with results for as long as jobs are kept."""

    task_class = LedgerTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def validate_task(self, task: Task) -> None:
        if wrong := problem(task):
            raise InvalidTask(f"{task.module_path}: {wrong}.")
        super().validate_task(task)
        registry.known.setdefault(task.module_path, task)

    def check(self, **_: Any) -> list[CheckMessage]:
        return list(self._find_problems())

    def _find_problems(self) -> Iterator[CheckMessage]:
        where = f"TASKS['{self.alias}']"
        if not apps.is_installed("offbeat.jobs"):
            yield Error(
                f"{where}: its tasks are jobs, and offbeat.jobs is not installed.",
                hint='Add "offbeat.jobs" to INSTALLED_APPS.',
                id="offbeat_jobs.E013",
            )
        if self.options:
            yield Error(
                f"{where}: OPTIONS should be empty, got {min(self.options)}.",
                hint="Set options of the ledger in the setting OFFBEAT_JOBS, and options of a task in its decorator.",
                id="offbeat_jobs.E014",
            )

    def enqueue(self, task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TaskResult:
        """Write a job in the caller's transaction, publish it after commit.

        Raises TypeError for what is not JSON, or does not fit the task's signature.
        """
        from offbeat.jobs.tasks_backend import calls  # noqa: PLC0415  see above

        self.validate_task(task)
        return calls.enqueue(self, task, args, kwargs)

    def enqueue_many(self, task: Task, calls: Iterable[Arguments]) -> int:
        from offbeat.jobs import producer  # noqa: PLC0415  see above

        self.validate_task(task)
        return producer.enqueue_many(self.call(task, args, kwargs) for args, kwargs in calls)

    def call(self, task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call:
        """Return what `enqueue` would write."""
        from offbeat.jobs.tasks_backend import calls  # noqa: PLC0415  see above

        return calls.make_call(task, args, kwargs, self.alias)

    def get_result(self, result_id: str) -> TaskResult:
        """Return the result of a job; it is there until the job is pruned. Raises TaskResultDoesNotExist."""
        from offbeat.jobs.tasks_backend import results  # noqa: PLC0415  see above

        return results.find(result_id, self.alias)
