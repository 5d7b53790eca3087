"""A schedule as the plain cron lines that every platform understands: digits only, one day field at most.

A wake-up may come more often than the schedule, never less often, because the ledger decides by slot.
So the lines in UTC cover every offset that the zone uses, and where they
cannot be exact they name more days, never fewer.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import product

from offbeat.deployment.schedule import Schedule
from offbeat.deployment.schedule_fields import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    FIELDS,
    HOUR,
    MINUTE,
    MONTH,
    Field,
    compact,
)
from offbeat.deployment.schedule_text import values
from offbeat.deployment.schedule_zones import ends_of_gaps, offsets

COMMON_YEAR, LEAP_YEAR = 2027, 2028
A_DAY = 24 * 60


def utc_cron_lines(schedule: Schedule) -> list[str]:
    """Return lines for a platform that counts in UTC; together they match every slot of the schedule.

    A slot that the clock's gap puts off to the gap's end has a line of its own, for the days it can come on.
    """
    lines = _lines(schedule, offsets(schedule.timezone))
    late = [end for end in ends_of_gaps(schedule.timezone) if not _match_any(lines, end)]
    return [*lines, *_gap_lines(end for end in late if _is_slot(schedule, end))]


def local_cron_lines(schedule: Schedule) -> list[str]:
    """Return lines for a platform that takes the schedule's time zone beside them."""
    return _lines(schedule, frozenset({0}))


@dataclass(frozen=True)
class _Days:
    """The days that some lines match: days of the month or of the week, and months."""

    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def moved(self, by: int) -> "_Days":
        """Return the days ``by`` (-1, 0 or 1) days away, and perhaps more."""
        moved = [day + timedelta(days=by) for day in self.dates()]
        days = frozenset(day.day for day in moved) if self.days != _all(DAY_OF_MONTH) else self.days
        weekdays = frozenset((weekday + by) % 7 for weekday in self.weekdays)
        return _Days(days, frozenset(day.month for day in moved), weekdays)

    def fields(self) -> str:
        return " ".join(
            (_field(DAY_OF_MONTH, self.days), _field(MONTH, self.months), _field(DAY_OF_WEEK, self.weekdays))
        )

    def dates(self) -> Iterator[date]:
        for year, month, day in product((COMMON_YEAR, LEAP_YEAR), self.months, self.days):
            if day <= (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day:
                yield date(year, month, day)


def _lines(schedule: Schedule, zone_offsets: Iterable[int]) -> list[str]:
    minutes, hours, *_ = _parts(schedule.cron)
    local = [60 * hour + minute for hour, minute in product(hours, minutes)]
    times: dict[_Days, set[int]] = defaultdict(set)
    for days, time, offset in product(_day_rules(schedule.cron), local, zone_offsets):
        by, utc = divmod(time - offset, A_DAY)
        times[_moved(days, by)].add(utc)
    return [f"{clock} {days.fields()}" for days in times for clock in _clocks(times[days])]


@lru_cache
def _moved(days: _Days, by: int) -> _Days:
    return days.moved(by)


def _day_rules(cron: str) -> list[_Days]:
    """Return rules that restrict one day field at most: two where cron takes days that match either field."""
    *_, days, months, weekdays = map(frozenset, _parts(cron))
    both = (_Days(days, months, _all(DAY_OF_WEEK)), _Days(_all(DAY_OF_MONTH), months, weekdays))
    rarer, commoner = sorted(both, key=lambda rule: len(rule.days) * 7 + len(rule.weekdays) * 31)
    if any(cron.split()[field].startswith("*") for field in (2, 4)):
        return [rarer]
    is_every_day = commoner.days == _all(DAY_OF_MONTH) and commoner.weekdays == _all(DAY_OF_WEEK)
    # "31 2 0,6" means the weekends of February: the other rule, its 31st, never comes.
    return [commoner] if is_every_day else [rule for rule in both if any(rule.dates())]


def _clocks(times: set[int]) -> Iterator[str]:
    """Yield minute and hour fields for minutes of the day: as few as are exact."""
    minutes_of: dict[int, set[int]] = defaultdict(set)
    for time in times:
        minutes_of[time // 60].add(time % 60)
    hours_of: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for hour in sorted(minutes_of):
        hours_of[tuple(sorted(minutes_of[hour]))].append(hour)
    for minutes, hours in hours_of.items():
        yield f"{_field(MINUTE, minutes)} {_field(HOUR, hours)}"


def _gap_lines(ends: Iterable[datetime]) -> Iterator[str]:
    by_clock: dict[tuple[int, int], list[datetime]] = defaultdict(list)
    for end in ends:
        by_clock[end.minute, end.hour].append(end)
    for (minute, hour), same in by_clock.items():
        yield f"{minute} {hour} {compact({end.day for end in same})} {compact({end.month for end in same})} *"


def _is_slot(schedule: Schedule, moment: datetime) -> bool:
    return any(schedule.slots(moment - timedelta(minutes=1), moment))


def _match_any(lines: list[str], moment: datetime) -> bool:
    found = (moment.minute, moment.hour, moment.day, moment.month, moment.isoweekday() % 7)
    return any(all(map(list.__contains__, _parts(line), found)) for line in lines)


def _parts(cron: str) -> list[list[int]]:
    return list(map(values, FIELDS, cron.split()))


def _all(field: Field) -> frozenset[int]:
    return frozenset(field.span(field.low, field.high))


def _field(field: Field, numbers: Iterable[int]) -> str:
    """Return the usual spelling, ``*`` and ``*/n`` included: in UTC no rule hangs on the star."""
    text, found = compact(numbers), set(numbers)
    steps = (step for step in range(1, field.high) if found == set(range(field.low, field.high + 1, step)))
    step = next(steps, None)
    if step is None or len(found) < 3:
        return text
    return f"*/{step}" if step > 1 else "*"
