"""The slots of one cronjob: weeks of days, each with what became of its slots, and the slots of one day."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from django.db import connection

from offbeat.cronjobs.history import PastSlot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offbeat.cronjobs.statuses import Report

WEEKS = 5  # about as long as finished jobs are kept
NEWEST = 30
DAY = 1_500  # slots of a day: one a minute, twice in an hour that comes twice
# What a day with several slots is coloured by: the first of these that happened.
WORST_FIRST = (
    "dead", "missed", "expired", "cancelled", "running", "published", "pending", "succeeded", "enqueued", "skipped",
)  # fmt: skip


@dataclass(frozen=True)
class Day:
    """A day in the cronjob's time zone."""

    date: date
    counts: Counter[str] = field(default_factory=Counter)
    is_future: bool = False

    @property
    def total(self) -> int:
        return self.counts.total()

    @property
    def worst(self) -> str:
        return next((kind for kind in WORST_FIRST if self.counts[kind]), "none")

    @property
    def told(self) -> str:
        return (
            ", ".join(f"{self.counts[kind]} {kind}" for kind in WORST_FIRST if self.counts[kind])
            or "no slots"
        )


# As PastSlot.became has it: the job's state, or the slot's own outcome.
DAYS = """
    SELECT (slot.slot AT TIME ZONE %s)::date, coalesce(job.state, slot.outcome), count(*)
    FROM offbeat_cronjobs_slot slot LEFT JOIN offbeat_jobs_job job ON job.id = slot.job_id
    WHERE slot.cronjob_id = %s AND slot.slot >= %s AND slot.trigger <> 'manual' GROUP BY 1, 2
"""
SLOTS = """
    SELECT slot.slot, slot.trigger, slot.outcome, slot.reason, slot.decided_at, slot.job_id,
        job.state, job.reason, job.attempt, job.due_at, job.published_at, job.started_at, job.finished_at
    FROM offbeat_cronjobs_slot slot LEFT JOIN offbeat_jobs_job job ON job.id = slot.job_id
    WHERE slot.cronjob_id = %s AND slot.slot >= %s AND slot.slot < %s ORDER BY slot.slot DESC LIMIT %s
"""


def weeks(report: Report, now: datetime) -> list[list[Day]]:
    """Return the last five weeks, Monday to Sunday, the newest last."""
    today = now.astimezone(report.schedule.zone).date()
    first = today - timedelta(days=today.weekday(), weeks=WEEKS - 1)
    counts = _counts(report, first)
    days = [first + timedelta(days=n) for n in range(7 * WEEKS)]
    return [
        [Day(day, counts.get(day, Counter()), day > today) for day in days[start : start + 7]]
        for start in range(0, len(days), 7)
    ]


def _counts(report: Report, first: date) -> dict[date, Counter[str]]:
    found: dict[date, Counter[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(DAYS, [report.schedule.timezone, report.name, beginning(report, first)])
        for day, kind, count in cursor.fetchall():
            found.setdefault(day, Counter())[kind] += count
    return found


def beginning(report: Report, day: date) -> datetime:
    """Return when a day begins in the cronjob's time zone."""
    return datetime.combine(day, time(), report.schedule.zone).astimezone(UTC)


def slots_of(report: Report, day: date | None) -> Sequence[PastSlot]:
    """Return the slots of a day, or the newest thirty, manual runs among them; the newest first."""
    if day is None:
        since, until, limit = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), NEWEST
    else:
        since, until, limit = beginning(report, day), beginning(report, day + timedelta(days=1)), DAY
    with connection.cursor() as cursor:
        cursor.execute(SLOTS, [report.name, since, until, limit])
        return [PastSlot(*row) for row in cursor.fetchall()]


def coming(report: Report, now: datetime, count: int = 5) -> list[datetime]:
    """Return the next slots."""
    start = max(now, report.row.cursor)
    return list(islice(report.schedule.slots(start, start + timedelta(days=366 * 5)), count))
