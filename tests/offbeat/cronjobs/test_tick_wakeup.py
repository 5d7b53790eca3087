import json
import logging
import os
import signal
import threading
from contextlib import closing
from datetime import timedelta

import pytest
from django.core import management
from django.db import connection
from django.test.utils import CaptureQueriesContext

from offbeat.cronjobs import arguments_bound, entries, output, row_lock, slots, tick_wakeup
from offbeat.cronjobs.management.commands.tick import Command
from offbeat.cronjobs.models import CronJob, Slot, Tick
from offbeat.cronjobs.registration import register
from offbeat.deployment import spec
from offbeat.jobs.models import Job
from tests.offbeat.cronjobs.conftest import BAD_QUERY, BUG, BUGS, at
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.somebody import somebody

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


@pytest.mark.parametrize("line", ["enqueue_prune_jobs --help", "leaving"])
def test_a_command_that_leaves_does_not_stop_the_others(platform, monkeypatch, line):
    """Its line asks for help, or its module ends the process: the tick goes on, and exits with 78."""
    platform(hourly="0 * * * *")
    leaving = spec.CronJobSpec(name="leaving", schedule="0 * * * *", command=f"python manage.py {line}")
    cronjobs = (leaving, *entries.in_file())
    monkeypatch.setattr(entries, "in_file", lambda: cronjobs)
    known = management.get_commands() | {"leaving": "tests.offbeat.cronjobs.leaving_app"}
    monkeypatch.setattr(management, "get_commands", lambda: known)

    result = tick_wakeup.tick(at("2026-11-23 09:00:05"))

    assert enqueued("hourly") == ["09:00"]
    assert (list(result.problems), result.code) == (["leaving"], 78)


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_does_not_stop_the_others(platform, monkeypatch, bug):
    """Whatever arguments() of a command does, the tick goes on, and exits with 70."""
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


def test_those_that_somebody_holds_come_last(platform, monkeypatch):
    """Nobody waits for them while there are others: the time of a tick is bounded."""
    monkeypatch.setattr(slots, "WAITS", {Slot.Trigger.TICK.value: "100ms"})
    monkeypatch.setattr(tick_wakeup, "BATCH", 4)
    platform(**hourlies(12))
    done_before, alone = [], tick_wakeup.wake_up

    def wait_for_one(*arguments, **options):
        done_before.append(Slot.objects.count())
        return alone(*arguments, **options)

    monkeypatch.setattr(tick_wakeup, "wake_up", wait_for_one)

    with somebody("SELECT * FROM offbeat_cronjobs_cronjob WHERE name IN ('hourly1', 'hourly2') FOR UPDATE"):
        result = tick_wakeup.tick(at("2026-11-23 09:00:05"))

    assert (done_before, list(result.held)) == ([10, 10], ["hourly1", "hourly2"])


def test_a_tick_mends_what_a_clock_that_was_ahead_has_decided(platform):
    """PostgreSQL's clock was two hours ahead for one tick: no cronjob sleeps until it is there again."""
    platform(hourly="0 * * * *")
    tick_wakeup.tick(at("2026-11-23 10:30"))

    tick_wakeup.tick(at("2026-11-23 08:40"))
    tick_wakeup.tick(at("2026-11-23 09:00:05"))

    assert enqueued("hourly") == ["09:00", "10:00"]


def hourlies(count):
    return {f"hourly{number}": "0 * * * *" for number in range(count)}


def test_many_cost_no_more_statements_than_few(platform):
    """What each needs is asked and written together; each has its own job."""
    platform(**hourlies(3))
    with CaptureQueriesContext(connection) as few:
        tick_wakeup.tick(at("2026-11-23 09:00:05"))
    platform(**hourlies(30))

    with CaptureQueriesContext(connection) as many:
        result = tick_wakeup.tick(at("2026-11-23 10:00:05"))

    slots = Slot.objects.filter(slot=at("2026-11-23 10:00")).values_list("cronjob", "job")
    jobs = Job.objects.filter(key__endswith="T10:00Z").values_list("concurrency_key", "pk")
    assert len(many) == len(few)
    assert {f"cron:{name}": job for name, job in slots} == dict(jobs)
    assert {f"cron:{each.name}": job for each in result.wake_ups for job in each.jobs.values()} == dict(jobs)
    assert len(jobs) == 30


def test_new_ones_start_with_the_slot_that_the_tick_is_for(platform):
    """As many as there are, one tick makes them known."""
    platform(**hourlies(5))
    CronJob.objects.exclude(pk="hourly0").delete()

    result = tick_wakeup.tick(at("2026-11-23 09:00:05"))

    assert [each.name for each in result.wake_ups] == list(hourlies(5))
    assert [enqueued(name) for name in hourlies(5)] == [["09:00"]] * 5


def test_one_that_fails_or_is_held_undoes_none_of_many(platform, monkeypatch):
    """Of a dozen one raises, one asks PostgreSQL for nonsense, one has arguments that are not JSON, and one is held."""
    monkeypatch.setattr(slots, "WAITS", {})
    monkeypatch.setattr(row_lock, "WAIT", "100ms")
    platform(**hourlies(12))
    loaded = entries.load_entry
    bugs = {"hourly2": BUG, "hourly7": BAD_QUERY, "hourly8": lambda *_: {"object": object()}}

    def with_bugs(cronjob):
        entry = loaded(cronjob)
        entry.command.arguments = bugs.get(cronjob.name, entry.command.arguments)
        return entry

    monkeypatch.setattr(entries, "load_entry", with_bugs)

    with somebody("SELECT * FROM offbeat_cronjobs_cronjob WHERE name = 'hourly5' FOR UPDATE"):
        result = tick_wakeup.tick(at("2026-11-23 09:00:05"))

    well = {name for name in hourlies(12) if name not in {*bugs, "hourly5"}}
    assert (set(result.problems), list(result.held), result.code) == (set(bugs), ["hourly5"], 70)
    assert (
        {each.name for each in result.wake_ups} == set(Slot.objects.values_list("cronjob", flat=True)) == well
    )
    assert set(Job.objects.values_list("concurrency_key", flat=True)) == {f"cron:{name}" for name in well}


def test_slow_arguments_do_not_keep_what_is_decided_waiting(platform, monkeypatch):
    """A transaction ends when its time is over; the others have their own."""
    platform(**hourlies(4))
    monkeypatch.setattr(slots, "LONGEST", -1.0)
    commits = []
    monkeypatch.setattr(
        slots, "save_rows", lambda rows, save=slots.save_rows: commits.append(len(rows)) or save(rows)
    )

    result = tick_wakeup.tick(at("2026-11-23 09:00:05"))

    assert commits == [1] * 4
    assert [each.name for each in result.wake_ups] == list(hourlies(4))
    assert [enqueued(name) for name in hourlies(4)] == [["09:00"]] * 4


class Stuck:
    """Be a server that does not answer, and count who asks it."""

    def __init__(self):
        self.calls = 0

    def __call__(self, *_):
        self.calls += 1
        threading.Event().wait()


@pytest.mark.parametrize("count", [1, 12])
def test_arguments_that_hang_keep_no_other_from_its_slot(platform, monkeypatch, count):
    """They are interrupted, called once, and named; there is time for the others, whatever stands before them."""
    monkeypatch.setattr(arguments_bound, "SHARE", 0.0)
    platform(**hourlies(count))
    stuck, loaded = Stuck(), entries.load_entry

    def with_stuck(cronjob):
        entry = loaded(cronjob)
        entry.command.arguments = stuck if cronjob.name == "hourly0" else entry.command.arguments
        return entry

    monkeypatch.setattr(entries, "load_entry", with_stuck)

    result = tick_wakeup.tick(at("2026-11-23 09:00:05"))

    assert (list(result.problems), stuck.calls, result.code) == (["hourly0"], 1, 70)
    assert result.problems["hourly0"].startswith("ArgumentsHangError: arguments() did not return within ")
    assert {each.name for each in result.wake_ups} == set(hourlies(count)) - {"hourly0"}


def alarm_and_let_go(holder, mine, answers):
    """Send what ends arguments() while their session waits for a lock; let it have the lock when that was looked at."""
    with closing(connection.copy()) as other, other.cursor() as cursor:
        waiting = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
        wait_until(lambda: cursor.execute(waiting, [mine]) or cursor.fetchone()[0])
        os.kill(os.getpid(), signal.SIGALRM)
        wait_until(lambda: answers)
        cursor.execute("SELECT pg_terminate_backend(%s)", [holder])


@pytest.mark.django_db(transaction=True)
def test_arguments_that_wait_for_postgres_are_not_interrupted(monkeypatch):
    """In the middle of a statement its session would be of no use to the transaction, whose bounds end it."""
    answers, ask = [], arguments_bound.is_asking_postgres
    monkeypatch.setattr(arguments_bound, "is_asking_postgres", lambda: answers.append(ask()) or answers[-1])

    with closing(connection.copy()) as other, other.cursor() as holder, connection.cursor() as cursor:
        holder.execute("SELECT pg_advisory_lock(7), pg_backend_pid()")
        pids = holder.fetchone()[1], connection.connection.info.backend_pid
        alarm = threading.Thread(target=alarm_and_let_go, args=[*pids, answers])
        with arguments_bound.interrupted_after(60):
            alarm.start()
            cursor.execute("SELECT pg_advisory_xact_lock(7)")
        alarm.join()

    assert answers == [True]


def test_a_race_that_is_lost_doubles_nothing(platform, monkeypatch):
    """Another tick comes between the reading and the locking: there is nothing left to do, and that is no error."""
    platform(**hourlies(4))
    found = tick_wakeup.due

    def overtaken(cronjobs, clock):
        late = found(cronjobs, clock)
        monkeypatch.setattr(tick_wakeup, "due", found)
        tick_wakeup.tick(clock)
        return late

    monkeypatch.setattr(tick_wakeup, "due", overtaken)

    result = tick_wakeup.tick(at("2026-11-23 09:00:05"))

    assert ([len(each.decisions) for each in result.wake_ups], result.code) == ([0] * 4, 0)
    assert [enqueued(name) for name in hourlies(4)] == [["09:00"]] * 4
    assert Job.objects.count() == 4


def test_a_conflict_of_two_ticks_is_no_outage(platform, monkeypatch):
    """Where a project's transactions are repeatable reads, PostgreSQL ends one of them: that tick goes on with smaller batches."""
    platform(**hourlies(4))
    moment, lock = at("2026-11-23 09:00:05"), slots.lock_free

    def other_tick():
        try:
            tick_wakeup.tick(moment)
        finally:
            connection.close()

    def overtaken(names):
        monkeypatch.setattr(slots, "lock_free", lock)
        CronJob.objects.count()  # from here on the transaction sees nothing new
        other = threading.Thread(target=other_tick)
        other.start()
        other.join()
        return lock(names)

    monkeypatch.setattr(slots, "lock_free", overtaken)
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_isolation = 'repeatable read'")
        result = tick_wakeup.tick(moment)
        cursor.execute("RESET default_transaction_isolation")

    assert (result.problems, result.code) == ({}, 0)
    assert [enqueued(name) for name in hourlies(4)] == [["09:00"]] * 4


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
