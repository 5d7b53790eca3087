"""Time zones of schedules: whether a name is known, which offsets a zone uses, when its clock is changed."""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from offbeat.deployment.schedule_fields import ScheduleError

# Fixed years, so that what an exporter prints does not depend on the day of printing.
FIRST_YEAR, LAST_YEAR = 2026, 2037
MINUTE = timedelta(minutes=1)
Clock = tuple[int, int]
"""An hour and a minute."""


def check_zone(name: str) -> None:
    """Raise :class:`ScheduleError` with the nearest known name unless ``name`` is a time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleError(f'timezone: "{name}" is not known; {_hint(name)}') from None


def change_of_offset(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the first minute with the new offset: one change, ``before < change <= after``."""
    old = _offset(zone, before)
    minutes = range(int((after - before) / MINUTE))
    return before + MINUTE * bisect_left(
        minutes, True, key=lambda minute: _offset(zone, before + MINUTE * minute) != old
    )


@lru_cache
def offsets(name: str) -> frozenset[int]:
    """Return the UTC offsets that a zone uses, in minutes."""
    return frozenset(int(_offset(ZoneInfo(name), noon) / MINUTE) for noon in _noons())


@lru_cache
def ends_of_gaps(name: str) -> tuple[datetime, ...]:
    """Return the moments at which a zone's clock is put forward."""
    zone = ZoneInfo(name)
    return tuple(
        change_of_offset(zone, noon, next_noon)
        for noon, next_noon in pairwise(_noons())
        if _offset(zone, noon) < _offset(zone, next_noon)
    )


@lru_cache
def changed_times(name: str) -> tuple[frozenset[Clock], frozenset[Clock]]:
    """Return the times of day that changes of a zone's clock ever skip, and those that they repeat."""
    zone, found = ZoneInfo(name), (set[Clock](), set[Clock]())
    for noon, next_noon in pairwise(_noons()):
        if _offset(zone, noon) != _offset(zone, next_noon):
            change = change_of_offset(zone, noon, next_noon)
            expected, shown = (change.astimezone(timezone(_offset(zone, each))) for each in (noon, next_noon))
            is_gap = shown.replace(tzinfo=None) > expected.replace(tzinfo=None)
            first, length = (
                (expected if is_gap else shown),
                abs(_offset(zone, next_noon) - _offset(zone, noon)),
            )
            walls = (first + MINUTE * minute for minute in range(int(length / MINUTE)))
            found[not is_gap].update((wall.hour, wall.minute) for wall in walls)
    return frozenset(found[0]), frozenset(found[1])


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)


def _noons() -> Iterator[datetime]:
    first = datetime(FIRST_YEAR, 1, 1, 12, tzinfo=UTC)
    days = range((datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC) - first).days + 1)
    return (first + timedelta(days=day) for day in days)


def _hint(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 -- only a mistake needs it
    from zoneinfo import available_timezones  # noqa: PLC0415 -- reads the whole directory

    zones = sorted(available_timezones(), key=lambda zone: ("/" not in zone, zone), reverse=True)
    # By city as well, so that "berlin" finds Europe/Berlin.
    known = {zone.rpartition("/")[2].lower(): zone for zone in zones} | {zone.lower(): zone for zone in zones}
    near = get_close_matches(name.lower().replace(" ", "_"), known, n=1, cutoff=0.7)
    return f'did you mean "{known[near[0]]}"?' if near else 'write a name such as "Europe/Berlin"'
