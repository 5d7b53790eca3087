"""Tells people when a signal of a cronjob begins and when it is over, once each, however many workers look.

1. any worker compares the signals with the open incidents;
2. it inserts what is new ON CONFLICT DO NOTHING, or closes what is over: one worker wins;
3. the winner enqueues the messages in the same transaction, as durable jobs.

Death anywhere: an incident and its messages are committed together, or not at all.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, transaction

from offbeat.cronjobs import statuses, tasks
from offbeat.cronjobs.conf import conf
from offbeat.cronjobs.models import Incident
from offbeat.cronjobs.row_lock import WORKER_WAIT, CronJobHeldError, naming_holder, report_holder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from offbeat.cronjobs.conditions import Signal
    from offbeat.cronjobs.statuses import Report

logger = logging.getLogger(__name__)

OPEN = """
    INSERT INTO offbeat_cronjobs_incident (cronjob_id, signal, text) VALUES (%s, %s, left(%s, 255))
    ON CONFLICT DO NOTHING RETURNING id
"""
CLOSE = (
    "UPDATE offbeat_cronjobs_incident SET closed_at = now() WHERE id = %s AND closed_at IS NULL RETURNING id"
)


def look(now: datetime | None = None) -> None:
    """Open and close incidents as the signals say."""
    wrong = dict(current(statuses.reports(now)))
    known = {
        (each.cronjob_id, each.signal): each.pk for each in Incident.objects.filter(closed_at__isnull=True)
    }
    for (name, kind), signal in wrong.items():
        if (name, kind) not in known:
            change(name, OPEN, [name, kind, signal.text], is_over=False)
    for name, kind in known.keys() - wrong.keys():
        change(name, CLOSE, [known[name, kind]], is_over=True)


def current(reports: Iterable[Report]) -> Iterable[tuple[tuple[str, str], Signal]]:
    for report in reports:
        for signal in report.signals if not report.is_removed else ():
            yield (report.name, signal.kind), signal


def change(name: str, statement: str, values: list[str | int], *, is_over: bool) -> None:
    """Do it, unless somebody holds the cronjob: then the next look does, and the others do not wait for that."""
    try:
        # Around the transaction: its COMMIT looks whether the cronjob that the incident refers to is there.
        with naming_holder(name), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{WORKER_WAIT}'")
            write(cursor, statement, values, is_over=is_over)
    except CronJobHeldError as error:
        report_holder(error)


def write(cursor: Any, statement: str, values: list[str | int], *, is_over: bool) -> None:
    cursor.execute(statement, values)
    row = cursor.fetchone()
    if row:  # else another worker was faster
        tell(row[0], is_over=is_over)


def tell(incident: int, *, is_over: bool) -> None:
    end = "end" if is_over else "begin"
    logger.warning(
        "incident %s: %s", incident, end, extra={"action": f"incident_{end}", "incident": incident}
    )
    if settings.ADMINS:
        tasks.mail_incident.using(key=f"incident:{incident}:{end}:mail").enqueue(incident, is_over)
    if conf().alert_webhook:
        tasks.post_incident.using(key=f"incident:{incident}:{end}:webhook").enqueue(incident, is_over)
