"""What a schedule means, by example; test_schedule_walk.py has the proof by numbers."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from time import process_time

import pytest

from offbeat.deployment.schedule import Schedule


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slots(expression, timezone, after, until):
    found = Schedule.parse(expression, timezone).slots(at(after), at(until))
    return [f"{slot:%d %H:%M}" for slot in found]


def test_a_slot_is_after_the_start_and_up_to_the_end():
    """The window leaves out its start and takes in its end, so that windows side by side share no slot."""
    found = slots("0 * * * *", "UTC", "2026-05-05 08:00", "2026-05-05 10:00")

    assert found == ["05 09:00", "05 10:00"]


def test_seconds_within_a_minute_do_not_hide_its_slot():
    """A window of fractions of a second around a slot finds it."""
    schedule = Schedule.parse("0 9 * * *")

    found = list(schedule.slots(at("2026-05-05 08:59:59.999999"), at("2026-05-05 09:00:00.000001")))

    assert found == [at("2026-05-05 09:00")]


def test_slots_are_in_utc():
    """A slot carries UTC whatever the schedule's zone and the zone of the question."""
    schedule = Schedule.parse("0 9 * * 1", "Europe/Berlin")

    slot = schedule.next(datetime(2026, 11, 20, tzinfo=schedule.zone))

    assert slot == at("2026-11-23 08:00")
    assert slot.tzinfo is UTC


def test_a_moment_without_a_zone_is_refused():
    """A naive datetime is a mistake of the caller's, not a guess of ours."""
    with pytest.raises(ValueError, match="a time needs a time zone"):
        Schedule.parse("@daily").next(datetime(2026, 1, 1))  # noqa: DTZ001 -- the mistake in question


@pytest.mark.parametrize(
    ("expression", "timezone", "after", "until", "expected"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-03-28", "2026-03-31", ["28 01:30", "29 01:00", "30 00:30"]),
        ("30 2 * * *", "America/New_York", "2026-03-07", "2026-03-10", ["07 07:30", "08 07:00", "09 06:30"]),
        (
            "0 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-02",
            "2026-10-05",
            ["02 15:30", "03 15:30", "04 15:00"],
        ),
        ("0 0 * * *", "America/Santiago", "2026-09-05", "2026-09-08", ["05 04:00", "06 04:00", "07 03:00"]),
    ],
)
def test_a_fixed_time_in_the_gap_comes_just_after_it(expression, timezone, after, until, expected):
    """A time that does not exist on the day that the clock is put forward comes at the first that does."""
    found = slots(expression, timezone, after, until)

    assert found == expected


def test_fixed_times_in_one_gap_are_one_slot():
    """02:00, 02:20 and 02:40 all fall to 03:00 in spring, where 03:00 itself is due as well."""
    found = slots("0-59/20 2-3 * * *", "Europe/Berlin", "2026-03-29", "2026-03-29 01:30")

    assert found == ["29 01:00", "29 01:20"]


def test_a_fixed_time_in_the_repeated_hour_comes_once():
    """02:30 comes twice on the day that the clock is put back; the job is due the first time."""
    found = slots("30 2 * * *", "Europe/Berlin", "2026-10-24 00:00", "2026-10-26 12:00")

    assert found == ["24 00:30", "25 00:30", "26 01:30"]


def test_an_interval_goes_on_in_the_repeated_hour():
    """An entry for every hour comes every real hour, both times at 02:00."""
    found = slots("0 * * * *", "Europe/Berlin", "2026-10-24 23:00", "2026-10-25 03:00")

    assert found == ["25 00:00", "25 01:00", "25 02:00", "25 03:00"]


def test_a_question_from_the_repeated_hour_finds_what_its_second_round_brings():
    """At the first 02:30 the next slot of ``15 * * * *`` shows an earlier wall time: the second 02:15."""
    schedule = Schedule.parse("15 * * * *", "Europe/Berlin")

    slot = schedule.next(at("2026-10-25 00:30"))

    assert slot == at("2026-10-25 01:15")


def test_an_interval_does_not_fire_extra_after_the_gap():
    """An entry for every second hour has no 02:00 in spring and no 03:00 in its place."""
    found = slots("0 */2 * * *", "America/New_York", "2026-03-08 04:30", "2026-03-08 10:30")

    assert found == ["08 05:00", "08 08:00", "08 10:00"]


def test_an_interval_survives_a_shift_of_half_an_hour():
    """Lord Howe's clock goes back from 02:00 to 01:30: 02:00 comes two and a half hours after midnight."""
    found = slots("0 */2 * * *", "Australia/Lord_Howe", "2026-04-04 12:00", "2026-04-04 18:00")

    assert found == ["04 13:00", "04 15:30", "04 17:30"]


def test_a_day_that_a_zone_skipped_leaves_one_slot():
    """Samoa had no 30 December 2011: its daily slot falls to the first minute of the 31st."""
    found = slots("0 9 * * *", "Pacific/Apia", "2011-12-29 12:00", "2011-12-31 00:00")

    assert found == ["29 19:00", "30 10:00", "30 19:00"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 13 * FRI", ["02 00:00", "09 00:00", "13 00:00", "16 00:00", "23 00:00", "30 00:00"]),
        ("0 0 */2 * FRI", ["09 00:00", "23 00:00"]),
        ("0 0 */1 * FRI", ["02 00:00", "09 00:00", "16 00:00", "23 00:00", "30 00:00"]),
        ("0 0 13,14 * *", ["13 00:00", "14 00:00"]),
    ],
)
def test_two_day_fields_match_either_unless_one_begins_with_a_star(expression, expected):
    """Debian's rule: ``13`` and ``FRI`` add up; ``*/2`` and ``FRI`` must both hold."""
    found = slots(expression, "UTC", "2026-10-01 12:00", "2026-10-31 12:00")

    assert found == expected


@pytest.mark.parametrize(
    ("expression", "is_interval"),
    [
        ("*/5 2 * * *", True),
        ("0 * * * *", True),
        ("0 */6 * * *", True),
        ("@hourly", True),
        ("0 9 * * *", False),
        ("0-59/5 2 * * *", False),
        ("5,*/20 2 * * *", False),
    ],
)
def test_a_star_first_in_minute_or_hour_makes_an_interval(expression, is_interval):
    """What decides is the first sign of the minute and the hour, as in Debian's cron."""
    schedule = Schedule.parse(expression)

    assert schedule.is_interval is is_interval


def test_the_latest_slot_may_be_the_moment_itself():
    """``previous`` answers with the moment it is asked about, if that is a slot."""
    schedule = Schedule.parse("0 9 * * *")

    assert schedule.previous(at("2026-05-05 09:00:00")) == at("2026-05-05 09:00")
    assert schedule.previous(at("2026-05-05 08:59:59.999")) == at("2026-05-04 09:00")


def test_in_the_repeated_hour_the_latest_slot_may_show_a_later_wall_time():
    """At the second 02:10 the slot of 02:50 has been: the first time round."""
    schedule = Schedule.parse("50 2 * * *", "Europe/Berlin")

    latest = schedule.previous(at("2026-10-25 01:10"))

    assert latest == at("2026-10-25 00:50")


def test_a_leap_day_is_found_years_ahead_and_back():
    """29 February comes every four years, and not in 2100."""
    schedule = Schedule.parse("0 0 29 2 *")

    assert schedule.next(at("2096-03-01 00:00")) == at("2104-02-29 00:00")
    assert schedule.previous(at("2104-01-01 00:00")) == at("2096-02-29 00:00")


@pytest.mark.parametrize("expression", ["* * * * *", "0 9 * * 1", "0 0 1 1 *", "0 0 29 2 *", "* * 31 12 *"])
@pytest.mark.parametrize("now", ["2026-05-05 01:02", "2026-10-24 22:10", "2026-10-25 00:30"])
def test_a_question_costs_less_than_five_milliseconds(expression, now):
    """Neither the rarest schedule nor the busiest walks minute by minute, on the day of a change either."""
    schedule = Schedule.parse(expression, "Europe/Berlin")
    moment = at(now)

    def ask():
        start = process_time()
        list(schedule.slots(moment - timedelta(minutes=1), moment))
        schedule.next(moment)
        schedule.previous(moment)
        return process_time() - start

    assert min(ask() for _ in range(5)) < 0.005 * 3


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 9 * * 1", "At 09:00, only on Monday (Europe/Berlin)"),
        ("@hourly", "Every hour (Europe/Berlin)"),
        ("*/5 * * * *", "Every 5 minutes (Europe/Berlin)"),
        ("30 18 1 * *", "At 18:30, on day 1 of the month (Europe/Berlin)"),
        ("0 0 13 * FRI", "At 00:00, on day 13 of the month, or on Friday (Europe/Berlin)"),
        ("0 0 */2 * FRI", "At 00:00, every 2 days, and only on Friday (Europe/Berlin)"),
        (
            "0 22-1 * * FRI-SUN",
            "At 00:00, 01:00, 22:00 and 23:00, only on Sunday, Friday, and Saturday (Europe/Berlin)",
        ),
    ],
)
def test_a_schedule_in_words(expression, words):
    """The words use the 24-hour clock, name the zone, and say whether both day fields must hold."""
    schedule = Schedule.parse(expression, "Europe/Berlin")

    assert schedule.in_words() == words


def test_a_wake_up_does_not_load_what_it_does_not_need():
    """Importing the arithmetic loads neither Django nor the words nor the lines of the exporters."""
    unwanted = ["django", "cron_descriptor", "difflib", "offbeat.deployment.schedule_lines"]
    script = f"import sys, offbeat.deployment.schedule; print([name for name in {unwanted} if name in sys.modules])"

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert result.stdout == "[]\n"
