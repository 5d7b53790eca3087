"""An independent cron for the tests: Debian's rule, walked minute by minute over real time.

It shares nothing with the code under test: expressions are drawn together with the values they stand for,
and the walk keeps a virtual clock as Debian's daemon does, with zoneinfo as the only source of wall times.
"""

import calendar
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
DAYS = ("sun", "MON", "tue", "WED", "Thu", "FRI", "SAT")
MONTHS = ("jan", "FEB", "mar", "APR", "May", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True)
class Entry:
    """An expression and what it means."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @cached_property
    def is_interval(self):
        minute, hour, *_ = self.text.split()
        return minute.startswith("*") or hour.startswith("*")

    @cached_property
    def wants_both_days(self):
        _, _, day, _, weekday = self.text.split()
        return day.startswith("*") or weekday.startswith("*")

    @property
    def can_occur(self):
        longest = max(calendar.monthrange(2028, month)[1] for month in self.months)
        return not self.wants_both_days or min(self.days) <= longest

    def matches(self, wall):
        if wall.minute not in self.minutes or wall.hour not in self.hours or wall.month not in self.months:
            return False
        day, weekday = wall.day in self.days, wall.isoweekday() % 7 in self.weekdays
        return (day and weekday) if self.wants_both_days else (day or weekday)


@dataclass(frozen=True)
class Field:
    """What may stand in a field, and how often it begins with a star."""

    low: int
    high: int
    star: float
    names: tuple[str, ...] = ()
    likely: tuple[int, ...] = ()

    def random(self, chance):
        """Return the text of a field and its values."""
        if chance.random() < self.star:
            return "*", frozenset(self.span(self.low, self.high))
        terms = [self.random_term(chance) for _ in range(chance.choice([1, 1, 1, 2, 3]))]
        return ",".join(text for text, _ in terms), frozenset().union(*(values for _, values in terms))

    def random_term(self, chance):
        step = chance.randint(2, self.high // 2)
        start, end = (chance.choice(self.likely or self.span(self.low, self.high)) for _ in range(2))
        first, last = self.name(chance, start), self.name(chance, end)
        return chance.choice(
            [
                (first, {start}),
                (first, {start}),
                (f"{first}-{last}", self.span(start, end)),
                (f"{first}-{last}/{step}", self.span(start, end)[::step]),
                (f"{first}/{step}", self.span(start, self.high)[::step]),
                (f"*/{step}", self.span(self.low, self.high)[::step]),
            ]
        )

    def name(self, chance, value):
        return self.names[value - self.low] if self.names and chance.random() < 0.5 else str(value)

    def span(self, start, end):
        size = self.high - self.low + 1
        return [self.low + (start - self.low + count) % size for count in range((end - start) % size + 1)]


def random_entry(chance: random.Random, likely_hours: tuple[int, ...]) -> Entry:
    """Return an entry that is due now and then in a window of days, mostly in the likely hours."""
    fields = (
        Field(0, 59, star=0.05),
        Field(0, 23, star=0.2, likely=likely_hours),
        Field(1, 31, star=0.6),
        Field(1, 12, star=0.85, names=MONTHS),
        Field(0, 6, star=0.6, names=DAYS),
    )
    texts, values = zip(*(field.random(chance) for field in fields), strict=True)
    entry = Entry(" ".join(texts), *values)
    return entry if entry.can_occur else random_entry(chance, likely_hours)


def wall_minutes(zone: str, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Return each real minute after ``start`` up to ``end`` with what the clock on the wall shows."""
    zoneinfo = ZoneInfo(zone)
    count = int((end - start) / MINUTE)
    moments = [start + MINUTE * number for number in range(1, count + 1)]
    return [(moment, moment.astimezone(zoneinfo).replace(tzinfo=None)) for moment in moments]


def walk(entry: Entry, minutes: list[tuple[datetime, datetime]], zone: str) -> list[datetime]:
    """Return when Debian's cron runs ``entry``, its virtual clock carried from minute to minute.

    Its bound of three hours is left out: a slot skipped by a longer jump is run as well.
    """
    fired = []
    clock = _highest_wall_before(minutes[0][0], zone)
    for moment, wall in minutes:
        if wall - clock == MINUTE or entry.is_interval:
            is_due = entry.matches(wall)
        else:
            skipped = int((wall - clock) / MINUTE)
            is_due = any(entry.matches(wall - MINUTE * back) for back in range(skipped))
        clock = max(clock, wall)
        if is_due:
            fired.append(moment)
    return fired


def _highest_wall_before(moment, zone):
    before = wall_minutes(zone, moment - timedelta(hours=5), moment - MINUTE)
    return max(wall for _, wall in before)


def changes_of_clock(zone: str, years: range) -> list[datetime]:
    """Return a moment within six hours after each change of a zone's offset."""
    zoneinfo = ZoneInfo(zone)
    first, end = (datetime(year, 1, 1, tzinfo=UTC) for year in (years.start, years.stop))
    moments = [first + timedelta(hours=hours) for hours in range(0, (end - first).days * 24, 6)]
    offsets = [moment.astimezone(zoneinfo).utcoffset() for moment in moments]
    return [moments[index] for index in range(1, len(moments)) if offsets[index] != offsets[index - 1]]
