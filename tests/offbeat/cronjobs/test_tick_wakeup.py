import json
import logging
from datetime import timedelta

import pytest
from django.db import connection

from offbeat.cronjobs import entries, output, row_lock, tick_wakeup
from offbeat.cronjobs.management.commands.tick import Command
from offbeat.cronjobs.models import CronJob, Slot, Tick
from offbeat.cronjobs.registration import register
from offbeat.deployment import spec
from tests.offbeat.cronjobs.conftest import BAD_QUERY, BUG, at

LINE = "python manage.py enqueue_prune_jobs"


@pytest.fixture
def platform(transactional_db, monkeypatch):
    """Let platform.yaml have cronjobs with these schedules, all known since eight o'clock."""

    def have(since="2026-11-23 08:00", **schedules):
        cronjobs = tuple(
            spec.CronJobSpec(name=name, schedule=schedule, command=LINE)
            for name, schedule in schedules.items()
        )
        monkeypatch.setattr(entries, "in_file", lambda: cronjobs)
        for cronjob in cronjobs:
            register(entries.load_entry(cronjob), at(since))

    return have


def tick_every(minutes, start, count):
    for number in range(count):
        tick_wakeup.tick(at(start) + timedelta(minutes=minutes * number))


def enqueued(name):
    return [
        f"{row.slot:%H:%M}" for row in Slot.objects.filter(cronjob=name, outcome="enqueued").order_by("slot")
    ]


def test_a_ten_minute_tick_loses_no_slot(platform):
    """Hourly and daily slots that fall between two ticks are claimed by the next one."""
    platform(hourly="7 * * * *", daily="31 9 * * *")

    tick_every(10, "2026-11-23 08:10:03", 24)

    assert enqueued("hourly") == ["08:07", "09:07", "10:07", "11:07"]
    assert enqueued("daily") == ["09:31"]


def test_a_finer_schedule_is_merged_with_a_warning(platform, caplog):
    """A per-minute cronjob runs once a tick; the slots in between say so, and so does the log."""
    platform(minutely="* * * * *")

    with caplog.at_level(logging.WARNING):
        tick_every(10, "2026-11-23 08:10", 2)

    assert enqueued("minutely") == ["08:10", "08:20"]
    assert Slot.objects.filter(outcome="skipped").count() == 18
    assert "minutely: 10 slots merged into one: its schedule is finer than the tick" in caplog.messages


def test_a_broken_cronjob_does_not_stop_the_others(platform, monkeypatch):
    """The tick goes on, names what it could not wake up, and exits with 78."""
    platform(hourly="0 * * * *")
    broken = spec.CronJobSpec(name="broken", schedule="0 * * * *", command="python manage.py check")
    cronjobs = (broken, *entries.in_file())
    monkeypatch.setattr(entries, "in_file", lambda: cronjobs)

    result = tick_wakeup.tick(at("2026-11-23 09:00:05"))

    assert enqueued("hourly") == ["09:00"]
    assert result.problems == {
        "broken": 'broken: the management command "check" is not an EnqueueCommand: it has no slots'
    }
    assert result.code == 78


@pytest.mark.parametrize("bug", [BUG, BAD_QUERY])
def test_a_bug_does_not_stop_the_others(platform, monkeypatch, bug):
    """Whether the command raises or asks PostgreSQL for nonsense, the tick goes on, and exits with 70."""
    platform(broken="0 * * * *", hourly="0 * * * *")
    loaded = entries.load_entry

    def with_a_bug(cronjob):
        entry = loaded(cronjob)
        entry.command.arguments = bug if cronjob.name == "broken" else entry.command.arguments
        return entry

    monkeypatch.setattr(entries, "load_entry", with_a_bug)

    result = tick_wakeup.tick(at("2026-11-23 09:00:05"))

    assert enqueued("hourly") == ["09:00"]
    assert (list(result.problems), result.code) == (["broken"], 70)


def test_a_cronjob_that_somebody_holds_is_left_for_the_next_tick(platform, monkeypatch):
    """A process that is stuck with one cronjob keeps no other from its slot; the platform sees 75."""
    monkeypatch.setattr(row_lock, "WAIT", "100ms")
    platform(held="0 * * * *", hourly="0 * * * *")
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("BEGIN; SELECT * FROM offbeat_cronjobs_cronjob WHERE name = 'held' FOR UPDATE")
        result = tick_wakeup.tick(at("2026-11-23 09:00:05"))
    other.close()

    assert (result.left, result.code) == (["held"], 75)
    assert enqueued("hourly") == ["09:00"]
    assert output.tick_line(result) == "tick: 2 of 2 cronjobs were due; 1 cronjob left for the next tick"


def test_only_what_is_due_is_touched(platform):
    """A tick with nothing to do locks no row."""
    platform(hourly="0 * * * *", daily="0 12 * * *")

    result = tick_wakeup.tick(at("2026-11-23 09:00:05"))

    assert [each.name for each in result.wake_ups] == ["hourly"]
    assert CronJob.objects.get(pk="daily").last_fire_at is None


def test_ticks_tell_their_interval(platform):
    """The usual gap between ticks is known, one missing tick does not change it, and long silence ends it."""
    platform()
    tick_every(10, "2026-11-23 08:10", 5)
    tick_wakeup.tick(at("2026-11-23 09:10"))

    assert tick_wakeup.interval(at("2026-11-23 09:15")) == timedelta(minutes=10)
    assert tick_wakeup.interval(at("2026-11-23 10:15")) is None
    tick_every(10, "2026-11-24 08:10", 20)
    assert Tick.objects.count() == 10


def test_ticks_that_come_twice_are_one(platform):
    """A platform that fires each tick twice does not make slots look overdue sooner."""
    platform()
    for number in range(5):
        for second in (0, 2):
            tick_wakeup.tick(at("2026-11-23 08:10") + timedelta(minutes=10 * number, seconds=second))

    assert tick_wakeup.interval(at("2026-11-23 08:55")) == timedelta(minutes=9, seconds=58)


def test_a_tick_that_takes_too_long_leaves_the_rest(platform, monkeypatch):
    """What is left is claimed by the next tick; the platform sees 75."""
    platform(hourly="0 * * * *")
    monkeypatch.setattr(tick_wakeup, "BUDGET", -1.0)

    result = tick_wakeup.tick(at("2026-11-23 09:00:05"))

    assert (result.left, result.code, enqueued("hourly")) == (["hourly"], 75, [])


def test_the_command_tells_each_cronjob(platform, capsys):
    """One line for each cronjob that was due, one for the tick; the same in JSON."""
    platform(since="2026-01-01 08:00", daily="0 12 * * *")

    Command().run_from_argv(["manage.py", "tick"])
    lines = capsys.readouterr().out.splitlines()
    Command().run_from_argv(["manage.py", "tick", "--json"])

    assert lines[0].startswith("daily: slot ")
    assert lines[-1] == "tick: 1 of 1 cronjob were due"
    assert json.loads(capsys.readouterr().out)["text"] == "tick: 0 of 1 cronjob were due"


def test_many_that_slept_for_400_days_are_awake_after_one_tick(platform):
    """Each has its newest slot, and none is left for want of time."""
    platform(**{f"sleeper{number}": "* * * * *" for number in range(4)})
    CronJob.objects.update(cursor=at("2025-10-19 08:00"))

    result = tick_wakeup.tick(at("2026-11-23 09:00:05"))
    again = tick_wakeup.tick(at("2026-11-23 09:00:15"))

    assert ({each.unlisted_since for each in result.wake_ups}, result.left) == ({at("2025-10-19 08:01")}, [])
    assert [enqueued(f"sleeper{number}") for number in range(4)] == [["09:00"]] * 4
    assert again.wake_ups == []
