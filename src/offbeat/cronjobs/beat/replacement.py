"""What takes the place of a Beat entry: an entry of platform.yaml, and a command."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from offbeat.cronjobs.beat.calls import arguments_of
from offbeat.cronjobs.beat.command_source import command_source
from offbeat.cronjobs.beat.expressions import expressed
from offbeat.cronjobs.beat.names import Names, command_of, cronjob_name, existing
from offbeat.cronjobs.beat.options import carry
from offbeat.cronjobs.beat.refusals import IdleError, NotExpressibleError, described, one_line
from offbeat.cronjobs.beat.tasks import commands_folder, find_task, origin_of
from offbeat.deployment.schedule import Schedule, ScheduleError
from offbeat.jobs.enqueuer import queue_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from offbeat.cronjobs.beat.entries import BeatEntry, FoundEntry

__all__ = ["Replacement", "Takeover", "cronjob_name", "plan"]


@dataclass(frozen=True)
class Replacement:
    """A cronjob in place of a Beat entry; `notes` is what has to be looked at by hand."""

    name: str
    schedule: str
    timezone: str
    command: str
    source: str  # of the command's module
    folder: Path | None  # of the commands of the app that the task is in
    written: Path | None  # the command's file, where there is one
    notes: tuple[str, ...] = ()


@dataclass
class Takeover:
    """What becomes of all entries."""

    replacements: list[Replacement] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)  # by Beat's name, why it cannot be taken over
    idle: set[str] = field(default_factory=set)  # those of them that Beat does not run either

    @property
    def lost(self) -> list[str]:
        """Return the names of the entries that run by Beat, and would not without it."""
        return [name for name in self.left if name not in self.idle]


def plan(entries: Iterable[FoundEntry], names: Names, folder: Path | None = None) -> Takeover:
    """Return what becomes of entries, whatever reading one of them raises."""
    result = Takeover()
    for found in entries:
        try:
            result.replacements.append(replaced(found.read(), names, folder))
        except Exception as error:  # noqa: BLE001  a bad entry is a line of its own, and the others go on
            name = one_line(found.name)
            name = name if name not in result.left else f"{name} ({one_line(found.where)})"
            result.left[name] = described(error)
            if isinstance(error, IdleError):
                result.idle.add(name)
    return result


def replaced(entry: BeatEntry, names: Names, folder: Path | None) -> Replacement:
    """Return the cronjob for an entry, under a name that is not taken. Raises NotExpressibleError."""
    task = find_task(entry)
    origin = origin_of(task)
    schedule = expressed(entry.schedule, entry.anchor)
    carried = carry(entry, queue_of(task))
    source = command_source(entry, origin, carried.attributes, arguments_of(entry, task))
    folder = folder or commands_folder(origin.module)
    check(schedule, entry.timezone)
    name = names.give(entry.name, folder, origin.expression)
    notes = tuple(map(one_line, (*entry.notes, *carried.notes)))
    command = command_of(name)
    return Replacement(name, schedule, entry.timezone, command, source, folder, existing(name, folder), notes)


def check(schedule: str, timezone: str) -> None:
    """Raise NotExpressibleError for what platform.yaml would not take."""
    try:
        Schedule.parse(schedule, timezone, "name")
    except ScheduleError as error:
        raise NotExpressibleError(f"its schedule comes to {schedule}: {error}") from None
