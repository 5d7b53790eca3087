"""One row of django-celery-beat as an entry of Beat's: when it runs, with what, and what ends it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from celery import schedules
from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from kombu.utils.json import loads

from offbeat.cronjobs.beat.entries import DISABLED, RUNS_ONCE, BeatEntry
from offbeat.cronjobs.beat.refusals import IdleError, NotExpressibleError, described, shown
from offbeat.cronjobs.beat.time_zones import zone_of_app

if TYPE_CHECKING:
    from celery import Celery

FIELDS = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
OPTIONS = ("queue", "exchange", "routing_key", "priority")
SUNDAY = "Celery refuses a day_of_week of 7, so Beat never ran this entry; here it is Sunday"


def read_row(row: dict[str, Any], kind: str, schedule: dict[str, Any] | None, app: Celery) -> BeatEntry:
    """Return the entry of a row whose schedule is of that kind. Raises NotExpressibleError."""
    refuse_idle(row, kind, schedule)
    if schedule is None:
        raise IdleError(
            f"its {kind} was deleted, so Beat does not run it"
            if kind
            else "it has no schedule, so Beat does not run it"
        )
    zone, notes = zone_of_app(app), []
    if kind == "crontab" and getattr(settings, "DJANGO_CELERY_BEAT_TZ_AWARE", True):
        zone = str(schedule.get("timezone") or zone)
    if kind == "crontab" and _sunday(str(schedule["day_of_week"])) != str(schedule["day_of_week"]):
        notes.append(SUNDAY)
    if ends := moment(row, "expires"):
        notes.append(f"Beat ends it at {ends:%Y-%m-%d %H:%M} UTC: remove the cronjob then")
    return BeatEntry(
        name=row["name"],
        task=row["task"],
        schedule=_schedule(kind, schedule),
        timezone=zone,
        app=app,
        args=tuple(_json(row, "args", list)),
        kwargs=_json(row, "kwargs", dict),
        options=_options(row),
        anchor=_anchor(row, zone),
        description=row.get("description") or "",
        notes=tuple(notes),
    )


def refuse_idle(row: dict[str, Any], kind: str = "", schedule: dict[str, Any] | None = None) -> None:
    """Raise for a row that Beat does not run again and again: NotExpressibleError, IdleError where it does not run it at all."""
    now = timezone.now()
    if not row.get("enabled", True):
        raise IdleError(DISABLED)
    if (ends := moment(row, "expires")) and ends <= now:
        raise IdleError(f"it ended at {ends:%Y-%m-%d %H:%M} UTC")
    if kind == "clocked" or row.get("one_off"):
        if row.get("total_run_count"):
            raise IdleError("it runs once, and has run")
        at = moment(schedule or {}, "clocked_time")
        raise NotExpressibleError(
            RUNS_ONCE.replace("...", f'datetime.fromisoformat("{at.isoformat()}")', 1) if at else RUNS_ONCE
        )
    if (starts := moment(row, "start_time")) and starts > now:
        raise NotExpressibleError(
            f"it starts at {starts:%Y-%m-%d %H:%M} UTC, and a cronjob runs from its first deploy on: import it after that time"
        )


def moment(row: dict[str, Any], name: str) -> datetime | None:
    """Return a time of a row, which in a dump is a text."""
    value = row.get(name)
    time = parse_datetime(value) if isinstance(value, str) else value
    return time.replace(tzinfo=UTC) if time and time.tzinfo is None else time


def _schedule(kind: str, schedule: dict[str, Any]) -> Any:
    if kind == "interval":
        return timedelta(**{schedule["period"]: schedule["every"]})
    if kind == "solar":
        return object.__new__(schedules.solar)  # making one needs a library, and says nothing more
    fields = {name: str(schedule[name]).replace(" ", "") for name in FIELDS}
    fields["day_of_week"] = _sunday(fields["day_of_week"])
    try:
        return schedules.crontab(**fields)
    except Exception as error:  # noqa: BLE001  Celery raises what its parser meets
        raise NotExpressibleError(
            f"Celery cannot read its crontab ({described(error)}), so Beat does not run it: correct the row"
        ) from None


def _sunday(text: str) -> str:
    """Return a day_of_week with 0 in place of 7; what has a step stays as it is."""
    terms = (re.sub(r"-7$", "-6,0", re.sub(r"^7(?=-|$)", "0", each)) for each in text.split(","))
    return text if "/" in text else ",".join(terms)


def _anchor(row: dict[str, Any], zone: str) -> datetime | None:
    began = moment(row, "start_time") or moment(row, "last_run_at")
    return began.astimezone(ZoneInfo(zone)) if began else None


def _options(row: dict[str, Any]) -> dict[str, Any]:
    options = {name: row[name] for name in OPTIONS if row.get(name) not in (None, "")}
    if headers := _json(row, "headers", dict):
        options["headers"] = headers
    if row.get("expire_seconds") is not None and not row.get("expires"):
        options["expires"] = row["expire_seconds"]
    return options


def _json(row: dict[str, Any], name: str, kind: type) -> Any:
    try:
        value = loads(row.get(name) or repr(kind()))
    except ValueError as error:
        raise NotExpressibleError(
            f"its {name} are not JSON ({error}), so Beat cannot run it: correct the row"
        ) from None
    if not isinstance(value, kind):
        what = "a list" if kind is list else "an object"
        raise NotExpressibleError(f"its {name} should be {what} in JSON, got {shown(value)}: correct the row")
    return value
