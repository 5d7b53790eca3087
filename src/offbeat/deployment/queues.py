"""The queues that tasks are routed to, as Celery itself would route them."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from celery import current_app as celery
from django.apps import apps


def routed_queues() -> dict[str, str]:
    """Give each queue that a task or the default goes to, with who sends there."""
    _import_tasks()
    queues = {celery.conf.task_default_queue: "CELERY_TASK_DEFAULT_QUEUE"}
    for name, task in sorted(celery.tasks.items()):
        if not name.startswith("celery."):
            queues.setdefault(_queue_of(name, getattr(task, "queue", None)), f"the task {name}")
    return queues


def _queue_of(name: str, own: str | None) -> str:
    queue = celery.amqp.router.route({"queue": own} if own else {}, name).get("queue")
    return getattr(queue, "name", queue) or celery.conf.task_default_queue


def _import_tasks() -> None:
    # Celery's own discovery runs Django's checks, and this is one of them.
    for config in apps.get_app_configs():
        if find_spec(f"{config.name}.tasks"):
            import_module(f"{config.name}.tasks")
