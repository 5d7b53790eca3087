"""What a person decides about a cronjob: pause, resume, run now, backfill. Commands, admin and pages call these.

All of them raise holding.HeldError where somebody else is at the cronjob for longer than one waits.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from offbeat.cronjobs import ledger
from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.cronjobs.outcomes import ENQUEUED, Decision, decide, due_slots
from offbeat.cronjobs.policies import MOST_AT_ONCE, Policies, TooManySlotsError
from offbeat.cronjobs.registration import locked, register
from offbeat.cronjobs.wakeup import WakeUp, nothing
from offbeat.deployment.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from offbeat.cronjobs.entries import Entry

NOBODY = "somebody"


def pause(name: str, by: str = "", now: datetime | None = None) -> bool:
    """Let a cronjob enqueue nothing until it is resumed; tell whether it was not paused before. Raises CronJob.DoesNotExist."""
    with transaction.atomic():
        row = known_row(name)
        if row.paused_at:
            return False
        row.paused_at, row.paused_by = now or database_now(), (by or NOBODY)[:255]
        row.save()
    return True


def resume(name: str, now: datetime | None = None) -> bool:
    """Let a cronjob go on from now; slots of the pause are recorded as skipped. Raises CronJob.DoesNotExist."""
    with transaction.atomic():
        row = known_row(name)
        if not row.paused_at:
            return False
        clock = now or database_now()
        slots = due_slots(Schedule.parse(row.schedule, row.timezone, row.name), row.cursor, clock)
        ledger.insert(name, Slot.Trigger.RESUME, decide(slots, Policies(), clock, row.paused_by), clock)
        row.cursor = max(row.cursor, *slots) if slots else row.cursor
        row.paused_at, row.paused_by = None, ""
        row.save()
    return True


def known_row(name: str) -> CronJob:
    row = locked(name)
    if row is None:
        raise CronJob.DoesNotExist(f"the ledger knows no cronjob {name}")
    return row


def forget(name: str) -> bool:
    """Count a dashboard's cronjob as removed, so that no worker claims its slots; its history stays, a wake-up brings it back.

    Tell whether it was one. Raises CronJob.DoesNotExist.
    """
    with transaction.atomic():
        known_row(name)
        return bool(CronJob.objects.filter(pk=name, is_in_file=False).update(is_in_file=True))


def run_now(
    entry: Entry,
    by: str = "",
    now: datetime | None = None,
    *,
    is_dry: bool = False,
    committed: Callable[[], None] = nothing,
) -> WakeUp:
    """Enqueue one job, whatever the schedule says, paused or not; `is_dry` leaves no trace.

    `committed` is called between commit and publishing.
    """
    with transaction.atomic():
        transaction.on_commit(committed)
        clock = now or database_now()
        if locked(entry.name) is None:
            register(entry, clock)
        decision = Decision(clock, ENQUEUED, f"run now by {by or NOBODY}")
        rows = ledger.insert(entry.name, Slot.Trigger.MANUAL, [decision], clock)
        result = WakeUp(entry.name, Slot.Trigger.MANUAL, clock, entry.schedule.next(clock), [decision])
        result.is_dry = is_dry
        result.jobs = {clock: ledger.enqueue_by_hand(entry, rows[clock], clock, key=None)}
        if is_dry:
            transaction.set_rollback(True)
    result.unpublished = 0 if is_dry else ledger.count_unpublished(result.jobs.values())
    return result


def backfill(
    entry: Entry,
    since: datetime,
    until: datetime | None = None,
    now: datetime | None = None,
    *,
    is_dry: bool = True,
    committed: Callable[[], None] = nothing,
) -> WakeUp:
    """Enqueue the slots of a past time that have no job; `is_dry` only tells which. At most a hundred at once.

    Their jobs have no deadline, and where they may not overlap they follow one another. `committed` is called between commit
    and publishing.
    Raises TooManySlotsError.
    """
    with transaction.atomic():
        transaction.on_commit(committed)
        clock = now or database_now()
        slots = wanted(entry, since, min(until or clock, clock))
        if locked(entry.name) is None:
            register(entry, clock)
        result = WakeUp(entry.name, Slot.Trigger.BACKFILL, clock, entry.schedule.next(clock), is_dry=is_dry)
        rows = ledger.take_over(entry.name, slots, clock)
        result.decisions = [Decision(slot, ENQUEUED) for slot in slots if slot in rows]
        result.twice = [slot for slot in slots if slot not in rows]
        result.jobs = {
            slot: ledger.enqueue_by_hand(entry, row, slot, ledger.job_key(entry.name, slot))
            for slot, row in rows.items()
        }
        if is_dry:
            transaction.set_rollback(True)
    result.unpublished = 0 if is_dry else ledger.count_unpublished(result.jobs.values())
    return result


def wanted(entry: Entry, since: datetime, until: datetime) -> list[datetime]:
    slots = []
    for slot in entry.schedule.slots(since.astimezone(UTC) - timedelta(microseconds=1), until):
        slots.append(slot)
        if len(slots) > MOST_AT_ONCE:
            raise TooManySlotsError(
                f"{entry.name}: more than {MOST_AT_ONCE} slots from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}: "
                f"the hundredth is {slots[-2]:%Y-%m-%d %H:%MZ}"
            )
    return slots
