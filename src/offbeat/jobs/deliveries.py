"""The delivery cap of plain `.delay()` messages: one that kills its worker each time must not come back for ever."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

from django.db import DataError
from django.utils import timezone
from kombu.utils.json import dumps

from offbeat.jobs import broker, signals, unreadable_store
from offbeat.jobs.brokers import chosen
from offbeat.jobs.conf import conf
from offbeat.jobs.levels import FURTHEST, priority_of
from offbeat.jobs.models import Job

if TYPE_CHECKING:
    from celery.worker.request import Request

logger = logging.getLogger(__name__)


def note_delivery(request: Request) -> bool:
    """Count a redelivered message; tell whether it has been delivered again too often. While the broker is away: no."""
    if not request.delivery_info.get("redelivered"):
        return False
    # By the message alone: it counts whichever ledger's worker it kills.
    try:
        return int(chosen().count_delivery(request.id, request.message)) > conf().delivery_cap
    except broker.errors():
        return False


def bury(request: Request) -> None:
    """Write the message down as a dead letter, so that a person can retry it: as a job then.

    Plain tasks may have arguments that no job has (a NUL, a datetime, NaN): such a message is put aside instead.
    """
    reason = f"delivered again more than {conf().delivery_cap} times: its process dies each time"
    job_id = _job_id(request.id)
    try:
        _write(request, job_id, reason)
    except (DataError, TypeError, ValueError) as error:
        raw = dumps(request.message._raw)  # noqa: SLF001  the JSON that came, as kombu keeps it
        queue = request.delivery_info.get("routing_key") or "default"
        unreadable_store.put_aside(raw, f"{reason}; and it cannot be a job: {error}", queue, longest=None)
        return
    logger.error(
        "%s %s is dead: %s",
        request.name,
        request.id,
        reason,
        extra={"action": "delivery_cap", "job": str(job_id)},
    )
    signals.job_dead.send_robust(request.name, job_id=job_id, reason=reason)


def _write(request: Request, job_id: uuid.UUID, reason: str) -> None:
    Job.objects.get_or_create(
        pk=job_id,
        defaults={
            "task": request.name,
            "args": list(request.args or []),
            "kwargs": dict(request.kwargs or {}),
            "queue": request.delivery_info.get("routing_key") or "default",
            "priority": priority_of(min(FURTHEST, max(0, request.delivery_info.get("priority") or 0))),
            "state": Job.State.DEAD,
            "max_attempts": conf().max_attempts,
            "attempt": conf().delivery_cap + 1,
            "finished_at": timezone.now(),
            "reason": reason,
        },
    )


def _job_id(task_id: str) -> uuid.UUID:
    """Return a task's id as a job's; Celery takes any text for one, of which the same UUID is made each time."""
    try:
        return uuid.UUID(task_id)
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_OID, task_id)
