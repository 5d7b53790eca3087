"""A wake-up: claims the slots of a cronjob that are due, those in (cursor, now + early], as its policies say."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from offbeat.cronjobs.models import Slot
from offbeat.cronjobs.outcomes import EARLY, ENQUEUED, SKIPPED, Decision, decide, due_slots
from offbeat.cronjobs.registration import first_cursor
from offbeat.cronjobs.slots import claim_free_slots, claim_slots
from offbeat.jobs.models import Job

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from offbeat.cronjobs.entries import Entry
    from offbeat.cronjobs.models import CronJob
    from offbeat.cronjobs.slots import ClaimResult

CLOCK_WENT_BACK = timedelta(minutes=2)  # a cursor so far ahead is no early wake-up's


def wake_up(
    entry: Entry,
    trigger: str = Slot.Trigger.SCHEDULE,
    *,
    patience: timedelta = timedelta(0),
    **options: Any,
) -> ClaimResult:
    """Claim what is due of one cronjob; `patience` leaves younger slots to others. The options and errors are claim_slots'."""
    return claim_slots(entry, trigger, partial(decide_due, entry, patience), **options)


def wake_up_free(found: Sequence[Entry], trigger: str, *, now: datetime | None = None) -> list[ClaimResult]:
    """Claim what is due of many cronjobs in one transaction, as claim_free_slots does."""
    wanted = [(entry, partial(decide_due, entry, timedelta(0))) for entry in found]
    return claim_free_slots(wanted, trigger, now=now)


def decide_due(entry: Entry, patience: timedelta, row: CronJob, result: ClaimResult) -> Sequence[Decision]:
    """Decide about the slots that are due, and move the cursor behind them."""
    if row.cursor > result.now + CLOCK_WENT_BACK:
        row.cursor = first_cursor(entry, result.trigger, result.now)
        forget_future(entry.name, row.cursor)
    slots = due_slots(entry.schedule, row.cursor, result.now + earliness(result.trigger) - patience)
    result.next_slot = entry.schedule.next(max(result.now, row.cursor, *slots))
    result.unlisted_since = first if slots and (first := entry.schedule.next(row.cursor)) < slots[0] else None
    result.paused_by = row.paused_by if row.paused_at else None
    if slots:
        row.cursor = slots[-1]
    if result.trigger in Slot.FROM_OUTSIDE:
        row.last_fire_at = result.now
    return skip_overlap(entry, decide(slots, entry.policies, result.now, result.paused_by))


def earliness(trigger: str) -> timedelta:
    """Return how long before its slot a wake-up counts: one that was meant for it, not a tick or a worker."""
    return EARLY if trigger in {Slot.Trigger.SCHEDULE, Slot.Trigger.HTTP} else timedelta(0)


def forget_future(name: str, now: datetime) -> None:
    """Forget what was decided about slots that are yet to come, by a clock that was ahead; those that were enqueued have run."""
    Slot.objects.filter(cronjob=name, slot__gt=now).exclude(outcome=ENQUEUED).delete()


def skip_overlap(entry: Entry, decisions: Sequence[Decision]) -> Sequence[Decision]:
    """Turn slots down that would be second in the queue of a `buffer_one` cronjob: one may run, one may wait."""
    enqueued = [each.slot for each in decisions if each.outcome == ENQUEUED]
    if entry.policies.overlap != "buffer_one" or not enqueued:
        return decisions
    unfinished = Job.objects.filter(concurrency_key=entry.concurrency_key).exclude(state__in=Job.FINISHED)
    refused = enqueued[max(0, 2 - unfinished.count()) :]
    reason = "one job runs and one waits already (overlap is buffer_one)"
    return [Decision(each.slot, SKIPPED, reason) if each.slot in refused else each for each in decisions]
