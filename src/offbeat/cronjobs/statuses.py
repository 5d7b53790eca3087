"""How the cronjobs are, computed in one place: pages, health paths, metrics, commands and alerts all read `reports()`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from offbeat.condition import Condition
from offbeat.cronjobs import conditions, entries, tick_wakeup
from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.conditions import MISCONFIGURED, Evidence
from offbeat.cronjobs.history import STRIP, PastSlot, past_slots
from offbeat.cronjobs.models import CronJob, Tick
from offbeat.deployment.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from offbeat.cronjobs.entries import Entry

__all__ = ["STRIP", "PastSlot", "Report", "is_well", "report", "reports"]


@dataclass(frozen=True)
class Report:
    """How one cronjob is. Moments are in UTC."""

    row: CronJob
    schedule: Schedule
    next_slot: datetime
    slots: tuple[PastSlot, ...]  # the newest thirty, oldest first, without manual runs
    conditions: tuple[Condition, ...]  # what is wrong
    has_never_fired: bool
    is_removed: bool  # no longer in platform.yaml: its history stays
    renamed_to: tuple[str, ...] = ()  # cronjobs that have its command now

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def in_words(self) -> str:
        return self.schedule.in_words()

    @property
    def last(self) -> PastSlot | None:
        return self.slots[-1] if self.slots else None

    @property
    def is_paused(self) -> bool:
        return self.row.paused_at is not None

    @property
    def is_well(self) -> bool:
        return not self.conditions


def reports(now: datetime | None = None) -> list[Report]:
    """Return how each cronjob is that the ledger knows, by name."""
    observation = Observation.gather(now or database_now())
    return [observation.report(row) for row in CronJob.objects.order_by("pk")]


def report(name: str, now: datetime | None = None) -> Report:
    """Return how one cronjob is. Raises KeyError."""
    return {each.name: each for each in reports(now)}[name]


def is_well(now: datetime | None = None) -> bool:
    """Whether nothing is wrong with any cronjob: for health paths."""
    return all(each.is_well for each in reports(now))


@dataclass(frozen=True)
class Observation:
    """What the reports are made from, asked for once for all of them."""

    now: datetime
    known: Mapping[str, Entry]
    problems: Mapping[str, str]
    past: Mapping[str, Sequence[PastSlot]]
    ticks: timedelta  # how far apart they come
    last_tick: datetime | None

    @classmethod
    def gather(cls, now: datetime) -> Observation:
        known, problems = entries.all_known()
        last_tick = Tick.objects.order_by("-at").values_list("at", flat=True).first()
        return cls(now, known, problems, past_slots(), tick_wakeup.interval(now) or timedelta(0), last_tick)

    def report(self, row: CronJob) -> Report:
        entry = self.known.get(row.name)
        is_removed = row.is_in_file and entry is None and row.name not in self.problems
        schedule = entry.schedule if entry else Schedule.parse(row.schedule, row.timezone, row.name)
        slots = tuple(self.past.get(row.name, ()))
        evidence = Evidence(row, schedule, slots, self.now, self.fired_at(row), self.ticks, entry)
        return Report(
            row=row,
            schedule=schedule,
            next_slot=schedule.next(max(self.now, row.cursor)),
            slots=slots,
            conditions=tuple(self.conditions(row, evidence)),
            has_never_fired=entry is not None and evidence.has_never_fired,
            is_removed=is_removed,
            renamed_to=self.successors(row) if is_removed else (),
        )

    def conditions(self, row: CronJob, evidence: Evidence) -> Iterator[Condition]:
        """Yield what is wrong with a cronjob: nothing can be with one that is no longer in platform.yaml."""
        if problem := self.problems.get(row.name):
            yield Condition(MISCONFIGURED, row.name, problem.removeprefix(f"{row.name}: "))
        if evidence.entry:
            yield from conditions.find(evidence)

    def fired_at(self, row: CronJob) -> datetime | None:
        """Return when something from outside last came by: a tick that found nothing to do counts too."""
        return max(filter(None, (row.last_fire_at, self.last_tick if row.is_in_file else None)), default=None)

    def successors(self, row: CronJob) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.known.values() if entry.line == row.command)
