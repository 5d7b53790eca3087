"""When cron lines fire over two years, in any time zone, as sets of minutes: an integer of which each bit is a minute.

It shares no code with what is tested. A line is expanded in wall time first, then cut into the spans of one offset each;
what becomes of the times that a change of the clock repeats or skips is the scheduler's rule.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

A_DAY = 24 * 60
FIRST, DAYS = date(2026, 11, 28), 740
"""Two years that hold a leap day, and some days around them for what is late or in another zone."""
ORIGIN = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
MARGIN = 4 * A_DAY
TWO_YEARS = ((1 << (DAYS * A_DAY - 2 * MARGIN)) - 1) << MARGIN
Rule = Literal["twice", "once", "not documented", "fixed"]
"""twice: by real time; once: the first time only; not documented: maybe neither; fixed: once, and after a gap for what it
skipped, as Debian's cron and our ledger do for an entry without a star."""
Sets = tuple[frozenset[int], ...]


@lru_cache(maxsize=4096)
def moments(sets: Sets, zone: str, rule: Rule, either: bool = False) -> int:
    """Give the minutes at which a line of minutes, hours, days, months and weekdays fires."""
    wall, spans, found = _walls(sets, either), _spans(zone), 0
    for number, (start, end, offset) in enumerate(spans):
        found |= _shifted(wall, offset) & _mask(start, end)
        before = spans[number - 1][2] if number else offset
        repeated = max(before - offset, 0)
        if rule != "twice":
            found &= ~_mask(start, start + repeated)
        if rule == "not documented":
            found &= ~_mask(start - repeated, start)
        if rule == "fixed" and offset > before and wall & _mask(start + before, start + offset):
            found |= 1 << start
    return found


def within(minutes: int, late: int) -> int:
    """Give the minutes that are followed by one of these after so many minutes at most."""
    found, reached = minutes, 0
    while reached < late:
        step = min(reached + 1, late - reached)
        found |= found >> step
        reached += step
    return found


def shown(minutes: int, most: int = 3) -> list[str]:
    """Give the first of some minutes as people read them."""
    found = []
    while minutes and len(found) < most:
        lowest = minutes & -minutes
        found.append(f"{ORIGIN + timedelta(minutes=lowest.bit_length() - 1):%Y-%m-%d %H:%M}")
        minutes ^= lowest
    return found


def _walls(sets: Sets, either: bool) -> int:
    minutes, hours, days, months, weekdays = sets
    fires = sum(1 << (60 * hour + minute) for hour in hours for minute in minutes).to_bytes(
        A_DAY // 8, "little"
    )
    rests = bytes(A_DAY // 8)

    def matches(day):
        of_month, of_week = day.day in days, day.isoweekday() % 7 in weekdays
        return day.month in months and ((of_month or of_week) if either else (of_month and of_week))

    dates = (FIRST + timedelta(days=number) for number in range(DAYS))
    return int.from_bytes(b"".join(fires if matches(day) else rests for day in dates), "little")


@lru_cache
def _spans(zone: str) -> list[tuple[int, int, int]]:
    """Give the spans of one offset each: (first minute, minute after the last, offset in minutes)."""
    starts, known = [0], _offset(zone, 0)
    for hour in range(60, DAYS * A_DAY, 60):
        if (offset := _offset(zone, hour)) != known:
            starts.append(next(each for each in range(hour - 59, hour + 1) if _offset(zone, each) == offset))
            known = offset
    return [
        (start, end, _offset(zone, start))
        for start, end in zip(starts, [*starts[1:], DAYS * A_DAY], strict=True)
    ]


def _offset(zone: str, minute: int) -> int:
    offset = (ORIGIN + timedelta(minutes=minute)).astimezone(ZoneInfo(zone)).utcoffset()
    return int(offset / timedelta(minutes=1))


def _shifted(wall: int, offset: int) -> int:
    return wall >> offset if offset >= 0 else wall << -offset


def _mask(start: int, end: int) -> int:
    return ((1 << (end - start)) - 1) << start
