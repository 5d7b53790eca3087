import os
from contextlib import closing

import pytest
from django.core.management.base import CommandError
from django.db import connection

from offbeat.cronjobs import controls, entries, exit_codes, row_lock, slots
from offbeat.cronjobs.management.commands.enqueue_prune_jobs import Command
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.cronjobs.policies import TooManySlotsError
from offbeat.cronjobs.row_lock import CronJobHeldError
from offbeat.deployment import spec
from offbeat.jobs.models import Job
from tests.offbeat.cronjobs.conftest import at


def test_pause_and_resume(make):
    """Slots of the pause are skipped by name of who paused; afterwards it goes on with the next one."""
    plants = make("0 * * * *").known("2026-11-23 07:30")
    assert controls.pause("plants", "alice", at("2026-11-23 07:45"))
    plants.wake_up("2026-11-23 08:00:02")

    assert controls.resume("plants", at("2026-11-23 10:15"))
    plants.wake_up("2026-11-23 11:00:02")

    assert plants.slots("enqueued") == ["11-23 11:00"]
    assert plants.reasons() == {f"11-23 {hour}:00": "paused by alice" for hour in ("08", "09", "10")}
    assert [slot.trigger for slot in Slot.objects.order_by("slot")] == [
        "schedule",
        "resume",
        "resume",
        "schedule",
    ]


def test_pausing_twice_changes_nothing(make):
    """The first one to pause is the one that is named."""
    make().known("2026-11-23 07:30")
    controls.pause("plants", "alice")

    assert not controls.pause("plants", "bob")
    assert CronJob.objects.get().paused_by == "alice"
    assert controls.resume("plants")
    assert not controls.resume("plants")


def test_run_now(make):
    """One job at once, beside the schedule: paused or not, as often as one likes."""
    plants = make("0 * * * *").known("2026-11-23 07:30")
    controls.pause("plants")

    results = [controls.run_now(plants.entry, "alice", at("2026-11-23 07:40")) for _ in range(2)]

    slots = Slot.objects.order_by("pk")
    assert {(slot.trigger, slot.reason) for slot in slots} == {("manual", "run now by alice")}
    assert [slot.job_id for slot in slots] == [next(iter(each.jobs.values())) for each in results]
    assert set(Job.objects.values_list("when_busy", "not_after")) == {("wait", None)}
    assert plants.row.cursor == at("2026-11-23 07:30")


def test_a_backfill_is_a_plan_first(make):
    """Without being told to do it, it says which slots have no job, and writes nothing."""
    plants = make("0 * * * *").known("2026-11-23 07:30")
    plants.wake_up("2026-11-23 09:00:01")

    plan = controls.backfill(
        plants.entry, at("2026-11-23 05:00"), at("2026-11-23 09:00"), at("2026-11-23 12:00")
    )

    assert [f"{each.slot:%H:%M}" for each in plan.decisions] == ["05:00", "06:00", "07:00", "08:00"]
    assert plan.decided_before == [at("2026-11-23 09:00")]
    assert (Slot.objects.count(), Job.objects.count()) == (2, 1)


def test_a_backfill_takes_over_what_was_not_run(make):
    """Skipped, missed and never decided slots get jobs that wait for one another; what ran is left alone."""
    plants = make("0 * * * *").known("2026-11-23 07:30")
    plants.wake_up("2026-11-23 09:00:01")

    done = controls.backfill(
        plants.entry, at("2026-11-23 06:00"), at("2026-11-23 09:00"), at("2026-11-23 12:00"), is_dry=False
    )
    again = controls.backfill(
        plants.entry, at("2026-11-23 06:00"), at("2026-11-23 09:00"), at("2026-11-23 12:00"), is_dry=False
    )

    assert [f"{slot:%H:%M}" for slot in done.jobs] == ["06:00", "07:00", "08:00"]
    assert again.jobs == {}
    assert plants.slots("enqueued") == ["11-23 06:00", "11-23 07:00", "11-23 08:00", "11-23 09:00"]
    backfilled = Job.objects.filter(key__in=[f"cron:plants:2026-11-23T0{hour}:00Z" for hour in (6, 7, 8)])
    assert set(backfilled.values_list("when_busy", "not_after")) == {("wait", None)}
    assert plants.row.cursor == at("2026-11-23 09:00")


def test_a_backfill_never_reaches_into_the_future(make):
    """Slots to come are the schedule's."""
    plants = make("0 * * * *").known("2026-11-23 07:30")

    plan = controls.backfill(
        plants.entry, at("2026-11-23 11:00"), at("2026-11-24 11:00"), at("2026-11-23 12:00")
    )

    assert [each.slot for each in plan.decisions] == [at("2026-11-23 11:00"), at("2026-11-23 12:00")]


def test_a_backfill_is_bounded(make):
    """More than a hundred slots are refused, with the last one that would fit."""
    plants = make("* * * * *").known("2026-11-23 07:30")

    with pytest.raises(TooManySlotsError, match=r"more than 100 slots .* the hundredth is 2026-11-23 06:39Z"):
        controls.backfill(plants.entry, at("2026-11-23 05:00"), None, at("2026-11-23 12:00"))


@pytest.mark.parametrize(
    "decide",
    [
        lambda plants: controls.pause(plants.name),
        lambda plants: controls.resume(plants.name),
        lambda plants: controls.run_now(plants.entry),
        lambda plants: controls.backfill(plants.entry, at("2026-11-23 05:00"), at("2026-11-23 06:00")),
        lambda plants: controls.forget(plants.name),
    ],
)
def test_a_cronjob_that_somebody_holds_is_waited_for_a_bounded_time(make, monkeypatch, decide):
    """A page, a command or a worker never hangs behind a process that is stuck."""
    monkeypatch.setattr(row_lock, "WAIT", "100ms")
    plants = make("0 * * * *").known("2026-11-23 07:30")
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("BEGIN; SELECT * FROM offbeat_cronjobs_cronjob FOR UPDATE")

        with pytest.raises(
            CronJobHeldError,
            match=r"plants is held by pid .* idle in transaction since .*pg_terminate_backend",
        ):
            decide(plants)
    other.close()


def test_whoever_decides_is_cut_off_when_frozen(make, monkeypatch):
    """A machine that stops in the middle loses its hold on the cronjob; others go on, and it is no bug."""
    plants = make("0 * * * *").known("2026-11-23 07:30")
    monkeypatch.setattr(row_lock, "BOUNDS", row_lock.BOUNDS.replace("15s", "1s"))

    def meanwhile(*_, **__):
        with closing(connection.copy()) as other, other.cursor() as cursor:
            cursor.execute("UPDATE offbeat_cronjobs_cronjob SET paused_by = 'another'")

    monkeypatch.setattr(slots, "enqueue_jobs", meanwhile)

    with pytest.raises(CommandError) as caught, exit_codes.as_exit_codes("plants"):
        controls.run_now(plants.entry)
    connection.close()

    assert caught.value.returncode == os.EX_UNAVAILABLE
    assert "idle-in-transaction timeout" in str(caught.value)
    assert plants.row.paused_by == "another"
    assert Slot.objects.count() == 0


@pytest.fixture
def run(transactional_db, monkeypatch, capsys):
    """Run the command of a cronjob in Berlin; give exit code and output."""
    entry = spec.CronJobSpec(
        name="prune-jobs",
        schedule="0 3 * * *",
        timezone="Europe/Berlin",
        command="python manage.py enqueue_prune_jobs",
    )
    monkeypatch.setattr(entries, "in_file", lambda: (entry,))

    def run_command(*arguments):
        code = 0
        try:
            Command().run_from_argv(["manage.py", "enqueue_prune_jobs", *arguments])
        except SystemExit as leaving:
            code = leaving.code
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run_command


def test_now_on_the_command_line(run):
    """--now enqueues one job and says which."""
    code, told = run("--now")

    assert (code, told) == (0, f"prune-jobs: enqueued now as job {Job.objects.get().pk}\n")


def test_backfill_on_the_command_line(run):
    """The plan lists the slots and how to do it; --yes does it. Times are the cronjob's."""
    code, plan = run("--from", "2026-11-01", "--to", "2026-11-03")
    _, done = run("--from", "2026-11-01", "--to", "2026-11-03", "--yes")

    assert code == 0
    assert plan.splitlines() == [
        "  2026-11-01 02:00Z",
        "  2026-11-02 02:00Z",
        "prune-jobs: 2 slots would be enqueued, 2026-11-01 02:00Z to 2026-11-02 02:00Z",
        "Add --yes to do it.",
    ]
    assert done == "prune-jobs: 2 slots enqueued, 2026-11-01 02:00Z to 2026-11-02 02:00Z\n"
    assert Job.objects.count() == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--from", "yesterday"], '--from: should be a time like 2026-11-01T08:00Z, got "yesterday"'),
        (["--from", "2020-01-01"], "prune-jobs: more than 100 slots"),
    ],
)
def test_a_backfill_that_is_none_is_64(run, arguments, told):
    """A time that is none, or too long a time, is a matter of the command line."""
    code, error = run(*arguments)

    assert code == os.EX_USAGE
    assert told in error
