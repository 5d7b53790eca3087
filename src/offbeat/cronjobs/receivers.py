"""Hears of jobs that start and end: notes a cronjob's last success, and pings outside watchers. Connected in every process."""

from __future__ import annotations

import logging
import time
from functools import wraps
from typing import TYPE_CHECKING, Any

from celery import signals as celery_signals
from django.conf import settings
from django.db import connection, transaction

from offbeat.jobs import signals

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable

    from offbeat.cronjobs.entries import Entry

logger = logging.getLogger(__name__)

SUCCESS = """
    UPDATE offbeat_cronjobs_cronjob SET last_success_at = now() FROM offbeat_cronjobs_slot
    WHERE offbeat_cronjobs_slot.job_id = %s AND offbeat_cronjobs_cronjob.name = offbeat_cronjobs_slot.cronjob_id
"""
PATIENCE = "2s"  # wake-ups hold the row for a moment
FORGET = 300.0  # seconds until a process looks again which tasks are those of cronjobs

_known: dict[str, Entry] = {}
_tasks: frozenset[str] = frozenset()
_looked_at = float("-inf")


def quietly(receive: Callable[..., None]) -> Callable[..., None]:
    """Log what goes wrong: the job's end is recorded, and a ping must not disturb whoever recorded it."""

    @wraps(receive)
    def receiver(*arguments: Any, **values: Any) -> None:
        try:
            receive(*arguments, **values)
        except Exception:
            logger.exception("a job was not reported", extra={"action": "report_failed"})

    return receiver


@quietly
def on_start(sender: str, job_id: uuid.UUID, attempt: int, **_: Any) -> None:
    if attempt == 1:
        send_pings(sender, job_id, "start")


@quietly
def on_success(sender: str, job_id: uuid.UUID, **_: Any) -> None:
    if sender in tasks_of_cronjobs():
        note_success(job_id)
    send_pings(sender, job_id, "success")


on_success.concerns = lambda task: task in tasks_of_cronjobs()  # type: ignore[attr-defined]


def note_success(job_id: uuid.UUID) -> None:
    """Note a cronjob's last success; where somebody holds it for long, the worker's next job does not wait for that."""
    from offbeat.cronjobs import row_lock  # noqa: PLC0415  as below

    try:
        with (
            transaction.atomic(),
            connection.cursor() as cursor,
            row_lock.naming_holder(f"the cronjob of job {job_id}"),
        ):
            cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
            cursor.execute(SUCCESS, [job_id])
    except row_lock.CronJobHeldError as error:
        logger.warning("%s", error, extra={"action": "cronjob_held", "job": str(job_id)})


@quietly
def on_death(sender: str, job_id: uuid.UUID, reason: str, **_: Any) -> None:
    send_pings(sender, job_id, "fail", reason)


def send_pings(task: str, job_id: uuid.UUID, event: str, reason: str = "") -> None:
    """Ping for jobs of slots; not for runs by hand, which would hide that the platform no longer fires."""
    if task not in tasks_of_cronjobs():
        return
    from offbeat.cronjobs import entries, pings  # noqa: PLC0415  only the processes that execute jobs need them
    from offbeat.cronjobs.models import Slot  # noqa: PLC0415

    slot = Slot.objects.filter(job_id=job_id).exclude(trigger__in=Slot.BY_HAND).first()
    if slot is None:
        return
    try:  # of a dashboard it may be a new one
        entry = _known.get(slot.cronjob_id) or entries.find_known(slot.cronjob_id)
    except entries.ConfigurationError:
        return  # removed meanwhile: nobody watches it any more
    for ping in pings.pings(entry, event, str(job_id), reason, getattr(settings, "SENTRY_DSN", "")):
        pings.put(ping)


def tasks_of_cronjobs() -> frozenset[str]:
    """Return the names of tasks that cronjobs enqueue: jobs of others must not pay for a query."""
    global _known, _tasks, _looked_at
    if time.monotonic() > _looked_at + FORGET:
        from offbeat.cronjobs import entries  # noqa: PLC0415  as above

        _known, _ = entries.all_known()
        _tasks, _looked_at = frozenset(each.command.task.name for each in _known.values()), time.monotonic()
    return _tasks


def flush(**_: Any) -> None:
    from offbeat.cronjobs import pings  # noqa: PLC0415

    pings.flush()


def connect() -> None:
    signals.job_started.connect(on_start)
    signals.job_succeeded.connect(on_success)
    signals.job_dead.connect(on_death)
    celery_signals.worker_process_shutdown.connect(flush)
