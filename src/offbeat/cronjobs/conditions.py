"""The five signals of a cronjob: not_fired, not_published, not_started, too_long, no_success."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from celery import current_app

from offbeat.cronjobs.conf import conf
from offbeat.cronjobs.models import Slot
from offbeat.cronjobs.outcomes import EARLY
from offbeat.cronjobs.words import counted, duration, stamp
from offbeat.jobs.models import Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.cronjobs.entries import Entry
    from offbeat.cronjobs.history import PastSlot
    from offbeat.cronjobs.models import CronJob
    from offbeat.deployment.schedule import Schedule

BY_HAND = {Slot.Trigger.BACKFILL, Slot.Trigger.RESUME}
UNFINISHED = {Job.State.PENDING, Job.State.PUBLISHED, Job.State.RUNNING}
KINDS = ("not_fired", "not_published", "not_started", "too_long", "no_success")


@dataclass(frozen=True)
class Signal:
    """Something that is wrong with a cronjob, since when, in a sentence."""

    kind: str
    since: datetime
    text: str


@dataclass(frozen=True)
class View:
    """What the signals are computed from."""

    row: CronJob
    schedule: Schedule
    slots: tuple[PastSlot, ...]
    now: datetime
    fired_at: datetime | None  # the last wake-up from outside
    extra: timedelta  # what a tick adds to every grace
    entry: Entry | None

    @property
    def grace(self) -> timedelta:
        return (self.entry.policies.grace if self.entry else timedelta(minutes=5)) + self.extra

    @property
    def unclaimed(self) -> datetime | None:
        """The first slot that nobody has claimed although its grace is over."""
        slot = self.schedule.next(self.row.cursor)
        return slot if slot + self.grace < self.now else None

    @property
    def healed(self) -> PastSlot | None:
        """The newest slot, if a worker had to claim it and nothing has come from outside since."""
        scheduled = (each for each in reversed(self.slots) if each.trigger not in BY_HAND)
        last = next(scheduled, None)
        if last is None or last.trigger != Slot.Trigger.CATCHUP:
            return None
        return None if self.fired_at and self.fired_at >= last.slot - EARLY else last

    @property
    def has_never_fired(self) -> bool:
        return self.fired_at is None and bool(self.unclaimed or self.healed)


def signals_of(view: View) -> Iterator[Signal]:
    if not view.row.paused_at:
        yield from not_fired(view)
    unfinished = [
        slot for slot in view.slots if slot.state in UNFINISHED
    ]  # few; a page asks for hundreds of cronjobs
    for kind, check in (
        ("not_published", not_published),
        ("not_started", not_started),
        ("too_long", too_long),
    ):
        told = ((slot.slot, text) for slot in unfinished if (text := check(view, slot)))
        yield from (Signal(kind, slot, f"slot {stamp(slot)}: {text}") for slot, text in islice(told, 1))
    yield from no_success(view)


def not_fired(view: View) -> Iterator[Signal]:
    slot = view.unclaimed or (view.healed.slot if view.healed else None)
    if slot is None:
        return
    if view.has_never_fired:
        text = f"has never been woken up since it is known ({stamp(view.row.known_since)}): is it set up on the platform?"
    else:
        cure = "nobody has claimed it" if view.unclaimed else "a worker claimed it"
        text = f"the platform did not wake it up for its slot {stamp(slot)}; {cure}"
    yield Signal("not_fired", slot, text)


def not_published(view: View, slot: PastSlot) -> str:
    is_waiting = slot.state == Job.State.PENDING and not slot.attempt and slot.published_at is None
    late = view.now - slot.due_at if slot.due_at and is_waiting else timedelta(0)
    return (
        f"its job is not in Redis after {duration(late)}"
        if late.total_seconds() > conf().unpublished_after
        else ""
    )


def not_started(view: View, slot: PastSlot) -> str:
    is_waiting = slot.state == Job.State.PUBLISHED and not slot.attempt
    late = view.now - slot.due_at if slot.due_at and is_waiting else timedelta(0)
    return f"no worker has started its job for {duration(late)}" if late > view.grace else ""


def too_long(view: View, slot: PastSlot) -> str:
    if slot.state != Job.State.RUNNING or slot.started_at is None or view.entry is None:
        return ""
    running, limit = view.now - slot.started_at, longest_run(view.entry)
    return (
        f"its job runs for {duration(running)}, over {duration(limit)}" if limit and running > limit else ""
    )


def longest_run(entry: Entry) -> timedelta | None:
    """Return how long a job may run before it is asked, or made, to end."""
    task, defaults = entry.command.task, current_app.conf
    limits = (task.soft_time_limit, task.time_limit, defaults.task_soft_time_limit, defaults.task_time_limit)
    own = limits[:2] if any(limits[:2]) else limits[2:]
    return timedelta(seconds=min(filter(None, own))) if any(own) else None


ENDED = {Job.State.SUCCEEDED, Job.State.DEAD, Job.State.CANCELLED, Job.State.EXPIRED}


def no_success(view: View) -> Iterator[Signal]:
    """Yield a signal when the newest slots that came to an end, as many as the setting says, all failed."""
    most = int(conf().no_success_slots)
    ended = (
        each for each in reversed(view.slots) if each.state in ENDED or each.outcome == Slot.Outcome.MISSED
    )
    newest = list(islice(ended, most))
    if len(newest) == most and all(each.state != Job.State.SUCCEEDED for each in newest):
        last = view.row.last_success_at
        since = f"the last success was {stamp(last)}" if last else "it has never succeeded"
        yield Signal(
            "no_success", newest[-1].slot, f"{counted(most, 'slot')} in a row without success; {since}"
        )
