"""A cronjob's command: which cronjob of platform.yaml it runs for, and what its own options do."""

import contextlib
import json
import os
from datetime import timedelta

from django.core.management import call_command, get_commands

from offbeat.cronjobs import entries
from offbeat.cronjobs.commands import EnqueueCommand
from offbeat.cronjobs.management.commands.enqueue_prune_jobs import Command
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.deployment import spec
from offbeat.jobs.models import Job
from tests.offbeat.cronjobs.command_line import ENTRY, NAME, run


def test_the_command_finds_its_cronjob(transactional_db, platform, capsys):
    """Run by its own command line it claims what is due of its entry, and says so in one line."""
    call_command(NAME, name="prune-jobs")
    CronJob.objects.update(cursor="2026-01-01T00:00Z")

    code = run()

    slot = Slot.objects.filter(outcome="enqueued").get()
    line = capsys.readouterr().out.splitlines()[-1]
    assert code == 0
    assert line.startswith(f"prune-jobs: slot {slot.slot:%Y-%m-%d %H:%MZ} enqueued as job {slot.job_id} (")


def test_json_for_programs(transactional_db, platform, capsys):
    """--json tells the same, field by field."""
    code = run("--json")

    told = json.loads(capsys.readouterr().out)
    assert (code, told["cronjob"], told["exit_code"], told["slots"]) == (0, "prune-jobs", 0, [])


def test_no_entry_is_a_configuration_error(transactional_db, platform, capsys):
    """A command that no cronjob of platform.yaml runs exits with 78, and says what to write."""
    platform()

    code = run()

    assert code == os.EX_CONFIG
    assert 'none has the command "python manage.py enqueue_prune_jobs"' in capsys.readouterr().err
    assert Slot.objects.count() == 0


def test_a_dashboards_cronjob_tells_its_schedule(transactional_db, platform, capsys):
    """--schedule makes a cronjob known that platform.yaml does not have, under a name made from the command's."""
    platform()

    code = run("--schedule", "* * * * *", "--timezone", "Europe/Berlin")

    row = CronJob.objects.get()
    assert code == 0
    assert (row.name, row.schedule, row.timezone, row.is_in_file) == (
        "prune-jobs",
        "* * * * *",
        "Europe/Berlin",
        False,
    )
    assert Job.objects.count() == 1


class ListCommand(Command):
    """Takes options of its own, as any command may."""

    __module__ = f"somewhere.{NAME}"

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("title", nargs="?", default="")
        parser.add_argument("--list", type=int, default=1)


LISTS = {**get_commands(), NAME: ListCommand()}


def test_a_dashboards_cronjob_keeps_its_own_options(transactional_db, platform, monkeypatch):
    """A worker that heals it, or a person who runs it now, enqueues what its own command line would."""
    platform()
    given = ["--schedule", "* * * * *", "--list", "3", "--json", "two words"]
    with contextlib.suppress(SystemExit):
        ListCommand().run_from_argv(["manage.py", NAME, *given])
    monkeypatch.setattr("django.core.management.get_commands", lambda: LISTS)

    row = CronJob.objects.get()
    entry = entries.load_row(row)

    assert row.command == f"{NAME} --list 3 'two words'"
    assert (entry.options["list"], entry.options["title"], entry.is_in_file) == (3, "two words", False)


def test_quotes_in_platform_yaml_are_kept(platform, monkeypatch):
    """An argument of two words is one argument, for the platform as for a worker that heals."""
    monkeypatch.setattr("django.core.management.get_commands", lambda: LISTS)
    quoted = spec.CronJobSpec(
        name="quoted", schedule="0 4 * * *", command=f"python manage.py {NAME} 'two words'"
    )

    assert entries.load_entry(quoted).options["title"] == "two words"


def test_two_schedules_for_one_name_are_refused(transactional_db, platform, capsys):
    """A cronjob of platform.yaml takes no schedule from its command line."""
    code = run("--schedule", "* * * * *")

    assert code == os.EX_CONFIG
    assert "prune-jobs is a cronjob of platform.yaml" in capsys.readouterr().err


def test_a_bad_schedule_is_a_configuration_error(transactional_db, platform, capsys):
    """The message says what a schedule should be."""
    code = run("--schedule", "every day", "--name", "daily")

    assert code == os.EX_CONFIG
    assert "--schedule: should have 5 fields, got 2" in capsys.readouterr().err


def test_a_name_that_is_none_is_a_configuration_error(transactional_db, platform, capsys):
    """A dashboard's cronjob is named as those of platform.yaml are."""
    code = run("--schedule", "* * * * *", "--name", "Every Minute")

    assert code == os.EX_CONFIG
    assert 'got "Every Minute"' in capsys.readouterr().err


def test_the_command_line_tells_two_cronjobs_apart(transactional_db, platform, capsys):
    """Of two entries with one command, its arguments decide; where they do not, --name is asked for."""
    long = spec.CronJobSpec(name="long", schedule="0 4 * * *", command=f"python manage.py {NAME} --name long")
    platform(ENTRY, long)

    code = run("--name", "long")
    named = CronJob.objects.get().name
    platform(ENTRY, spec.CronJobSpec(name="twin", schedule="0 5 * * *", command=ENTRY.command))

    assert (code, named) == (0, "long")
    assert run() == os.EX_CONFIG
    assert (
        'prune-jobs, twin all run "enqueue_prune_jobs". Hint: say which with --name'
        in capsys.readouterr().err
    )


def test_a_dry_run_says_would(transactional_db, platform, capsys):
    """--dry-run speaks in the conditional and writes nothing."""
    run()
    CronJob.objects.update(cursor="2026-01-01T00:00Z")

    code = run("--dry-run")

    assert code == 0
    assert "would be enqueued (" in capsys.readouterr().out
    assert Slot.objects.count() == 0


def test_a_dry_run_of_now_enqueues_nothing(transactional_db, platform, capsys):
    """--dry-run holds whatever else is asked for."""
    code = run("--now", "--dry-run")

    assert (code, capsys.readouterr().out) == (0, "prune-jobs: would be enqueued now\n")
    assert (Slot.objects.count(), Job.objects.count()) == (0, 0)


def test_a_commands_own_options_reach_its_arguments(monkeypatch):
    """A tick and a worker parse the entry's line as the command line would, defaults included."""

    def add_arguments(self, parser):
        EnqueueCommand.add_arguments(self, parser)
        parser.add_argument("--region", default="eu")

    monkeypatch.setattr(Command, "add_arguments", add_arguments)

    _, given = entries.load_command("report", f"{NAME} --region us")
    _, default = entries.load_command("report", NAME)

    assert (given["region"], default["region"]) == ("us", "eu")


def test_a_policy_with_its_old_name_is_logged(transactional_db, platform, monkeypatch, caplog):
    """The wake-up works, and its log says what to rename."""
    monkeypatch.setattr(Command, "grace", timedelta(minutes=7), raising=False)

    assert run() == 0

    assert (
        "prune-jobs: the policy grace is now called late_after. Rename it in enqueue_prune_jobs."
        in caplog.text
    )
