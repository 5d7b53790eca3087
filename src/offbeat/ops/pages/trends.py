"""Trends: what ended in each hour of a day, or in each quarter of a day of a week; of all tasks or of one, and task by task."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from offbeat.ops.metrics import hours
from offbeat.ops.metrics.hours import Ends, percentile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TASKS = 30  # shown by name: those that ended most often
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Span:
    """How far back, in how long steps; steps begin at midnight, UTC, which has no hour twice."""

    name: str
    title: str
    step: timedelta
    steps: int

    def begins(self, now: datetime) -> list[datetime]:
        """Return when each step begins; `now` is in the last one."""
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        last = midnight + (now - midnight) // self.step * self.step
        return [last - self.step * (self.steps - 1 - n) for n in range(self.steps)]


SPANS = {
    span.name: span
    for span in (
        Span("day", "last 24 hours", HOUR, 24),
        Span("week", "last 7 days", 6 * HOUR, 28),
    )
}


@dataclass(frozen=True)
class Point:
    """What ended in one step."""

    begin: datetime
    end: datetime
    ends: Ends
    is_known: bool = True  # False: before anything was counted

    @property
    def wait(self) -> tuple[float | None, float | None]:
        return percentile(self.ends.waits, 0.5), percentile(self.ends.waits, 0.95)

    @property
    def run(self) -> tuple[float | None, float | None]:
        return percentile(self.ends.runs, 0.5), percentile(self.ends.runs, 0.95)


@dataclass(frozen=True)
class Trends:
    """What the page shows."""

    span: Span
    task: str  # "": all
    points: Sequence[Point]  # the oldest first
    total: Point
    tasks: Mapping[str, Point]  # those that ended most often first
    since: datetime | None  # when counting began

    @property
    def is_cut(self) -> bool:
        return len(self.tasks) == TASKS

    @property
    def newest_first(self) -> list[Point]:
        return [point for point in reversed(self.points) if point.is_known]


def gather(now: datetime, span: Span, task: str) -> Trends:
    """Read the trends. Three statements, of which none reads a job."""
    begins, since = span.begins(now), hours.counted_since()
    found = hours.read(begins[0], now, span.step, task)
    points = [
        Point(begin, min(end, now), found.get(begin, Ends()), since is not None and end > since)
        for begin in begins
        for end in (begin + span.step,)
    ]
    by_task = {} if task else hours.read_by_task(begins[0], now, TASKS)
    tasks = {name: Point(begins[0], now, ends) for name, ends in by_task.items()}
    return Trends(span, task, points, Point(begins[0], now, hours.add(found.values())), tasks, since)
