import json
from datetime import timedelta

import pytest

from offbeat.cronjobs import controls, entries, retention, statuses
from offbeat.cronjobs.catchup import claim_overdue
from offbeat.cronjobs.management.commands.cronjobs import Command
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.deployment import spec
from offbeat.jobs import pauses
from offbeat.jobs.models import Job
from tests.offbeat.cronjobs.conftest import at


@pytest.fixture
def hourly(make, monkeypatch):
    """An hourly cronjob, known since half past seven, that platform.yaml has."""
    plants = make("0 * * * *").known("2026-11-23 07:30")
    monkeypatch.setattr(entries, "all_known", lambda: ({"plants": plants.entry}, {}))
    return plants


def conditions(moment):
    return {each.kind.name: each.text for each in statuses.report("plants", at(moment)).conditions}


def set_jobs(**values):
    Job.objects.update(**values)


def test_a_punctual_cronjob_is_well(hourly):
    """Between its slots, and within `late_after`, nothing is wrong."""
    hourly.wake_up("2026-11-23 08:00:02")
    set_jobs(state="succeeded")

    assert conditions("2026-11-23 08:30") == conditions("2026-11-23 09:04") == {}
    assert statuses.is_well(at("2026-11-23 08:30"))


def test_has_never_fired_is_loud(hourly):
    """A platform where nobody has set cron up is told apart from one that forgot once."""
    unclaimed = conditions("2026-11-23 08:06")
    claim_overdue([hourly.entry], at("2026-11-23 08:06"), at("2026-11-23 08:06"))
    set_jobs(state="succeeded")

    report = statuses.report("plants", at("2026-11-23 08:07"))

    told = "has never fired since it was registered (2026-11-23 07:30Z): is it set up on the platform?"
    assert unclaimed == {"not_fired": told}
    assert [each.text for each in report.conditions] == [told]
    assert report.has_never_fired
    assert not report.is_well


@pytest.mark.parametrize("state", ["published", "pending"])
def test_a_slot_that_a_pause_holds_is_not_late(hourly, state):
    """Not started, not published, without success: all as it should be. The slot says for what its job waits."""
    hourly.wake_up("2026-11-23 08:00:02")
    set_jobs(state="expired")
    hourly.wake_up("2026-11-23 09:00:02")
    job = Job.objects.order_by("id").last()
    Job.objects.filter(pk=job.pk).update(state=state, due_at=at("2026-11-23 09:00"), published_at=None)
    pauses.pause("task", job.task, "broken", "alice", is_known=True)

    report = statuses.report("plants", at("2026-11-23 09:50"))

    assert report.conditions == ()
    assert report.last.why == f"paused: task {job.task}"
    pauses.resume("task", job.task)
    assert conditions("2026-11-23 09:50") != {}


def test_not_fired(hourly):
    """A slot that the platform forgot is wrong until something from outside comes by, healed or not."""
    hourly.wake_up("2026-11-23 08:00:02")
    set_jobs(state="succeeded")
    unclaimed = conditions("2026-11-23 09:06")
    claim_overdue([hourly.entry], at("2026-11-23 09:06"), at("2026-11-23 09:06"))
    set_jobs(state="succeeded")
    healed = conditions("2026-11-23 09:07")
    hourly.wake_up("2026-11-23 09:20")

    start = "the platform did not trigger its slot 2026-11-23 09:00Z; "
    assert unclaimed == {"not_fired": start + "nothing has claimed it"}
    assert healed == {"not_fired": start + "a worker claimed it"}
    assert conditions("2026-11-23 09:21") == {}


def test_a_paused_cronjob_need_not_fire(hourly):
    """Nothing fires, and nothing is wrong."""
    controls.pause("plants", "alice", at("2026-11-23 07:45"))

    assert conditions("2026-11-23 12:30") == {}


def test_not_published(hourly):
    """A job that is not in Redis a minute after it was due."""
    hourly.wake_up("2026-11-23 08:00:02")
    set_jobs(state="pending", published_at=None, due_at=at("2026-11-23 08:00:02"))

    assert conditions("2026-11-23 08:00:50") == {}
    assert conditions("2026-11-23 08:02:02") == {
        "not_published": "slot 2026-11-23 08:00Z: its job is not in Redis after 2 min"
    }


def test_not_started(hourly):
    """A job in Redis that no worker takes within `late_after`."""
    hourly.wake_up("2026-11-23 08:00:02")
    set_jobs(state="published", due_at=at("2026-11-23 08:00:02"))

    assert conditions("2026-11-23 08:04") == {}
    assert conditions("2026-11-23 08:06:02") == {
        "not_started": "slot 2026-11-23 08:00Z: no worker has started its job for 6 min"
    }


def test_too_long(hourly):
    """A job that runs past its task's soft time limit, nine tenths of a minute."""
    hourly.wake_up("2026-11-23 08:00:02")
    set_jobs(state="running", attempt=1, started_at=at("2026-11-23 08:00:05"))

    assert conditions("2026-11-23 08:00:55") == {}
    assert conditions("2026-11-23 08:02:05") == {
        "too_long": "slot 2026-11-23 08:00Z: its job runs for 2 min, over 54 s"
    }


def test_no_success(hourly):
    """Three slots in a row that came to nothing: dead, expired or missed."""
    for hour, state in ((8, "succeeded"), (9, "dead"), (10, "expired"), (11, "cancelled")):
        hourly.wake_up(f"2026-11-23 {hour:02}:00:02")
        Job.objects.filter(key=f"cron:plants:2026-11-23T{hour:02}:00Z").update(state=state)
        told = conditions(f"2026-11-23 {hour:02}:04")
        assert ("no_success" in told) is (hour == 11)

    CronJob.objects.update(last_success_at=at("2026-11-23 08:01"))
    assert conditions("2026-11-23 11:05") == {
        "no_success": "3 slots in a row without success; the last success was 2026-11-23 08:01Z"
    }


def test_merged_slots_are_no_failures(hourly):
    """What catch_up merged into another slot says nothing about the task."""
    hourly.wake_up("2026-11-23 12:00:02")
    set_jobs(state="succeeded")

    assert conditions("2026-11-23 12:01") == {}


def test_a_report_has_what_a_page_shows(hourly):
    """Schedule in words, next slot, the newest slots with what became of their jobs."""
    hourly.wake_up("2026-11-23 08:00:02")
    hourly.wake_up("2026-11-23 10:19")
    controls.run_now(hourly.entry, "alice", at("2026-11-23 10:20"))

    report = statuses.report("plants", at("2026-11-23 10:30"))

    assert report.in_words == "Every hour (UTC)"
    assert report.next_slot == at("2026-11-23 11:00")
    assert [(f"{each.slot:%H:%M}", each.became) for each in report.slots] == [
        ("08:00", "published"),
        ("09:00", "skipped"),
        ("10:00", "published"),
    ]
    assert report.last.lateness == timedelta(minutes=19)
    assert report.slots[1].why == "merged into the slot 2026-11-23 10:00Z"


def test_a_pruned_job_leaves_its_slot(hourly):
    """Jobs go sooner than slots: the slot is shown by its own outcome then."""
    hourly.wake_up("2026-11-23 08:00:02")
    Job.objects.all().delete()

    assert statuses.report("plants", at("2026-11-23 08:30")).last.became == "enqueued"


def test_a_removed_cronjob_keeps_its_history(make, monkeypatch, capsys):
    """It is shown as removed, with its slots, and nothing is wrong with it; a new one with its command is named."""
    old = make("0 * * * *", name="plants").known("2026-11-23 07:30")
    old.wake_up("2026-11-23 08:00:02")
    new = make("0 * * * *", name="flowers").known("2026-11-23 09:30")
    monkeypatch.setattr(entries, "all_known", lambda: ({"flowers": new.entry}, {}))
    monkeypatch.setattr(entries, "in_file", tuple)

    report = statuses.report("plants", at("2026-11-25 08:30"))
    Command().run_from_argv(["manage.py", "cronjobs"])

    assert (report.is_removed, report.is_well, report.renamed_to, len(report.slots)) == (
        True,
        True,
        ("flowers",),
        1,
    )
    line = "plants: is no longer in platform.yaml; its history is kept (renamed to flowers?)"
    assert line in capsys.readouterr().out.splitlines()


def test_a_renamed_cronjob_is_told(make, monkeypatch, caplog):
    """The new name is a new cronjob without a backlog; the log says whose command it has."""
    make("0 * * * *", name="plants").known("2026-11-23 07:30")
    monkeypatch.setattr(entries, "in_file", tuple)

    flowers = make("0 * * * *", name="flowers").known("2026-11-23 09:30")

    assert "flowers is a new cronjob; its command was that of plants, which keeps the history" in caplog.text
    assert flowers.wake_up("2026-11-23 09:40").decisions == []


def test_slots_are_pruned(make):
    """Old slots go but for the newest thirty; what is decided stays decided."""
    plants = make("* * * * *", catch_up="all").known("2026-01-23 07:30")
    plants.wake_up("2026-01-23 08:10")

    deleted = retention.prune(90)

    assert (deleted, Slot.objects.count()) == (10, 30)
    assert plants.slots()[0] == "01-23 07:41"
    assert plants.wake_up("2026-01-23 08:10:10").decisions == []


PRUNE = spec.CronJobSpec(
    name="prune-jobs", schedule="0 3 * * *", command="python manage.py enqueue_prune_jobs"
)


@pytest.fixture
def run(transactional_db, monkeypatch, capsys):
    """Run manage.py cronjobs on a platform.yaml with one cronjob."""
    monkeypatch.setattr(entries, "in_file", lambda: (PRUNE,))

    def run_command(*arguments):
        code = 0
        try:
            Command().run_from_argv(["manage.py", "cronjobs", *arguments])
        except SystemExit as leaving:
            code = leaving.code
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run_command


def test_the_table(run, make):
    """A row for each cronjob; below it what is wrong, and what the ledger does not know yet."""
    before = run()[1]
    plants = make("0 0 * * *", name="prune-jobs")
    plants.known("2026-01-01 00:30")
    CronJob.objects.update(cron="0 3 * * *", schedule="0 3 * * *", cursor="2026-01-01T00:30Z")

    code, told = run()

    head, row, never, summary = told.splitlines()
    assert "prune-jobs: is new in platform.yaml; no worker and no wake-up has run since then" in before
    assert (code, head.split()[:2]) == (0, ["cronjob", "schedule"])
    assert row.startswith("prune-jobs  At 03:00")
    assert never.startswith(
        "prune-jobs: NOT FIRED: has never fired since it was registered (2026-01-01 00:30Z)"
    )
    assert summary == "1 cronjob, 1 with a condition."
    assert json.loads(run("--json")[1])[0]["has_never_fired"]


def test_pause_resume_and_run_by_command(run, make):
    """The same domain functions, from a terminal."""
    make("0 3 * * *", name="prune-jobs").known("2026-01-01 00:30")

    assert run("pause", "prune-jobs", "--by", "alice") == (0, "prune-jobs: paused\n")
    assert run("pause", "prune-jobs") == (0, "prune-jobs: was paused already\n")
    assert CronJob.objects.get().paused_by == "alice"
    assert "prune-jobs: paused by alice since " in run()[1]
    assert run("resume", "prune-jobs") == (0, "prune-jobs: goes on\n")
    assert run("run", "prune-jobs")[1].startswith("prune-jobs: enqueued now as job ")


def test_forgetting_a_dashboards_cronjob(run, make):
    """It counts as removed: no condition, no catching up, its history stays; one of platform.yaml is removed there."""
    make("0 3 * * *", name="prune-jobs").known("2026-01-01 00:30")
    make("0 * * * *", name="trial").known("2026-01-01 00:30")
    CronJob.objects.filter(pk="trial").update(is_in_file=False, command="enqueue_prune_jobs")

    assert run("forget", "trial") == (0, "trial: forgotten; its history is kept\n")
    assert "trial: is no longer in platform.yaml; its history is kept" in run()[1]
    assert (
        run("forget", "prune-jobs")[1]
        == "prune-jobs: is not a dashboard cronjob: remove it from platform.yaml\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["pause", "nobody"], 78, "the ledger has no cronjob nobody; it has: none"),
        (["run", "nobody"], 78, "there is no nobody; there are: prune-jobs"),
        (["pause"], 64, '"pause" takes the name of a cronjob'),
        (["show", "prune-jobs"], 64, '"show" takes no name'),
    ],
)
def test_what_the_command_refuses(run, arguments, code, told):
    """Names that there are not, and lines that say nothing."""
    exit_code, error = run(*arguments)

    assert exit_code == code
    assert told in error
