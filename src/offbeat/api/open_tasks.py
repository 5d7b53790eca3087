"""The tasks that the API may enqueue: those that say `api=True`, and those that OFFBEAT_API_TASKS names."""

from __future__ import annotations

from functools import cache
from typing import Any

from celery import current_app
from django.conf import settings

from offbeat.jobs import code


def open_tasks() -> dict[str, Any]:
    """Return the tasks that opt in, by name, in order."""
    import_tasks()
    return {name: task for name in sorted(current_app.tasks) if (task := find_task(name))}


def find_task(name: str) -> Any:
    """Return a task that opts in; None for any other."""
    import_tasks()
    if not code.is_durable(name):
        return None
    task = current_app.tasks[name]
    return task if task.api or name in settings.OFFBEAT_API_TASKS else None


@cache
def import_tasks() -> None:
    """Import the modules of tasks, as a worker does: a web process knows those only that its views import."""
    current_app.loader.import_default_modules()
