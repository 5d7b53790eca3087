"""The plain cron lines that exporters print for a schedule."""

import random
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from offbeat.deployment.schedule import Schedule
from offbeat.deployment.schedule_lines import local_cron_lines, utc_cron_lines
from tests.offbeat.deployment.cron_walk import changes_of_clock, random_entry

BOUNDS = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
TERM = r"(?:(?:\*|\d+-\d+)(?:/\d+)?|\d+)"
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Santiago",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
]


def utc_lines(expression, timezone):
    return utc_cron_lines(Schedule.parse(expression, timezone))


@pytest.mark.parametrize(
    ("expression", "timezone", "lines"),
    [
        ("0 9 * * 1", "UTC", ["0 9 * * 1"]),
        ("@hourly", "Europe/Berlin", ["0 * * * *"]),
        ("*/5 * * * *", "America/New_York", ["*/5 * * * *"]),
        ("0-59/5 * * * 0-6", "UTC", ["*/5 * * * *"]),
        ("*/10 * * * *", "Asia/Kathmandu", ["5-55/10 * * * *"]),
        ("0 9 * * MON-FRI", "Asia/Tokyo", ["0 0 * * 1-5"]),
    ],
)
def test_a_schedule_that_utc_can_say_is_one_line(expression, timezone, lines):
    """Where one offset or every hour is meant, one line says it exactly."""
    assert utc_lines(expression, timezone) == lines


@pytest.mark.parametrize(
    ("expression", "timezone", "lines"),
    [
        ("0 9 * * MON", "Europe/Berlin", ["0 7,8 * * 1"]),
        ("0 22-2 * * *", "America/New_York", ["0 2-7 * * *"]),
        ("0 9 * * *", "Australia/Lord_Howe", ["0,30 22 * * *"]),
        ("30 9 * * *", "Australia/Lord_Howe", ["30 22 * * *", "0 23 * * *"]),
    ],
)
def test_both_offsets_of_a_zone_are_covered(expression, timezone, lines):
    """A zone with summer time gets the hours of summer and of winter."""
    assert utc_lines(expression, timezone) == lines


@pytest.mark.parametrize(
    ("expression", "timezone", "lines"),
    [
        ("0 0-3 * * MON", "Europe/Berlin", ["0 22,23 * * 0", "0 0-2 * * 1"]),
        ("0 20 * * SAT", "America/New_York", ["0 0,1 * * 0"]),
        ("30 0 1 * *", "Europe/Berlin", ["30 22,23 28-31 * *"]),
        ("30 0 1 1 *", "Europe/Berlin", ["30 22,23 31 12 *"]),
        ("0 20 28 2 *", "America/New_York", ["0 0,1 1,29 2,3 *"]),
    ],
)
def test_days_move_with_the_hours(expression, timezone, lines):
    """A local time on the other side of midnight in UTC takes its days, weekdays and months along."""
    assert utc_lines(expression, timezone) == lines


@pytest.mark.parametrize(
    ("expression", "lines"),
    [
        ("0 0 13 * FRI", ["0 0 13 * *", "0 0 * * 5"]),
        ("0 0 */2 * FRI", ["0 0 * * 5"]),
        ("0 0 */10 * */2", ["0 0 */10 * *"]),
        ("0 0 1-31 * FRI", ["0 0 * * *"]),
        ("0 0 31 2 SAT,SUN", ["0 0 * 2 0,6"]),
    ],
)
def test_one_day_field_at_most_is_restricted(expression, lines):
    """Days that match either field take two lines; days that must match both take the rarer field alone."""
    assert utc_lines(expression, "UTC") == lines
    assert local_cron_lines(Schedule.parse(expression, "Europe/Berlin")) == lines


@pytest.mark.parametrize(
    ("timezone", "lines"),
    [
        ("Europe/Berlin", ["30 0,1 * * *", "0 1 25-31 3 *"]),
        ("America/New_York", ["30 6,7 * * *", "0 7 8-14 3 *"]),
    ],
)
def test_the_end_of_the_gap_has_a_line_of_its_own(timezone, lines):
    """A slot that the gap puts off comes at a minute that no offset gives, on a few days of the year."""
    assert utc_lines("30 2 * * *", timezone) == lines


def test_a_platform_that_knows_the_zone_gets_digits_all_the_same():
    """Names and wrapping ranges are gone from the lines in local time, and nothing is moved."""
    schedule = Schedule.parse("H 22-1 * * FRI-SUN", "Europe/Berlin", name="weekly-digest")

    assert local_cron_lines(schedule) == ["11 0,1,22,23 * * 0,5,6"]


@pytest.mark.parametrize("zone", ZONES)
def test_the_lines_cover_every_slot_and_are_portable(zone):
    """Whatever the schedule, each slot around the changes of the clock and elsewhere has its line."""
    chance = random.Random(zone)
    days = [FIRST + timedelta(days=chance.randrange(365 * 10), hours=chance.randrange(24)) for _ in range(10)]
    changes = changes_of_clock(zone, range(2026, 2037))

    covered = sum(check_random(chance, zone, middle) for middle in days + changes[:12] for _ in range(3))

    assert covered > 1000


def check_random(chance, zone, middle):
    hour = middle.astimezone(ZoneInfo(zone)).hour
    entry = random_entry(chance, tuple((hour + more) % 24 for more in range(-7, 3)))
    schedule = Schedule.parse(entry.text, zone)
    lines = utc_cron_lines(schedule)
    slots = list(schedule.slots(middle - timedelta(hours=40), middle + timedelta(hours=40)))

    assert all("*" in line.split()[2::2] for line in lines), lines
    fields = [list(map(meaning, line.split(" "), BOUNDS)) for line in lines]
    uncovered = [slot for slot in slots if not any(is_matched(line, slot) for line in fields)]
    assert uncovered == [], (schedule, lines)
    return len(slots)


def is_matched(fields, slot):
    found = (slot.minute, slot.hour, slot.day, slot.month, slot.isoweekday() % 7)
    return all(value in values for value, values in zip(found, fields, strict=True))


def meaning(text, bounds):
    """Read a field as the strictest platform would: digits within bounds, ranges that ascend."""
    low, high = bounds
    assert re.fullmatch(rf"{TERM}(,{TERM})*", text), text
    values = set()
    for term in text.split(","):
        base, _, step = term.partition("/")
        start, _, end = base.replace("*", f"{low}-{high}").partition("-")
        assert low <= int(start) <= int(end or start) <= high, text
        values |= set(range(int(start), int(end or start) + 1, int(step or 1)))
    return values
