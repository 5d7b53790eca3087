"""Makes cronjobs known to the ledger: a new one, or a changed schedule, starts at now, so that no deploy brings a backlog."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import connection, transaction

from offbeat.cronjobs import entries
from offbeat.cronjobs.models import CronJob
from offbeat.cronjobs.row_lock import naming_holder

if TYPE_CHECKING:
    from datetime import datetime

    from offbeat.cronjobs.entries import Entry

logger = logging.getLogger(__name__)

# How long one waits for others that are at a cronjob, and for any one statement. A process that was stopped in the middle (its
# machine frozen, its container paused) loses the lock after the last of these: it cannot keep the cronjob from everybody.
BOUNDS = """
    SET LOCAL lock_timeout = '{lock}'; SET LOCAL statement_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '15s'
"""
LOCK = "8s"
TURN = "1s"  # a tick, which has others to wake up
LOOK = "200ms"  # a worker that heals passes by what somebody else is at: its thread has other duties


def register(entry: Entry, now: datetime, lock: str | None = None) -> CronJob:
    """Make an entry known, as a worker does when it starts: slots up to now are not its own. Raises holding.HeldError."""
    with transaction.atomic():
        row = up_to_date(entry, locked(entry.name, lock), now, now)
        row.save()
    return row


def up_to_date(entry: Entry, row: CronJob | None, start: datetime, now: datetime) -> CronJob:
    """Return the locked row as the code has it, to be saved. The slots of a new cronjob or schedule begin after `start`."""
    if row is None:
        return create(entry, start, now)
    if has_changed(entry, row):
        logger.info(
            "%s has a new schedule: %s (%s)", entry.name, entry.schedule.expression, entry.schedule.timezone,
            extra={"action": "schedule_changed", "cronjob": entry.name},
        )  # fmt: skip
        row.cursor, row.schedule_since = max(row.cursor, start), now
    for field, value in description(entry).items():
        setattr(row, field, value)
    return row


def has_changed(entry: Entry, row: CronJob) -> bool:
    return (row.cron, row.timezone) != (entry.schedule.cron, entry.schedule.timezone)


def locked(name: str, lock: str | None = None) -> CronJob | None:
    """Return the row of a cronjob, locked until the caller's transaction ends, which is bounded in time from here on.

    Raises holding.HeldError.
    """
    with connection.cursor() as cursor:
        cursor.execute(BOUNDS.format(lock=lock or LOCK))
    with naming_holder(name):
        return CronJob.objects.select_for_update().filter(pk=name).first()


def create(entry: Entry, start: datetime, now: datetime) -> CronJob:
    fields = description(entry) | {"cursor": start, "known_since": now, "schedule_since": now}
    with naming_holder(entry.name):
        CronJob.objects.bulk_create([CronJob(name=entry.name, **fields)], ignore_conflicts=True)
    tell_of_rename(entry)
    row = locked(entry.name)  # ours, or that of a process which was faster: the same
    assert row is not None  # noqa: S101  just made, and nobody deletes cronjobs
    return row


def description(entry: Entry) -> dict[str, object]:
    return {
        "command": entry.line,
        "schedule": entry.schedule.expression,
        "cron": entry.schedule.cron,
        "timezone": entry.schedule.timezone,
        "is_in_file": entry.is_in_file,
    }


def tell_of_rename(entry: Entry) -> None:
    """Say so when a new cronjob looks like an old one under another name: its history does not come along."""
    for old in former_names(entry.name, entry.line) if entry.is_in_file else ():
        logger.warning(
            "%s is a new cronjob; its command was that of %s, which keeps its history", entry.name, old,
            extra={"action": "cronjob_renamed", "cronjob": entry.name},
        )  # fmt: skip


def former_names(name: str, line: str) -> list[str]:
    """Return the cronjobs that had this command and are no longer in platform.yaml."""
    rows = CronJob.objects.filter(command=line, is_in_file=True).exclude(pk=name).order_by("pk")
    names = list(rows.values_list("pk", flat=True))
    current = (
        {each.name for each in entries.in_file()} if names else set()
    )  # reading the file is the dear part
    return [each for each in names if each not in current]
