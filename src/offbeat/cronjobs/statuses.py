"""How the cronjobs are, computed in one place: pages, health paths, metrics, commands and alerts all read `reports()`.

Five signals, because each has another cause and another cure: not fired (the platform), not published (Redis), not started (the
workers), too long and no success (the task).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from offbeat.cronjobs import entries, tick_wakeup
from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.conditions import Signal, View, signals_of
from offbeat.cronjobs.history import STRIP, PastSlot, past_slots
from offbeat.cronjobs.models import CronJob, Tick
from offbeat.deployment.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from offbeat.cronjobs.entries import Entry

__all__ = ["STRIP", "PastSlot", "Report", "Signal", "is_well", "report", "reports"]


@dataclass(frozen=True)
class Report:
    """How one cronjob is. Moments are in UTC."""

    row: CronJob
    schedule: Schedule
    next_slot: datetime
    slots: tuple[PastSlot, ...]  # the newest thirty, oldest first, without manual runs
    signals: tuple[Signal, ...]
    has_never_fired: bool
    is_removed: bool  # no longer in platform.yaml: its history stays
    renamed_to: tuple[str, ...] = ()  # cronjobs that have its command now
    problem: str = ""  # why it cannot be woken up at all

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
        return not (self.signals or self.problem) or self.is_removed


def reports(now: datetime | None = None) -> list[Report]:
    """Return how each cronjob is that the ledger knows, by name."""
    facts = Facts.gather(now or database_now())
    return [facts.report(row) for row in CronJob.objects.order_by("pk")]


def report(name: str, now: datetime | None = None) -> Report:
    """Return how one cronjob is. Raises KeyError."""
    return {each.name: each for each in reports(now)}[name]


def is_well(now: datetime | None = None) -> bool:
    """Whether nothing is wrong with any cronjob: for health paths."""
    return all(each.is_well for each in reports(now))


@dataclass(frozen=True)
class Facts:
    """What the reports are made from, asked for once for all of them."""

    now: datetime
    known: Mapping[str, Entry]
    problems: Mapping[str, str]
    past: Mapping[str, Sequence[PastSlot]]
    ticks: timedelta  # how far apart they come
    last_tick: datetime | None

    @classmethod
    def gather(cls, now: datetime) -> Facts:
        known, problems = entries.all_known()
        last_tick = Tick.objects.order_by("-at").values_list("at", flat=True).first()
        return cls(now, known, problems, past_slots(), tick_wakeup.interval(now) or timedelta(0), last_tick)

    def report(self, row: CronJob) -> Report:
        entry, problem = self.known.get(row.name), self.problems.get(row.name, "")
        is_removed = row.is_in_file and entry is None and not problem
        schedule = entry.schedule if entry else Schedule.parse(row.schedule, row.timezone, row.name)
        slots = tuple(self.past.get(row.name, ()))
        view = View(row, schedule, slots, self.now, self.fired_at(row), self.ticks, entry)
        return Report(
            row=row,
            schedule=schedule,
            next_slot=schedule.next(max(self.now, row.cursor)),
            slots=slots,
            signals=tuple(signals_of(view)) if entry else (),
            has_never_fired=entry is not None and view.has_never_fired,
            is_removed=is_removed,
            renamed_to=self.successors(row) if is_removed else (),
            problem=problem,
        )

    def fired_at(self, row: CronJob) -> datetime | None:
        """Return when something from outside last came by: a tick that found nothing to do counts too."""
        return max(filter(None, (row.last_fire_at, self.last_tick if row.is_in_file else None)), default=None)

    def successors(self, row: CronJob) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.known.values() if entry.line == row.command)
