"""The time zone of an entry: Celery's, that of a crontab of its own, or that of a schedule's `nowfun`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from celery.utils.time import LocalTimezone
from django.conf import settings

from offbeat.cronjobs.beat.refusals import NotExpressibleError, described, shown
from offbeat.deployment.schedule import ScheduleError
from offbeat.deployment.schedule_zones import check_zone

if TYPE_CHECKING:
    from datetime import tzinfo

    from celery import Celery

HOUR = 3600  # seconds


def zone_of_app(app: Celery) -> str:
    """Return the name of the zone that Celery's times are in. Raises NotExpressibleError."""
    try:
        return name_of(app.timezone)
    except NotExpressibleError:
        raise
    except Exception as error:  # noqa: BLE001  whatever a wrong name raises
        raise NotExpressibleError(f"the time zone of Celery cannot be read: {described(error)}") from None


def zone_of_schedule(schedule: Any, app: Celery) -> tuple[str, list[str]]:
    """Return the zone of one schedule, with notes where Celery and it may not agree. Raises NotExpressibleError."""
    if own := vars(schedule).get("tz") if hasattr(schedule, "__dict__") else None:
        return name_of(own), []
    usual, nowfun = zone_of_app(app), getattr(schedule, "nowfun", None)
    if nowfun is None:
        return usual, []
    try:
        now = nowfun()
    except Exception as error:  # noqa: BLE001  a project's own function
        raise NotExpressibleError(
            f"its nowfun, which says its time zone, raised {described(error)}"
        ) from None
    if not isinstance(now, datetime) or now.tzinfo is None:
        return usual, [
            f"its nowfun gives {shown(now)}, which has no time zone: {usual} is taken, as Celery does"
        ]
    zone = name_of(now.tzinfo)
    note = f"{zone} is the time zone of its nowfun. Celery 5.7 ignores that, and uses {usual}: keep the one that you mean"
    return zone, [note] if zone != usual else []


def name_of(zone: tzinfo) -> str:
    """Return the name of a zone for platform.yaml. Raises NotExpressibleError."""
    if isinstance(zone, LocalTimezone):
        return str(settings.TIME_ZONE)  # which Django has made the process' own
    name = str(getattr(zone, "key", None) or getattr(zone, "zone", None) or zone)
    try:
        check_zone(name)
    except ScheduleError as error:
        return _of_offset(zone, str(error))
    return name


def _of_offset(zone: tzinfo, problem: str) -> str:
    """Return the zone of whole hours that a fixed offset is."""
    offset = zone.utcoffset(None)
    if offset is None or offset.total_seconds() % HOUR:
        raise NotExpressibleError(f"{problem}; name a zone of the tz database, like Europe/Berlin")
    return f"Etc/GMT{-offset.total_seconds() // HOUR:+.0f}"  # POSIX counts westward
