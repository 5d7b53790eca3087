"""Where Beat's entries are: in schedules of the settings, and in rows; each is taken over once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.conf import settings

from offbeat.cronjobs.beat.entries import FoundEntry, found_in
from offbeat.cronjobs.beat.periodic_task import refuse_idle
from offbeat.cronjobs.beat.refusals import IdleError, shown
from offbeat.deployment.beat import schedules

if TYPE_CHECKING:
    from collections.abc import Iterable

    from celery import Celery

SHADOWED = (
    "the application's own beat_schedule is in place of {where}, so Beat does not run it: delete it there"
)
TWICE = "{first} has another entry of this name, and Beat runs one of them: rename this one, or delete it from {where}"


def find_all(rows: Iterable[FoundEntry]) -> tuple[list[FoundEntry], list[str]]:
    """Return the entries of the settings and of rows, and a line for each schedule that is none."""
    found, problems = [], []
    for where, schedule, app in schedules(settings):
        if isinstance(schedule, Mapping):
            found += _in_schedule(where, schedule, app)
        else:
            problems.append(f"{where}: it should be a dict of entries, got {shown(schedule)}")
    by_name: dict[str, FoundEntry] = {}
    twice = [each for each in found if by_name.setdefault(each.name, each) is not each]
    twice = [
        _refused(each, TWICE, by_name[each.name].where)
        for each in twice
        if each.given != by_name[each.name].given
    ]
    rows = list(rows)
    for row in rows:
        if row.name in by_name:
            by_name[row.name] = _with_row(by_name[row.name], row)
    return [*by_name.values(), *twice, *(row for row in rows if row.name not in by_name)], problems


def _in_schedule(where: str, schedule: Mapping[Any, Any], app: Celery) -> list[FoundEntry]:
    found = found_in(where, schedule, app)
    used = app.conf.beat_schedule
    is_read = where == f"{app.namespace}_BEAT_SCHEDULE"
    return (
        [_refused(each, SHADOWED) for each in found] if is_read and used and used is not schedule else found
    )


def _refused(found: FoundEntry, reason: str, first: str = "") -> FoundEntry:
    def read() -> Any:
        raise IdleError(reason.format(where=found.where, first=first))

    return replace(found, read=read)


def _with_row(found: FoundEntry, row: FoundEntry) -> FoundEntry:
    """Return an entry of the settings that django-celery-beat has copied into its table: what ends the row ends it."""

    def read() -> Any:
        refuse_idle(row.given)
        return found.read()

    return replace(found, read=read)
