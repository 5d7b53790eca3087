"""The queues that tasks are routed to, as Celery itself would route them."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from celery import current_app as celery
from django.apps import apps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

DEFAULT = "default"  # the queue of a task of Django's that names none: Celery's settings decide


def routed_queues() -> dict[str, str]:
    """Give each queue that a task or the default goes to, with who sends there."""
    modules = _import_tasks()
    queues = {celery.conf.task_default_queue: "CELERY_TASK_DEFAULT_QUEUE"}
    for name, task in sorted(celery.tasks.items()):
        if not name.startswith("celery."):
            queues.setdefault(_queue_of(name, getattr(task, "queue", None)), f"the task {name}")
    for name, queue in sorted(_tasks_of_django(modules)):
        queues.setdefault(_queue_of(name, None if queue == DEFAULT else queue), f"the task {name}")
    return queues


def _tasks_of_django(modules: Iterable[ModuleType]) -> Iterator[tuple[str, str]]:
    """Give the path and the queue of each task of Django's; by its looks, for its class is in one package or another."""
    for module in modules:
        for value in vars(module).values():
            if hasattr(value, "module_path") and hasattr(value, "queue_name"):
                yield value.module_path, value.queue_name


def _queue_of(name: str, own: str | None) -> str:
    queue = celery.amqp.router.route({"queue": own} if own else {}, name).get("queue")
    return getattr(queue, "name", queue) or celery.conf.task_default_queue


def _import_tasks() -> list[ModuleType]:
    # Celery's own discovery runs Django's checks, and this is one of them.
    names = [f"{config.name}.tasks" for config in apps.get_app_configs()]
    return [import_module(name) for name in names if find_spec(name)]
