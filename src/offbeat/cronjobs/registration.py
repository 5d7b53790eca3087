"""Makes cronjobs known to the ledger: a new one, or a changed schedule, starts at now, so that no deploy brings a backlog."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from offbeat.cronjobs import entries
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.cronjobs.row_lock import lock_cronjob, lock_free, naming_holder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from offbeat.cronjobs.entries import Entry

logger = logging.getLogger(__name__)


def register(entry: Entry, now: datetime, wait: str | None = None) -> CronJob:
    """Make an entry known, as a worker does when it starts: slots up to now are not its own. Raises CronJobHeldError."""
    with transaction.atomic():
        row = lock_cronjob(entry.name, wait) or create_row(entry, Slot.Trigger.CATCHUP, now)
        refresh_row(entry, row, Slot.Trigger.CATCHUP, now)
        row.save()
    return row


def refresh_row(entry: Entry, row: CronJob, trigger: str, now: datetime) -> None:
    """Bring the locked row up to the code, to be saved."""
    if has_changed(entry, row):
        logger.info(
            "%s has a new schedule: %s (%s)", entry.name, entry.schedule.expression, entry.schedule.timezone,
            extra={"action": "schedule_changed", "cronjob": entry.name},
        )  # fmt: skip
        row.cursor = max(row.cursor, first_cursor(entry, trigger, now))
    for field, value in description(entry).items():
        setattr(row, field, value)


def first_cursor(entry: Entry, trigger: str, now: datetime) -> datetime:
    """Return where a new cronjob or schedule begins: for a wake-up that is on time, with the slot that it is for."""
    if trigger not in Slot.FROM_OUTSIDE:
        return now
    just_before = entry.schedule.previous(now) - timedelta(microseconds=1)
    return max(just_before, now - entry.policies.late_after)


def has_changed(entry: Entry, row: CronJob) -> bool:
    return (row.cron, row.timezone) != (entry.schedule.cron, entry.schedule.timezone)


def is_up_to_date(entry: Entry, row: CronJob | None) -> bool:
    return row is not None and all(
        getattr(row, field) == value for field, value in description(entry).items()
    )


def create_row(entry: Entry, trigger: str, now: datetime) -> CronJob:
    with naming_holder(entry.name):
        insert_rows([entry], trigger, now)
    row = lock_cronjob(entry.name)  # ours, or that of a process which was faster: the same
    assert row is not None  # noqa: S101  just made, and nobody deletes cronjobs
    return row


def create_rows(missing: Sequence[Entry], trigger: str, now: datetime) -> dict[str, CronJob]:
    """Make those known that nobody knows, and lock them; the others of the missing are held by somebody."""
    known = CronJob.objects.in_bulk([each.name for each in missing])
    new = [each for each in missing if each.name not in known]
    if not new:
        return {}
    insert_rows(new, trigger, now)
    return lock_free([each.name for each in new])


def insert_rows(new: Sequence[Entry], trigger: str, now: datetime) -> None:
    rows = [
        CronJob(name=each.name, cursor=first_cursor(each, trigger, now), known_since=now, **description(each))
        for each in new
    ]
    CronJob.objects.bulk_create(rows, ignore_conflicts=True)
    warn_of_renames(new)


def description(entry: Entry) -> dict[str, object]:
    return {
        "command": entry.line,
        "schedule": entry.schedule.expression,
        "cron": entry.schedule.cron,
        "timezone": entry.schedule.timezone,
        "is_in_file": entry.is_in_file,
    }


def warn_of_renames(new: Sequence[Entry]) -> None:
    """Say so when a new cronjob looks like an old one under another name: its history does not come along."""
    for name, old in former_names({each.line: each.name for each in new if each.is_in_file}):
        logger.warning(
            "%s is a new cronjob; its command was that of %s, which keeps the history", name, old,
            extra={"action": "cronjob_renamed", "cronjob": name},
        )  # fmt: skip


def former_names(names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the cronjobs that had a command and are no longer in platform.yaml, each after the one that has it now."""
    rows = CronJob.objects.filter(command__in=names, is_in_file=True).exclude(pk__in=names.values())
    found = list(rows.order_by("pk").values_list("command", "pk"))
    # Reading the file is the dear part.
    current = {each.name for each in entries.in_file()} if found else set()
    return [(names[line], old) for line, old in found if old not in current]
