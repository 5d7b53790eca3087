"""Says one of Beat's schedules as five cron fields, or why it cannot be said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery import schedules

from offbeat.deployment.schedule import Schedule, ScheduleError
from offbeat.deployment.schedule_fields import FIELDS, compact
from offbeat.deployment.schedule_text import values

MINUTE, HOUR, DAY = 60, 3600, 86400  # seconds


class NotExpressibleError(Exception):
    """Cron cannot say it: the message says why, and what to do instead."""


def expressed(schedule: Any) -> str:
    """Return five cron fields for a crontab, a timedelta or an interval of Celery's. Raises NotExpressibleError."""
    if isinstance(schedule, schedules.crontab):
        return _of_crontab(schedule)
    if isinstance(schedule, schedules.solar | str):
        raise NotExpressibleError(
            "the sun keeps no clock: wake it up every ten minutes, and let the task see whether the sun has risen"
        )
    if type(schedule) is schedules.schedule:
        schedule = schedule.run_every
    if isinstance(schedule, timedelta):
        return _of_interval(schedule.total_seconds())
    raise NotExpressibleError(
        f"{type(schedule).__name__} is a schedule of your own: cron knows fixed times only"
    )


def _of_crontab(crontab: schedules.crontab) -> str:
    """Return the text as it was written where cron reads it alike, else the numbers that Celery understood."""
    written = [
        crontab._orig_minute,  # noqa: SLF001  Celery keeps what was written there
        crontab._orig_hour,  # noqa: SLF001
        crontab._orig_day_of_month,  # noqa: SLF001
        crontab._orig_month_of_year,  # noqa: SLF001
        crontab._orig_day_of_week,  # noqa: SLF001
    ]
    understood = [
        crontab.minute,
        crontab.hour,
        crontab.day_of_month,
        crontab.month_of_year,
        crontab.day_of_week,
    ]
    if len(understood[2]) < 31 and len(understood[4]) < 7:
        raise NotExpressibleError(
            "Celery takes days that match day_of_month and day_of_week, cron those that match either: "
            "use one of them, and let the task look at the other"
        )
    return " ".join(map(_field, range(5), written, understood))


def _field(index: int, written: Any, understood: set[int]) -> str:
    text = str(written).replace(" ", "") if isinstance(written, str | int) else ""
    if text and _numbers(index, text) == understood:
        return text
    return (
        "*"
        if len(understood) == len(set(FIELDS[index].span(FIELDS[index].low, FIELDS[index].high)))
        else compact(understood)
    )


def _numbers(index: int, text: str) -> set[int] | None:
    """Return what one field means to cron; None where it is none."""
    fields = ["*"] * 5
    fields[index] = text
    try:
        return set(values(FIELDS[index], Schedule.parse(" ".join(fields)).cron.split()[index]))
    except ScheduleError:
        return None


def _of_interval(seconds: float) -> str:
    if seconds < MINUTE:
        raise NotExpressibleError(
            f"every {seconds:g} s: a minute is cron's shortest; let a job loop, or enqueue its successor with run_at"
        )
    if seconds == 7 * DAY:
        return "H H * * H"
    if seconds == DAY:
        return "H H * * *"
    if seconds % HOUR == 0 and DAY % seconds == 0:
        return f"H */{seconds // HOUR:.0f} * * *" if seconds > HOUR else "H * * * *"
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
