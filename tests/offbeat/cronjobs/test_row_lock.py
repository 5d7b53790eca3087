"""A cronjob's row that somebody holds: nobody waits for long, nobody calls it something else, and all say who it is."""

import json
import os

import pytest

from offbeat.cronjobs import entries, output, receivers, row_lock, tick_wakeup
from offbeat.cronjobs.catchup import CatchUp
from offbeat.cronjobs.management.commands.cronjobs import Command as Cronjobs
from offbeat.cronjobs.management.commands.enqueue_prune_jobs import Command
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.cronjobs.row_lock import CronJobHeldError, find_holder
from offbeat.deployment import spec
from offbeat.jobs.models import Job
from tests.offbeat.cronjobs.conftest import at
from tests.offbeat.support.somebody import somebody

FOR_UPDATE = "SELECT * FROM offbeat_cronjobs_cronjob WHERE name = '{}' FOR UPDATE"


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(row_lock, "WAIT", "100ms")
    monkeypatch.setattr(row_lock, "LONG", -1.0)


@pytest.fixture
def shipped(transactional_db, monkeypatch):
    """A platform.yaml with two cronjobs, both known and due."""
    line = "python manage.py enqueue_prune_jobs"
    cronjobs = [
        spec.CronJobSpec(name=name, schedule="* * * * *", command=f"{line} --name {name}")
        for name in ("held", "free")
    ]
    monkeypatch.setattr(entries, "in_file", lambda: cronjobs)
    CatchUp().run(at("2026-01-01 00:00"))
    CronJob.objects.update(cursor="2026-01-01T00:00Z")


def test_a_wake_up_says_who_holds_its_cronjob(shipped, capsys):
    """75 and one line with the session: PostgreSQL is there, and nothing is lost."""
    with somebody(FOR_UPDATE.format("held")) as pid, pytest.raises(SystemExit) as leaving:
        Command().run_from_argv(["manage.py", "enqueue_prune_jobs", "--name", "held"])

    line = capsys.readouterr().err.strip().removeprefix("CommandError: ")
    assert leaving.value.code == os.EX_TEMPFAIL
    assert line.startswith(
        "enqueue_prune_jobs: nothing is recorded; the next wake-up or a worker claims the slot: "
        f"held is held by pid {pid} (psql, from "
    )
    assert line.endswith(f"; if it does not end: SELECT pg_terminate_backend({pid})")


@pytest.mark.parametrize(
    ("command", "arguments"),
    [(Command, ["enqueue_prune_jobs", "--name", "held", "--now"]), (Cronjobs, ["cronjobs", "pause", "held"])],
)
def test_a_person_is_told_that_nothing_was_done(shipped, capsys, command, arguments):
    """What a person asked for is not done later by itself."""
    with somebody(FOR_UPDATE.format("held")), pytest.raises(SystemExit) as leaving:
        command().run_from_argv(["manage.py", *arguments])

    assert leaving.value.code == os.EX_TEMPFAIL
    assert ": nothing was done; try again: held is held by pid " in capsys.readouterr().err


def test_a_tick_says_whom_it_has_left_a_cronjob_to(shipped, monkeypatch):
    """It waits less than a wake-up does: several cronjobs that are held must not use up the time of the others."""
    monkeypatch.setattr(row_lock, "WAIT", "1h")

    with somebody(FOR_UPDATE.format("held")) as pid:
        result = tick_wakeup.tick()

    assert (result.left, result.code) == (["held"], os.EX_TEMPFAIL)
    assert f"held is held by pid {pid} (psql, " in output.tick_text(result)
    assert list(json.loads(json.dumps(output.tick_as_json(result)))["held"]) == ["held"]
    assert set(Slot.objects.values_list("cronjob", flat=True)) == {"free"}


def test_a_worker_says_who_keeps_it_from_healing_once(shipped, caplog):
    """The others are healed; the log has one line for as long as the row is held."""
    worker = CatchUp()

    with somebody(FOR_UPDATE.format("held")) as pid:
        for _ in range(3):
            done = worker.run(at("2026-01-02 00:00"))
            CronJob.objects.filter(pk="free").update(cursor="2026-01-01T00:00Z")

    assert [each.name for each in done] == ["free"]
    assert caplog.text.count(f"held is held by pid {pid} (psql, ") == 1


def test_a_worker_that_starts_meanwhile_heals_the_others(transactional_db, shipped):
    """A new cronjob that somebody's transaction keeps from being made known is made known later."""
    CronJob.objects.filter(pk="held").delete()
    worker = CatchUp()

    with somebody("INSERT INTO offbeat_cronjobs_cronjob (name, command, schedule, cron, timezone, is_in_file, cursor) "
                  "VALUES ('held', '', '', '', '', true, now())"):  # fmt: skip
        done = [each.name for each in worker.run(at("2026-01-02 00:00"))]
        known = CronJob.objects.filter(pk="held").exists()
    worker.run(at("2026-01-02 00:01"))

    assert (done, known) == (["free"], False)
    assert CronJob.objects.filter(pk="held").exists()


def test_a_success_does_not_wait_for_long(make, monkeypatch, caplog):
    """A worker's child notes a cronjob's last success; it goes on to its next job although somebody holds the row."""
    monkeypatch.setattr(receivers, "PATIENCE", "100ms")
    plants = make("0 * * * *").known("2026-11-23 07:30")
    (job,) = plants.wake_up("2026-11-23 08:00:02").jobs.values()
    monkeypatch.setattr(receivers, "tasks_of_cronjobs", lambda: {Job.objects.get().task})

    with somebody(FOR_UPDATE.format("plants")) as pid:
        receivers.note_success(job)

    assert plants.row.last_success_at is None
    assert f"is held by pid {pid}" in caplog.text


@pytest.mark.parametrize(
    "statement",
    [
        FOR_UPDATE.format("plants"),
        "UPDATE offbeat_cronjobs_cronjob SET paused_by = ''",
        "LOCK TABLE offbeat_cronjobs_cronjob IN ACCESS EXCLUSIVE MODE",
        "SAVEPOINT one; " + FOR_UPDATE.format("plants"),
    ],
)
def test_the_right_session_is_named(make, statement):
    """Not one that holds another row, for longer, nor one that waits too."""
    make(name="others").known("2026-11-23 07:30")
    make().known("2026-11-23 07:30")

    with (
        somebody("SELECT 1" if "LOCK TABLE" in statement else FOR_UPDATE.format("others"), name="another"),
        somebody(statement.replace("SET paused_by = ''", "SET paused_by = '' WHERE name = 'plants'")) as pid,
    ):
        holder = find_holder("plants")

    assert (holder.pid, holder.application, holder.state) == (pid, "psql", "idle in transaction")


def test_a_row_that_is_free_again_has_no_holder(make):
    """Between the end of the wait and the question it may have been let go."""
    make().known("2026-11-23 07:30")

    assert find_holder("plants") is None
    assert str(CronJobHeldError("plants", None)) == "plants is held by a session that has released it since"
