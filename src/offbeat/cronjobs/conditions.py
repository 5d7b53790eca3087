"""The five conditions of a cronjob, because each has another cause and another cure, and that of one that cannot be run at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from celery import current_app

from offbeat.condition import Condition, ConditionKind, Severity
from offbeat.cronjobs.conf import conf
from offbeat.cronjobs.models import Slot
from offbeat.cronjobs.outcomes import EARLY
from offbeat.cronjobs.words import counted, duration, stamp
from offbeat.jobs import broker
from offbeat.jobs.models import Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.cronjobs.entries import Entry
    from offbeat.cronjobs.history import PastSlot
    from offbeat.cronjobs.models import CronJob
    from offbeat.deployment.schedule import Schedule

BY_HAND = {Slot.Trigger.BACKFILL, Slot.Trigger.RESUME}
UNFINISHED = {Job.State.PENDING, Job.State.PUBLISHED, Job.State.RUNNING}
NOT_FIRED = ConditionKind(
    "not_fired",
    Severity.ERROR,
    "overdue",
    "check the platform's cron: python manage.py export_platform <platform> prints what it needs",
)
NOT_PUBLISHED = ConditionKind(
    "not_published", Severity.ERROR, "not published", "is the broker down, or full?"
)
NOT_STARTED = ConditionKind(
    "not_started", Severity.ERROR, "not started", "is a worker running that consumes its queue?"
)
TOO_LONG = ConditionKind(
    "too_long",
    Severity.WARNING,
    "runs too long",
    "check the job's page: does it hang, or is its time limit too short?",
)
NO_SUCCESS = ConditionKind(
    "no_success",
    Severity.ERROR,
    "no success",
    "fix the cause, then retry its dead letters: python manage.py jobs list --state dead",
)
MISCONFIGURED = ConditionKind(
    "misconfigured", Severity.ERROR, "cannot be run", "correct platform.yaml or the command, and deploy"
)  # fmt: skip
KINDS = (NOT_FIRED, NOT_PUBLISHED, NOT_STARTED, TOO_LONG, NO_SUCCESS, MISCONFIGURED)
# A slot was not worked on in time; the others tell of its job.
OVERDUE = {NOT_FIRED, NOT_PUBLISHED, NOT_STARTED, MISCONFIGURED}


@dataclass(frozen=True)
class Evidence:
    """What the conditions of a cronjob are found from."""

    row: CronJob
    schedule: Schedule
    slots: tuple[PastSlot, ...]
    now: datetime
    fired_at: datetime | None  # the last wake-up from outside
    extra: timedelta  # what a tick adds to late_after
    entry: Entry | None

    @property
    def late_after(self) -> timedelta:
        return (self.entry.policies.late_after if self.entry else timedelta(minutes=5)) + self.extra

    @property
    def unclaimed(self) -> datetime | None:
        """The first slot that nobody has claimed within `late_after`."""
        slot = self.schedule.next(self.row.cursor)
        return slot if slot + self.late_after < self.now else None

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


def find(evidence: Evidence) -> Iterator[Condition]:
    if not evidence.row.paused_at:
        yield from not_fired(evidence)
    # Few: a page asks for hundreds of cronjobs. Those that a pause holds are as they should be; the pause is a condition itself.
    unfinished = [slot for slot in evidence.slots if slot.state in UNFINISHED and not slot.pause]
    for kind, check in (
        (NOT_PUBLISHED, not_published),
        (NOT_STARTED, not_started),
        (TOO_LONG, too_long),
    ):
        told = ((slot.slot, text) for slot in unfinished if (text := check(evidence, slot)))
        for slot, text in islice(told, 1):
            yield Condition(kind, evidence.row.name, f"slot {stamp(slot)}: {text}", slot)
    if not any(slot.pause for slot in evidence.slots):
        yield from no_success(evidence)


def not_fired(evidence: Evidence) -> Iterator[Condition]:
    slot = evidence.unclaimed or (evidence.healed.slot if evidence.healed else None)
    if slot is None:
        return
    if evidence.has_never_fired:
        text = f"has never fired since it was registered ({stamp(evidence.row.known_since)}): is it set up on the platform?"
    else:
        cure = "nothing has claimed it" if evidence.unclaimed else "a worker claimed it"
        text = f"the platform did not trigger its slot {stamp(slot)}; {cure}"
    yield Condition(NOT_FIRED, evidence.row.name, text, slot)


def not_published(evidence: Evidence, slot: PastSlot) -> str:
    is_waiting = slot.state == Job.State.PENDING and not slot.attempt and slot.published_at is None
    late = evidence.now - slot.due_at if slot.due_at and is_waiting else timedelta(0)
    return (
        f"its job is not in {broker.name()} after {duration(late)}"
        if late.total_seconds() > conf().unpublished_after
        else ""
    )


def not_started(evidence: Evidence, slot: PastSlot) -> str:
    is_waiting = slot.state == Job.State.PUBLISHED and not slot.attempt
    late = evidence.now - slot.due_at if slot.due_at and is_waiting else timedelta(0)
    return f"no worker has started its job for {duration(late)}" if late > evidence.late_after else ""


def too_long(evidence: Evidence, slot: PastSlot) -> str:
    if slot.state != Job.State.RUNNING or slot.started_at is None or evidence.entry is None:
        return ""
    running, limit = evidence.now - slot.started_at, longest_run(evidence.entry)
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


def has_ended(slot: PastSlot) -> bool:
    return slot.state in ENDED or slot.outcome == Slot.Outcome.MISSED


def most_without_success() -> int:
    """Return how many slots in a row may fail before that is a condition."""
    return int(conf().no_success_slots)


def no_success(evidence: Evidence) -> Iterator[Condition]:
    """Yield a condition when the newest slots that came to an end, as many as the setting says, all failed."""
    most = most_without_success()
    ended = (each for each in reversed(evidence.slots) if has_ended(each))
    newest = list(islice(ended, most))
    if len(newest) == most and all(each.state != Job.State.SUCCEEDED for each in newest):
        last = evidence.row.last_success_at
        since = f"the last success was {stamp(last)}" if last else "it has never succeeded"
        text = f"{counted(most, 'slot')} in a row without success; {since}"
        yield Condition(NO_SUCCESS, evidence.row.name, text, newest[-1].slot)
