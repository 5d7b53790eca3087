"""Wake-ups of cronjobs in a test: what the platform does at a slot."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from offbeat.cronjobs import entries
from offbeat.cronjobs.wakeup import wake_up
from offbeat.jobs.models import Job

if TYPE_CHECKING:
    from offbeat.deployment.schedule import Schedule
    from offbeat.testing.frozen_clock import FrozenClock


def fire(clock: FrozenClock, name: str, at: datetime | str | None = None) -> list[Job]:
    """Move the clock to a slot of a cronjob of platform.yaml, wake the cronjob up, and return the jobs that this enqueues.

    `at` is a datetime, or a text like "2026-11-30 09:00"; without a zone it is in the cronjob's. Without `at` it is the next slot.
    Raises ValueError for what is no slot, UnknownCronjobError for a name that platform.yaml does not have.
    """
    entry = entries.find(name)
    slot = entry.schedule.next(clock.now) if at is None else _moment(at, entry.schedule)
    if entry.schedule.next(slot - timedelta(microseconds=1)) != slot:
        raise ValueError(_no_slot(name, slot, entry.schedule))
    clock.move_to(slot)
    result = wake_up(entry)
    return list(Job.objects.filter(pk__in=result.jobs.values()).order_by("id"))


def _moment(at: datetime | str, schedule: Schedule) -> datetime:
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return moment if moment.tzinfo else moment.replace(tzinfo=schedule.zone)


def _no_slot(name: str, at: datetime, schedule: Schedule) -> str:
    before, after = (each.astimezone(schedule.zone) for each in (schedule.previous(at), schedule.next(at)))
    return (
        f"{name} has no slot at {at:%Y-%m-%d %H:%M:%S %Z}: its schedule is {schedule.expression} ({schedule.timezone}). "
        f"Before it is {before:%Y-%m-%d %H:%M}, after it {after:%Y-%m-%d %H:%M}."
    )
