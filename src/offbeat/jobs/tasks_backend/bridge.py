"""Django's signals of tasks, sent where the ledger's own are: by whoever recorded it, after it was recorded.

For jobs of Celery's tasks nothing is done, nor imported.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery import current_app

from offbeat.jobs import signals

if TYPE_CHECKING:
    import uuid

    from django.dispatch import Signal

    from offbeat.jobs.tasks_backend.interface import TaskResult

logger = logging.getLogger(__name__)


def connect() -> None:
    for ended in (signals.job_succeeded, signals.job_dead, signals.job_cancelled, signals.job_expired):
        ended.connect(send_finished)


def send_finished(sender: str, job_id: uuid.UUID, **_: Any) -> None:
    """Send `task_finished` of a job that has ended."""
    if is_of_django(sender):
        send("task_finished", job_id)


def is_of_django(task: str) -> bool:
    return task not in current_app.tasks


send_finished.concerns = is_of_django  # type: ignore[attr-defined]


def send(name: str, job_id: uuid.UUID | str, *, is_needed: bool = False) -> TaskResult | None:
    """Send one of Django's signals with the result as it is now, and return that.

    None where nobody receives it, unless the result is needed: it costs a query. And none of a task that this code lacks.
    """
    from offbeat.jobs.tasks_backend import interface, results  # noqa: PLC0415  see above

    if not (is_needed or _is_received(getattr(interface, name), interface.LOGGER)):
        return None
    try:
        result = results.find(str(job_id), "default")
    except interface.TaskResultDoesNotExist as error:
        logger.debug("no %s: %s", name, error)
        return None
    backend = interface.task_backends[result.task.backend]
    getattr(interface, name).send_robust(type(backend), task_result=result)
    return result


def _is_received(signal: Signal, log: str) -> bool:
    """Tell whether somebody receives a signal: Django itself does, and logs it, where its logger is not off as in our settings."""
    return len(signal.receivers) > 1 or logging.getLogger(log).isEnabledFor(logging.ERROR)
