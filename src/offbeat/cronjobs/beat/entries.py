"""Finds Beat's entries: in Celery's settings, and in the tables of django-celery-beat where they exist."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from celery import current_app, schedules
from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class BeatEntry:
    """One entry of Beat's, wherever it was found."""

    name: str
    task: str
    schedule: Any  # Celery's object, or a timedelta
    timezone: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    why_not: str = ""  # a reason not to take it over, known where it was found


def in_settings() -> Iterator[BeatEntry]:
    """Yield what CELERY_BEAT_SCHEDULE has, or the application's beat_schedule."""
    timezone = str(current_app.timezone)
    for name, given in (current_app.conf.beat_schedule or {}).items():
        schedule = given["schedule"]
        if isinstance(schedule, int | float):
            schedule = timedelta(seconds=schedule)
        options = dict(given.get("options") or {})
        args, kwargs = tuple(given.get("args") or ()), dict(given.get("kwargs") or {})
        yield BeatEntry(name, given["task"], schedule, timezone, args, kwargs, options)


TABLE = "django_celery_beat_periodictask"
ROWS = """
    SELECT entry.name, entry.task, entry.args, entry.kwargs, entry.enabled, entry.one_off, entry.queue, entry.expire_seconds,
        crontab.minute, crontab.hour, crontab.day_of_week, crontab.day_of_month, crontab.month_of_year, crontab.timezone,
        interval.every, interval.period, solar.event, entry.clocked_id
    FROM django_celery_beat_periodictask entry
    LEFT JOIN django_celery_beat_crontabschedule crontab ON crontab.id = entry.crontab_id
    LEFT JOIN django_celery_beat_intervalschedule interval ON interval.id = entry.interval_id
    LEFT JOIN django_celery_beat_solarschedule solar ON solar.id = entry.solar_id
    ORDER BY entry.name
"""


def in_tables() -> Iterator[BeatEntry]:
    """Yield the rows of django-celery-beat; it need not be installed."""
    if TABLE not in connection.introspection.table_names():
        return
    with connection.cursor() as cursor:
        cursor.execute(ROWS)
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    yield from map(_of_row, rows)


def _of_row(row: dict[str, Any]) -> BeatEntry:
    options = {"queue": row["queue"], "expires": row["expire_seconds"]}
    return BeatEntry(
        name=row["name"],
        task=row["task"],
        schedule=_schedule(row),
        timezone=row["timezone"] or str(current_app.timezone),
        args=tuple(json.loads(row["args"] or "[]")),
        kwargs=json.loads(row["kwargs"] or "{}"),
        options={name: value for name, value in options.items() if value},
        why_not=_why_not(row),
    )


def _schedule(row: dict[str, Any]) -> Any:
    if row["minute"] is not None:
        fields = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
        return schedules.crontab(**{name: row[name] for name in fields})
    if row["every"] is not None:
        return timedelta(**{row["period"]: row["every"]})
    return row["event"]


def _why_not(row: dict[str, Any]) -> str:
    if row["clocked_id"] or row["one_off"]:
        return "it runs once: enqueue it with task.using(run_at=...).enqueue()"
    if not row["enabled"]:
        return "it is disabled"
    return "" if row["minute"] or row["every"] or row["event"] else "it has no schedule"
