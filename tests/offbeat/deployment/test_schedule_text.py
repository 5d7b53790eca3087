"""What may be written for a schedule, and what is said of everything else."""

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offbeat.deployment.schedule import Schedule, ScheduleError


def refusal(expression, timezone="UTC", name=""):
    with pytest.raises(ScheduleError) as refused:
        Schedule.parse(expression, timezone, name)
    return str(refused.value)


@pytest.mark.parametrize(
    ("expression", "cron"),
    [
        ("0 9 * * 1", "0 9 * * 1"),
        ("  0\t9  * * 1 ", "0 9 * * 1"),
        ("0 9 * jan,Jul MON-fri", "0 9 * 1,7 1-5"),
        ("0 0 * * FRI-SUN", "0 0 * * 0,5,6"),
        ("0 0 * * SAT-TUE", "0 0 * * 0,1,2,6"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * 7-2", "0 0 * * 0-2"),
        ("0 0 * * 1-7/3", "0 0 * * 0,1,4"),
        ("0 0 * * 0-7", "0 0 * * 0-6"),
        ("0 22-2 * * *", "0 0,1,2,22,23 * * *"),
        ("0 22-2/2 * * *", "0 0,2,22 * * *"),
        ("50-10/10 * * * *", "0,10,50 * * * *"),
        ("0 0 1 NOV-FEB *", "0 0 1 1,2,11,12 *"),
        ("0 0 28-3 * *", "0 0 1,2,3,28,29,30,31 * *"),
        ("5/15 * * * *", "5-50/15 * * * *"),
        ("10,05,7 * * * *", "5,7,10 * * * *"),
        ("*/1 */02 * * *", "* */2 * * *"),
        ("*/20,5 * * * *", "*/20,5 * * * *"),
        ("5,*/20 * * * *", "0,5,20,40 * * * *"),
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@Annually", "0 0 1 1 *"),
    ],
)
def test_friendly_text_becomes_five_numeric_fields(expression, cron):
    """Names, wrapping ranges, lists, steps and macros come out as digits; the text stays as written."""
    schedule = Schedule.parse(expression)

    assert schedule.cron == cron
    assert schedule.expression == expression


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "should have 5 fields, got 0"),
        ("0 9 * *", "should have 5 fields, got 4"),
        ("0 0 9 * * 1 2026", "should have 5 fields, got 7"),
        ("61 * * * *", 'minute: should be 0-59, got "61"'),
        ("0 24 * * *", 'hour: should be 0-23, got "24"'),
        ("0 0 0 * *", 'day of month: should be 1-31, got "0"'),
        ("0 0 1 13 *", 'month: should be 1-12 or JAN-DEC, got "13"'),
        ("0 0 * * 8", 'day of week: should be 0-7 or SUN-SAT, got "8"'),
        ("0 9 MON * *", 'day of month: should be 1-31, got "MON"'),
        ("0 9 * * Monday", 'day of week: should be 0-7 or SUN-SAT, got "Monday"; write "MON"'),
        ("1,,2 * * * *", 'minute: should be 0-59, got ""'),
        ("-5 * * * *", 'minute: should be 0-59, got "-5"'),
        ("1-2-3 * * * *", 'minute: should be 0-59, got "1-2-3"'),
        ("*5 * * * *", 'minute: should be 0-59, got "*5"'),
        ("٣ * * * *", 'minute: should be 0-59, got "٣"'),
        ("*/0 * * * *", 'minute: the step should be 1-59, got "*/0"'),
        ("*/x * * * *", 'minute: the step should be 1-59, got "*/x"'),
        ("1/2/3 * * * *", 'minute: the step should be 1-59, got "1/2/3"'),
        ("0 0 30 2 *", 'day of month: "30" does not exist in month "2"'),
        ("0 0 31 feb,APR *", 'day of month: "31" does not exist in month "feb,APR"'),
        ("H 3 * * *", 'minute: "H" needs the name of the cronjob, and there is none'),
        ("@reboot", "@reboot is not a time. Put the command into a service or into release"),
    ],
)
def test_a_refusal_says_where_and_what_was_found(expression, message):
    """A mistake is answered with its field, what may stand there, what does, and the whole text."""
    assert refusal(expression) == f'{message} ("{expression}")'


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("0 0 9 * * 1", 'seconds and years are not supported: if the first is seconds, write "0 9 * * 1"'),
        ("*/90 * * * *", "steps start again in every cycle of the field"),
        ("0 0 ? * MON", 'write "*"'),
        ("0 0 L * *", '"L" (last) is not supported: write "28-31" and let the command return on the others'),
        (
            "0 0 L-3 * *",
            '"L" (last) is not supported: write "28-31" and let the command return on the others',
        ),
        ("0 0 LW * *", '"L" (last) is not supported: write "28-31" and let the command return on the others'),
        ("0 0 * * L", '"L" (last) is not supported: write "SAT"'),
        (
            "0 0 * * FRIL",
            '"L" (last) is not supported: write "FRI" and let the command return unless it is last',
        ),
        (
            "0 0 15W * *",
            '"W" (nearest weekday) is not supported: write "14-16" for 15 and return on the others',
        ),
        (
            "0 0 * * MON#2",
            '"#" (n-th weekday) is not supported: write "MON" and let the command return in the other weeks',
        ),
    ],
)
def test_what_other_crons_know_is_refused_with_what_to_write_instead(expression, hint):
    """Seconds and the signs L, W, # and ? are refused with the text that comes nearest."""
    assert refusal(expression).endswith(f'; {hint} ("{expression}")')


def test_an_unknown_macro_is_refused_with_the_known_ones():
    """A misspelt macro is answered with the list of macros."""
    expected = (
        "should be five fields or one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, "
        'got "@fortnightly" ("@fortnightly")'
    )

    assert refusal("@fortnightly") == expected


@pytest.mark.parametrize(
    ("timezone", "message"),
    [
        ("Europe/Berln", 'timezone: "Europe/Berln" is not known; did you mean "Europe/Berlin"?'),
        ("europe/berlin", 'timezone: "europe/berlin" is not known; did you mean "Europe/Berlin"?'),
        ("New York", 'timezone: "New York" is not known; did you mean "America/New_York"?'),
        ("Mars/Phobos", 'timezone: "Mars/Phobos" is not known; write a name such as "Europe/Berlin"'),
        ("../etc/passwd", 'timezone: "../etc/passwd" is not known; write a name such as "Europe/Berlin"'),
        ("", 'timezone: "" is not known; write a name such as "Europe/Berlin"'),
    ],
)
def test_an_unknown_zone_is_answered_with_the_nearest_known(timezone, message):
    """A misspelt zone, a city or a path is refused with a name that would be right."""
    assert refusal("@daily", timezone) == message


def test_h_draws_one_value_for_each_name():
    """The same name gives the same minute for ever; a hundred names spread over most of the hour."""
    digest = Schedule.parse("H 3 * * *", name="weekly-digest")

    minutes = {Schedule.parse("H 3 * * *", name=f"job-{number}").cron for number in range(100)}

    assert digest.cron == "11 3 * * *"
    assert len(minutes) > 35


@pytest.mark.parametrize(
    ("expression", "cron"),
    [
        ("H/15 * * * *", "11-56/15 * * * *"),
        ("H(0-29) * * * *", "11 * * * *"),
        ("H(0-29)/10 h H H H", "1-21/10 8 10 3 3"),
        ("H,30 * * * *", "11,30 * * * *"),
        ("0 H(22-2) * * *", "0 0 * * *"),
        ("0 3 * * H(MON-FRI)", "0 3 * * 2"),
    ],
)
def test_h_draws_within_steps_and_bounds(expression, cron):
    """``H/15`` draws its start and keeps its distance; ``H(0-29)`` draws within bounds; fields draw apart."""
    assert Schedule.parse(expression, name="weekly-digest").cron == cron


@pytest.mark.parametrize(
    ("expression", "field", "drawn"),
    [
        ("0 H(22-2) * * *", 1, {22, 23, 0, 1, 2}),
        ("0 3 H * *", 2, set(range(1, 29))),
        ("0 3 * * H(MON-FRI)", 4, {1, 2, 3, 4, 5}),
        ("0 3 * * H", 4, {0, 1, 2, 3, 4, 5, 6}),
    ],
)
def test_h_draws_every_value_within_its_bounds_and_no_other(expression, field, drawn):
    """Over many names each allowed value comes, and none that some months lack."""
    crons = [Schedule.parse(expression, name=f"job-{number}").cron for number in range(300)]

    assert {int(cron.split()[field]) for cron in crons} == drawn


def test_h_is_the_same_in_every_process():
    """The draw does not hang on Python's hash seed."""
    script = (
        "from offbeat.deployment.schedule import Schedule; print(Schedule.parse('H H * * *', name='x').cron)"
    )

    printed = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert printed == {Schedule.parse("H H * * *", name="x").cron + "\n"}


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["*", "*/2", "H", "H/7", "1-5", "5-1", "MON", "L", "?", "@daily", "H(1-3)/2", "", "\0"]
            ),
            st.text("0123456789*/,-LW#?H()@ MONjan", max_size=8),
        ),
        max_size=7,
    )
)
@settings(max_examples=400, deadline=None, derandomize=True, database=None)
def test_any_text_is_read_or_refused(parts):
    """Whatever is written, the answer is a schedule that reads back as itself, or a ScheduleError."""
    try:
        schedule = Schedule.parse(" ".join(parts), "Europe/Berlin", "some-name")
    except ScheduleError:
        return

    assert Schedule.parse(schedule.cron).cron == schedule.cron
