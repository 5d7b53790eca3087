"""The queue of a task of Django's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import current_app

from offbeat.jobs.enqueuer import routed
from offbeat.jobs.tasks_backend.interface import DEFAULT_TASK_QUEUE_NAME

if TYPE_CHECKING:
    from offbeat.jobs.tasks_backend.interface import Task


def queue_of(task: Task) -> str:
    """Return a task's queue; in place of Django's default one, that of CELERY_TASK_ROUTES for its path, or Celery's default."""
    if task.queue_name != DEFAULT_TASK_QUEUE_NAME:
        return str(task.queue_name)
    return routed(current_app.amqp.router, task.module_path)[0]
