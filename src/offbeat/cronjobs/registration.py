"""Makes cronjobs known to the ledger: a new one, or a changed schedule, starts at now, so that no deploy brings a backlog."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from offbeat.cronjobs import entries
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.cronjobs.row_lock import lock_cronjob, naming_holder

if TYPE_CHECKING:
    from datetime import datetime

    from offbeat.cronjobs.entries import Entry

logger = logging.getLogger(__name__)


def register(entry: Entry, now: datetime, wait: str | None = None) -> CronJob:
    """Make an entry known, as a worker does when it starts: slots up to now are not its own. Raises CronJobHeldError."""
    with transaction.atomic():
        row = refresh_row(entry, lock_cronjob(entry.name, wait), now, now)
        row.save()
    return row


def refresh_row(entry: Entry, row: CronJob | None, start: datetime, now: datetime) -> CronJob:
    """Bring the locked row up to the code, to be saved. The slots of a new cronjob or schedule begin after `start`."""
    if row is None:
        return create_row(entry, start, now)
    if has_changed(entry, row):
        logger.info(
            "%s has a new schedule: %s (%s)", entry.name, entry.schedule.expression, entry.schedule.timezone,
            extra={"action": "schedule_changed", "cronjob": entry.name},
        )  # fmt: skip
        row.cursor = max(row.cursor, start)
    for field, value in description(entry).items():
        setattr(row, field, value)
    return row


def first_cursor(entry: Entry, trigger: str, now: datetime) -> datetime:
    """Return where a new cronjob or schedule begins: for a wake-up that is on time, with the slot that it is for."""
    if trigger not in Slot.FROM_OUTSIDE:
        return now
    just_before = entry.schedule.previous(now) - timedelta(microseconds=1)
    return max(just_before, now - entry.policies.late_after)


def has_changed(entry: Entry, row: CronJob) -> bool:
    return (row.cron, row.timezone) != (entry.schedule.cron, entry.schedule.timezone)


def create_row(entry: Entry, start: datetime, now: datetime) -> CronJob:
    fields = description(entry) | {"cursor": start, "known_since": now}
    with naming_holder(entry.name):
        CronJob.objects.bulk_create([CronJob(name=entry.name, **fields)], ignore_conflicts=True)
    warn_of_rename(entry)
    row = lock_cronjob(entry.name)  # ours, or that of a process which was faster: the same
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


def warn_of_rename(entry: Entry) -> None:
    """Say so when a new cronjob looks like an old one under another name: its history does not come along."""
    for old in former_names(entry.name, entry.line) if entry.is_in_file else ():
        logger.warning(
            "%s is a new cronjob; its command was that of %s, which keeps the history", entry.name, old,
            extra={"action": "cronjob_renamed", "cronjob": entry.name},
        )  # fmt: skip


def former_names(name: str, line: str) -> list[str]:
    """Return the cronjobs that had this command and are no longer in platform.yaml."""
    rows = CronJob.objects.filter(command=line, is_in_file=True).exclude(pk=name).order_by("pk")
    names = list(rows.values_list("pk", flat=True))
    # Reading the file is the dear part.
    current = {each.name for each in entries.in_file()} if names else set()
    return [each for each in names if each not in current]
