"""The slots of random schedules against an independent walk, minute by minute, in many zones."""

import random
from bisect import bisect_right
from datetime import UTC, datetime, timedelta

import pytest

from offbeat.deployment.schedule import Schedule
from tests.offbeat.deployment.cron_walk import changes_of_clock, random_entry, walk, wall_minutes

YEARS = range(2018, 2031)
AROUND = timedelta(hours=20)
ZONES = [
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/St_Johns",
    "America/Santiago",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Tehran",
    "Asia/Kathmandu",
    "Asia/Gaza",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Antarctica/Casey",
    "Antarctica/Troll",
]
ENTRIES_A_WINDOW = 3
# Samoa left out a whole day, Venezuela and North Korea moved by half an hour.
RARE_CHANGES = [
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("America/Caracas", datetime(2016, 5, 1, 7, tzinfo=UTC)),
    ("Asia/Pyongyang", datetime(2015, 8, 14, 15, tzinfo=UTC)),
]


def windows(chance, zone):
    """Return spans of real time around every change of the clock in the years, and some more at random."""
    changes = changes_of_clock(zone, YEARS)
    first = datetime(YEARS.start, 1, 1, tzinfo=UTC)
    minutes = 365 * 24 * 60 * len(YEARS)
    others = [first + timedelta(minutes=chance.randrange(minutes)) for _ in range(max(12, len(changes) // 4))]
    return [(middle - AROUND, middle + AROUND) for middle in [*changes, *others]]


def compare(chance, zone, window, count):
    """Compare the slots of ``count`` random entries in one window; return how many there were."""
    minutes = wall_minutes(zone, *window)
    middle = minutes[len(minutes) // 2][1].hour
    likely = tuple(hour % 24 for hour in range(middle - 3, middle + 4))
    return sum(compare_entry(chance, random_entry(chance, likely), zone, minutes) for _ in range(count))


def compare_entry(chance, entry, zone, minutes):
    schedule = Schedule.parse(entry.text, zone)
    fired = walk(entry, minutes, zone)
    start, end = minutes[0][0] - timedelta(minutes=1), minutes[-1][0]

    assert list(schedule.slots(start, end)) == fired, (entry.text, zone, start)
    for _ in range(4):
        moment = chance.choice(minutes[len(minutes) // 3 : -len(minutes) // 3])[0]
        moment += timedelta(seconds=chance.choice([0, 0, 1, 59.999999]))
        compare_at(schedule, moment, moment + timedelta(minutes=chance.choice([1, 10, 61, 300])), fired)
    return len(fired)


def compare_at(schedule, moment, until, fired):
    """Compare a short span and its neighbours, wherever in a repeated hour it may begin."""
    where = (schedule.expression, schedule.timezone, moment)
    passed = bisect_right(fired, moment)
    assert list(schedule.slots(moment, until)) == fired[passed : bisect_right(fired, until)], where
    assert fired[passed:] == [] or schedule.next(moment) == fired[passed], where
    assert fired[:passed] == [] or schedule.previous(moment) == fired[passed - 1], where


@pytest.mark.parametrize("zone", ZONES)
def test_slots_are_those_of_a_walk_over_real_minutes(zone):
    """Whatever the schedule and wherever the window begins, the slots are those that Debian's rule names."""
    chance = random.Random(zone)

    compared = sum(compare(chance, zone, window, ENTRIES_A_WINDOW) for window in windows(chance, zone))

    assert compared > 1000


@pytest.mark.parametrize(("zone", "change"), RARE_CHANGES)
def test_slots_outlast_rare_changes_of_the_clock(zone, change):
    """A skipped day and shifts of half an hour lose no slot and double none."""
    chance = random.Random(zone)

    compared = compare(chance, zone, (change - AROUND * 2, change + AROUND * 2), 40)

    assert compared > 1000


def test_a_rare_schedule_agrees_over_ten_years():
    """A schedule of few days, asked slot by slot, gives what every day of ten years gives."""
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    schedule = Schedule.parse("30 2 29 2,3 SUN", "Europe/Berlin")
    first = datetime(2020, 1, 1, 2, 30, tzinfo=schedule.zone)
    walls = [first.replace(tzinfo=None) + timedelta(days=day) for day in range(3653)]
    days = [wall for wall in walls if wall.month in (2, 3) and (wall.day == 29 or wall.isoweekday() == 7)]

    found = list(schedule.slots(start, end))

    assert [slot.astimezone(schedule.zone).date() for slot in found] == [day.date() for day in days]
    assert [schedule.next(slot) for slot in found[:-1]] == found[1:]
    assert [schedule.previous(slot - timedelta(seconds=1)) for slot in found[1:]] == found[:-1]
