"""The reports of all cronjobs, quickly enough for a page that two hundred cronjobs are on and that asks every few seconds.

`statuses.reports()` reads platform.yaml and loads every command each time: right for a command that runs once, and most of the
time of a page. A process that stays remembers both until the file, or a dashboard's cronjob, changes. The rules are cronjobs' own.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection
from psycopg import Cursor

from offbeat.cronjobs import entries, tick_wakeup
from offbeat.cronjobs.history import NEWEST, PAST_SLOT, STRIP, WITH_JOBS, PastSlot
from offbeat.cronjobs.models import CronJob, Tick
from offbeat.cronjobs.statuses import Observation
from offbeat.deployment import spec
from offbeat.deployment.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from offbeat.cronjobs.entries import Entry
    from offbeat.cronjobs.statuses import Report


CHUNK = 200  # rows at once: few, so that they are gone before the garbage collector counts them

ORDER = f"SELECT cronjob.name, slot.id FROM {NEWEST} ORDER BY cronjob.name, slot.slot"  # noqa: S608  constants
FULL = f"SELECT slot.id, {PAST_SLOT} FROM offbeat_cronjobs_slot slot {WITH_JOBS} WHERE slot.id = ANY(%s)"  # noqa: S608  constants
KEPT = 600.0  # seconds until settled slots are read anew: their jobs may have been pruned


@dataclass(frozen=True)
class CachedSchedule(Schedule):
    """A schedule that keeps its last answers: from one slot to the next, the next slot is the same."""

    answers: deque[tuple[datetime, datetime]] = field(
        default_factory=lambda: deque(maxlen=3), compare=False, repr=False
    )

    def next(self, after: datetime) -> datetime:
        for asked, slot in tuple(self.answers):  # copied: other threads append to it
            if asked <= after < slot:
                return slot
        slot = super().next(after)
        self.answers.append((after, slot))
        return slot


@dataclass(frozen=True)
class Declared:
    """What platform.yaml and dashboards declare, as this process has read it."""

    platform: spec.Platform
    known: Mapping[str, Entry]
    problems: Mapping[str, str]


_remembered: tuple[object, Declared] | None = None  # one tuple, so that threads see both halves or neither
_settled: tuple[float, Mapping[int, PastSlot]] = (
    0.0,
    {},
)  # since when they are kept, monotonic seconds; by the slot's id


def declared(rows: Sequence[CronJob]) -> Declared:
    """Return what is declared, read anew when platform.yaml or a dashboard's cronjob has changed."""
    global _remembered  # noqa: PLW0603  a process' memory of what it has read
    file = spec.PLATFORM_FILE.stat()
    dashboards = tuple(
        (row.name, row.command, row.schedule, row.timezone) for row in rows if not row.is_in_file
    )
    now = (spec.PLATFORM_FILE, file.st_mtime_ns, file.st_size, dashboards)
    if _remembered is None or _remembered[0] != now:
        known, problems = entries.all_known()
        kept = {name: replace(entry, schedule=remembering(entry.schedule)) for name, entry in known.items()}
        _remembered = now, Declared(spec.read(spec.PLATFORM_FILE), kept, problems)
    return _remembered[1]


def remembering(schedule: Schedule) -> Schedule:
    return CachedSchedule(schedule.expression, schedule.cron, schedule.timezone)


def reports(now: datetime) -> tuple[list[Report], Declared]:
    """Return how each cronjob is that the ledger knows, by name, and what is declared."""
    rows = list(CronJob.objects.order_by("pk"))
    found = declared(rows)
    last_tick = Tick.objects.order_by("-at").values_list("at", flat=True).first()
    ticks = tick_wakeup.interval(now) or timedelta(0)
    observation = Observation(now, found.known, found.problems, past_slots(), ticks, last_tick)
    return [observation.report(row) for row in rows], found


def past_slots() -> dict[str, list[PastSlot]]:
    """Return what `history.past_slots()` does, asking again only for slots that may have changed since the page before.

    Of two hundred cronjobs these are six thousand slots with five moments each, nearly all of which have succeeded.
    """
    global _settled  # noqa: PLW0603  a process' memory of what it has shown
    since, slots = _settled
    if time.monotonic() - since > KEPT:
        since, slots = time.monotonic(), {}
    order = list(_rows(ORDER, STRIP))
    missing = [slot_id for _, slot_id in order if slot_id not in slots]
    read = {slot_id: PastSlot(*values) for slot_id, *values in _rows(FULL, missing)} if missing else {}
    found, settled = defaultdict(list), {}
    for name, slot_id in order:
        if slot := slots.get(slot_id) or read.get(slot_id):  # else it was deleted a moment ago
            found[name].append(slot)
            if slot.is_settled:
                settled[slot_id] = slot
    _settled = since, settled
    return found


def _rows(statement: str, value: object) -> Iterator[tuple[Any, ...]]:
    """Yield rows read in PostgreSQL's binary format, which Django's own cursor does not know."""
    connection.ensure_connection()
    with Cursor(connection.connection) as cursor:
        cursor.execute(statement, [value], binary=True)
        while rows := cursor.fetchmany(CHUNK):
            yield from rows
