"""Says one of Beat's schedules as five cron fields, or why it cannot be said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from celery import schedules

from offbeat.cronjobs.beat.refusals import NotExpressibleError, shown
from offbeat.deployment.schedule import Schedule, ScheduleError
from offbeat.deployment.schedule_fields import FIELDS, compact
from offbeat.deployment.schedule_text import values

if TYPE_CHECKING:
    from datetime import datetime

MINUTE, HOUR, DAY = 60, 3600, 86400  # seconds
DATABASES_OWN = "django_celery_beat."  # its crontab has a time zone, and is one like Celery's otherwise
PARTS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")


def expressed(schedule: Any, anchor: datetime | None = None) -> str:
    """Return five cron fields for a crontab, a timedelta or an interval of Celery's. Raises NotExpressibleError.

    `anchor` is a local time at which an interval once began: its cronjob keeps the minute, the hour and the weekday.
    """
    if is_crontab(schedule):
        return _of_crontab(schedule)
    if isinstance(schedule, schedules.solar):
        raise NotExpressibleError(
            "the sun keeps no clock: run it every ten minutes, and let the task check whether the sun has risen"
        )
    if type(schedule) is schedules.schedule:
        phase = Phase("0", 0, "H") if schedule.relative else Phase.of(anchor)
        return _of_interval(schedule.run_every.total_seconds(), phase)
    if isinstance(schedule, timedelta):
        return _of_interval(schedule.total_seconds(), Phase.of(anchor))
    if not isinstance(schedule, schedules.BaseSchedule):
        raise NotExpressibleError(
            f"its schedule should be a crontab, a timedelta or seconds, got {shown(schedule)}"
        )
    raise NotExpressibleError(
        f"{type(schedule).__name__} is a schedule of your own: cron knows fixed times only; "
        "run it at the finest of them, and let the task see whether it is one"
    )


def is_crontab(schedule: Any) -> bool:
    kind = type(schedule)
    return kind is schedules.crontab or (
        isinstance(schedule, schedules.crontab) and kind.__module__.startswith(DATABASES_OWN)
    )


def _of_crontab(crontab: schedules.crontab) -> str:
    """Return the text as it was written where cron reads it alike, else the numbers that Celery understood."""
    written = [getattr(crontab, f"_orig_{part}") for part in PARTS]  # Celery keeps what was written there
    understood = [{int(number) for number in getattr(crontab, part)} for part in PARTS]
    for part, numbers in zip(PARTS, understood, strict=True):
        if not numbers:
            raise NotExpressibleError(f"its {part} is empty, so it never runs: write the times that you mean")
    if len(understood[2]) < 31 and len(understood[4]) < 7:
        raise NotExpressibleError(
            "Celery takes days that match day_of_month and day_of_week, cron those that match either: "
            "use one of them, and let the task check the other"
        )
    return " ".join(map(_field, range(5), written, understood))


def _field(index: int, written: Any, understood: set[int]) -> str:
    field = FIELDS[index]
    if len(understood) == len(set(field.span(field.low, field.high))):
        return "*"  # of days, 1-31 beside a weekday would mean: either
    text = str(written).replace(" ", "") if isinstance(written, str | int) else ""
    return text if text and _numbers(index, text) == understood else compact(understood)


def _numbers(index: int, text: str) -> set[int] | None:
    """Return what one field means to cron; None where it is none."""
    fields = ["*"] * 5
    fields[index] = text
    try:
        return set(values(FIELDS[index], Schedule.parse(" ".join(fields)).cron.split()[index]))
    except ScheduleError:
        return None


@dataclass(frozen=True)
class Phase:
    """Where in its round an interval begins; H is a value of the cronjob's own."""

    minute: str = "H"
    hour: int | None = None
    weekday: str = "H"

    @classmethod
    def of(cls, anchor: datetime | None) -> Phase:
        return cls(str(anchor.minute), anchor.hour, str(anchor.isoweekday() % 7)) if anchor else cls()

    @property
    def once_a_day(self) -> str:
        return "H" if self.hour is None else str(self.hour)

    def every(self, hours: int) -> str:
        first = (self.hour or 0) % hours
        return f"{first}-23/{hours}" if first else f"*/{hours}"


def _of_interval(seconds: float, phase: Phase) -> str:
    if seconds <= 0:
        raise NotExpressibleError(f"every {seconds:g} s is no interval: write the one that you mean")
    if seconds < MINUTE:
        raise NotExpressibleError(
            f"every {seconds:g} s: a minute is cron's shortest; let a job loop, or enqueue its successor with run_at"
        )
    if seconds == 7 * DAY:
        return f"{phase.minute} {phase.once_a_day} * * {phase.weekday}"
    if seconds == DAY:
        return f"{phase.minute} {phase.once_a_day} * * *"
    if seconds % HOUR == 0 and DAY % seconds == 0:
        hours = int(seconds // HOUR)
        return f"{phase.minute} {phase.every(hours) if hours > 1 else '*'} * * *"
    if seconds % MINUTE == 0 and HOUR % seconds == 0:
        return f"*/{seconds // MINUTE:.0f} * * * *" if seconds > MINUTE else "* * * * *"
    raise NotExpressibleError(
        f"every {_length(seconds)}: it divides neither an hour nor a day nor a week, so cron's steps would be uneven; "
        f"choose {_adjacent(seconds)}"
    )


def _length(seconds: float) -> str:
    return (
        f"{seconds / DAY:g} d"
        if seconds > DAY
        else f"{seconds / HOUR:g} h"
        if seconds > HOUR
        else f"{seconds / MINUTE:g} min"
    )


def _adjacent(seconds: float) -> str:
    """Return the next shorter and longer intervals that cron can say."""
    minutes = [each * MINUTE for each in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)]
    possible = [*minutes, *(each * HOUR for each in (1, 2, 3, 4, 6, 8, 12)), DAY, 7 * DAY]
    shorter = [each for each in possible if each < seconds][-1:]
    longer = [each for each in possible if each > seconds][:1]
    return " or ".join(map(_length, shorter + longer))
