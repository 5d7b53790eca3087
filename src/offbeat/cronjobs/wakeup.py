"""A wake-up: claims the slots of a cronjob that are due, and enqueues their jobs in the same transaction.

1. lock the CronJob row: wake-ups of one cronjob come one after another;
2. take the database's clock; the due slots are those in (cursor, now + early];
3. decide about each by the cronjob's policies;
4. insert the slots ON CONFLICT DO NOTHING and, for those that are ours, their jobs; advance the cursor; commit;
5. publish the jobs.

Death before the commit: nothing happened, and the next wake-up, or a worker, claims the slots. Death after it: the relay of any
worker publishes the jobs. In no case is a slot lost, or a job enqueued twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from offbeat.cronjobs import ledger
from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.models import Slot
from offbeat.cronjobs.outcomes import EARLY, ENQUEUED, decide, due_slots
from offbeat.cronjobs.registration import LOOK, TURN, locked, up_to_date

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from offbeat.cronjobs.entries import Entry
    from offbeat.cronjobs.models import CronJob
    from offbeat.cronjobs.outcomes import Decision

PATIENCE = {Slot.Trigger.CATCHUP.value: LOOK, Slot.Trigger.TICK.value: TURN}  # others wait as long as one may
CLOCK_WENT_BACK = timedelta(minutes=2)  # a cursor so far ahead is no early wake-up's


@dataclass
class WakeUp:
    """What a wake-up did."""

    name: str
    trigger: str
    now: datetime
    next_slot: datetime
    decisions: list[Decision] = field(default_factory=list)
    jobs: dict[datetime, uuid.UUID] = field(default_factory=dict)
    twice: list[datetime] = field(default_factory=list)  # slots that were decided before
    unlisted_since: datetime | None = (
        None  # the first of slots so many and so old that the ledger has no row for each
    )
    paused_by: str | None = None
    is_dry: bool = False
    unpublished: int = 0


def nothing() -> None:
    """Do nothing, where nobody has to be told of the commit."""


def wake_up(
    entry: Entry,
    trigger: str = Slot.Trigger.SCHEDULE,
    *,
    now: datetime | None = None,
    is_dry: bool = False,
    patience: timedelta = timedelta(0),
    committed: Callable[[], None] = nothing,
) -> WakeUp:
    """Claim what is due of one cronjob; return what was done.

    `now` stands in for the database's clock; `is_dry` leaves no trace; `patience` leaves younger slots to others; `committed` is
    called between commit and publishing.
    Raises entries.ConfigurationError, holding.HeldError where somebody else is at the cronjob, and any other
    django.db.OperationalError while PostgreSQL is away or does not answer in time.
    """
    with transaction.atomic():
        transaction.on_commit(committed)
        result = claim(entry, trigger, now, is_dry=is_dry, patience=patience)
        if is_dry:
            transaction.set_rollback(True)
    result.unpublished = 0 if is_dry else ledger.count_unpublished(result.jobs.values())
    return result


def claim(entry: Entry, trigger: str, now: datetime | None, *, is_dry: bool, patience: timedelta) -> WakeUp:
    """Do steps 1 to 4, in the caller's transaction."""
    policies = entry.policies
    row = locked(entry.name, PATIENCE.get(trigger))
    clock = now or database_now()  # read under the lock, which may have taken seconds
    row = up_to_date(entry, row, start(entry, trigger, clock), clock)
    if row.cursor > clock + CLOCK_WENT_BACK:
        row.cursor = start(entry, trigger, clock)
        ledger.forget_future(entry.name, row.cursor)
    slots = due_slots(entry.schedule, row.cursor, clock + early(trigger) - patience)
    result = WakeUp(
        entry.name, trigger, clock, entry.schedule.next(max(clock, row.cursor, *slots)), is_dry=is_dry
    )
    result.unlisted_since = first if slots and (first := entry.schedule.next(row.cursor)) < slots[0] else None
    result.paused_by = row.paused_by if row.paused_at else None
    record(entry, result, decide(slots, policies, clock, result.paused_by))
    advance(row, result, slots)
    return result


def start(entry: Entry, trigger: str, now: datetime) -> datetime:
    """Return where a new cronjob or schedule begins: for a wake-up that is on time, with the slot that it is for."""
    if trigger not in Slot.FROM_OUTSIDE:
        return now
    just_before = entry.schedule.previous(now) - timedelta(microseconds=1)
    return max(just_before, now - entry.policies.grace)


def early(trigger: str) -> timedelta:
    """Return how long before its slot a wake-up counts: one that was meant for it, not a tick or a worker's look."""
    return EARLY if trigger in {Slot.Trigger.SCHEDULE, Slot.Trigger.HTTP} else timedelta(0)


def record(entry: Entry, result: WakeUp, decisions: Sequence[Decision]) -> None:
    """Write the decisions down, and enqueue the jobs of those slots that nobody else has decided."""
    decisions = ledger.with_overlap(entry, decisions)
    ours = ledger.insert(entry.name, result.trigger, decisions, result.now)
    result.decisions = [each for each in decisions if each.slot in ours]
    result.twice = [each.slot for each in decisions if each.slot not in ours]
    for each in result.decisions:
        if each.outcome == ENQUEUED:
            result.jobs[each.slot] = ledger.enqueue(entry, ours[each.slot], each.slot, result.now)


def advance(row: CronJob, result: WakeUp, slots: Sequence[datetime]) -> None:
    if slots:
        row.cursor = slots[-1]
    if result.trigger in Slot.FROM_OUTSIDE:
        row.last_fire_at = result.now
    row.save()
