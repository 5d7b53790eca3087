"""What a person decides about a cronjob: pause, resume, run now, backfill. Commands, admin and pages call these.

All of them raise row_lock.CronJobHeldError where somebody else is at the cronjob for longer than one waits.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction

from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.cronjobs.outcomes import ENQUEUED, Decision, decide, due_slots
from offbeat.cronjobs.policies import MOST_AT_ONCE, Policies, TooManySlotsError
from offbeat.cronjobs.row_lock import lock_cronjob
from offbeat.cronjobs.slots import ClaimResult, claim_slots, insert_slots
from offbeat.deployment.schedule import Schedule

if TYPE_CHECKING:
    from datetime import datetime

    from offbeat.cronjobs.entries import Entry

UNNAMED = "somebody"


def pause(name: str, by: str = "", now: datetime | None = None) -> bool:
    """Let a cronjob enqueue nothing until it is resumed; return whether it was not paused before. Raises CronJob.DoesNotExist."""
    with transaction.atomic():
        row = lock_known(name)
        if row.paused_at:
            return False
        row.paused_at, row.paused_by = now or database_now(), (by or UNNAMED)[:255]
        row.save()
    return True


def resume(name: str, now: datetime | None = None) -> bool:
    """Let a cronjob go on from now; slots of the pause are recorded as skipped. Raises CronJob.DoesNotExist."""
    with transaction.atomic():
        row = lock_known(name)
        if not row.paused_at:
            return False
        clock = now or database_now()
        slots = due_slots(Schedule.parse(row.schedule, row.timezone, row.name), row.cursor, clock)
        decisions = decide(slots, Policies(), clock, row.paused_by)
        insert_slots(Slot.Trigger.RESUME, [(name, each) for each in decisions], clock)
        row.cursor = max(row.cursor, *slots) if slots else row.cursor
        row.paused_at, row.paused_by = None, ""
        row.save()
    return True


def lock_known(name: str) -> CronJob:
    row = lock_cronjob(name)
    if row is None:
        raise CronJob.DoesNotExist(f"the ledger has no cronjob {name}")
    return row


def forget(name: str) -> bool:
    """Count a dashboard's cronjob as removed, so that no worker claims its slots; its history stays, a wake-up brings it back.

    Return whether it was one. Raises CronJob.DoesNotExist.
    """
    with transaction.atomic():
        lock_known(name)
        return bool(CronJob.objects.filter(pk=name, is_in_file=False).update(is_in_file=True))


def run_now(entry: Entry, by: str = "", now: datetime | None = None, **options: Any) -> ClaimResult:
    """Enqueue one job, independent of the schedule, paused or not. The options and errors are claim_slots'."""

    def decide_now(_: CronJob, result: ClaimResult) -> list[Decision]:
        return [Decision(result.now, ENQUEUED, f"run now by {by or UNNAMED}")]

    return claim_slots(entry, Slot.Trigger.MANUAL, decide_now, now=now, **options)


def backfill(
    entry: Entry,
    since: datetime,
    until: datetime | None = None,
    now: datetime | None = None,
    *,
    is_dry: bool = True,
    **options: Any,
) -> ClaimResult:
    """Enqueue the slots of a past time that have no job; `is_dry` only says which. At most a hundred at once.

    Their jobs have no deadline, and where they may not overlap they follow one another. The other options and errors are
    claim_slots'. Raises TooManySlotsError.
    """

    def decide_past(_: CronJob, result: ClaimResult) -> list[Decision]:
        slots = bounded_slots(entry, since, min(until or result.now, result.now))
        return [Decision(slot, ENQUEUED) for slot in slots]

    return claim_slots(entry, Slot.Trigger.BACKFILL, decide_past, now=now, is_dry=is_dry, **options)


def bounded_slots(entry: Entry, since: datetime, until: datetime) -> list[datetime]:
    slots = []
    for slot in entry.schedule.slots(since.astimezone(UTC) - timedelta(microseconds=1), until):
        slots.append(slot)
        if len(slots) > MOST_AT_ONCE:
            raise TooManySlotsError(
                f"{entry.name}: more than {MOST_AT_ONCE} slots from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}: "
                f"the hundredth is {slots[-2]:%Y-%m-%d %H:%MZ}"
            )
    return slots
