"""Decides what becomes of due slots. Pure: no clock and no database."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from offbeat.cronjobs.policies import MOST_AT_ONCE
from offbeat.cronjobs.words import duration, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from offbeat.cronjobs.policies import Policies
    from offbeat.deployment.schedule import Schedule

EARLY = timedelta(
    seconds=30
)  # a wake-up may come so early: half of a minute, the shortest gap between two slots
LOOKBACK = timedelta(days=366)  # slots that nobody woke up for in a year are not listed one by one
MOST_RECORDED = 2_000  # rows of one wake-up: a day of minutes, which is the usual window, and some
STRIDE = timedelta(minutes=MOST_RECORDED)  # no schedule has more slots in it

ENQUEUED, SKIPPED, MISSED = "enqueued", "skipped", "missed"


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one slot, and why it gets no job if it gets none."""

    slot: datetime
    outcome: str
    reason: str = ""


def due_slots(schedule: Schedule, cursor: datetime, until: datetime) -> list[datetime]:
    """Return the slots after the cursor, ascending; of very many the newest, without a walk over the others."""
    begin, found = max(cursor, until - LOOKBACK), deque[datetime]()
    while until > begin and len(found) < MOST_RECORDED:
        start = max(begin, until - STRIDE)
        found.extendleft(reversed(list(schedule.slots(start, until))))
        until = start
    return list(found)[-MOST_RECORDED:]


def decide(
    slots: Sequence[datetime], policies: Policies, now: datetime, paused_by: str | None
) -> list[Decision]:
    """Decide about due slots (ascending); `paused_by` is None for a cronjob that is not paused."""
    if paused_by is not None:
        return [Decision(slot, SKIPPED, f"paused by {paused_by}") for slot in slots]
    late = {slot: reason for slot in slots if (reason := _lateness(slot, policies, now))}
    wanted = [slot for slot in slots if slot not in late]
    chosen = wanted[-MOST_AT_ONCE:] if policies.catch_up == "all" else wanted[-1:]
    return list(_decisions(slots, late, chosen, policies))


def _lateness(slot: datetime, policies: Policies, now: datetime) -> str:
    """Return why a slot is too late to be run, "" when it is not."""
    if slot < now - policies.catch_up_window:
        return f"older than the catch_up_window of {duration(policies.catch_up_window)}"
    deadline = policies.starting_deadline
    if deadline is not None and slot < now - deadline:
        return f"{duration(now - slot)} late, over the starting_deadline of {duration(deadline)}"
    if policies.catch_up == "skip" and slot < now - policies.late_after:
        return f"{duration(now - slot)} late, more than late_after ({duration(policies.late_after)}); catch_up is skip"
    return ""


def _decisions(
    slots: Sequence[datetime], late: dict[datetime, str], chosen: Sequence[datetime], policies: Policies
) -> Iterator[Decision]:
    enqueued = set(chosen)
    for slot in slots:
        if slot in enqueued:
            yield Decision(slot, ENQUEUED)
        elif slot in late:
            yield Decision(slot, MISSED, late[slot])
        elif policies.catch_up == "all":
            yield Decision(slot, MISSED, f"more than {MOST_AT_ONCE} slots were due at once")
        else:
            yield Decision(slot, SKIPPED, f"merged into the slot {stamp(chosen[-1])}")
