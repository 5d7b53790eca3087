"""What a cronjob's command exits with: who is at fault, and whether to ask again."""

import os

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connection

from offbeat.cronjobs import registration, slots
from offbeat.cronjobs.commands import EnqueueCommand
from offbeat.cronjobs.management.commands.enqueue_prune_jobs import Command
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.jobs.models import Job
from tests.offbeat.cronjobs.command_line import NAME, run


def raising(error):
    def call(*_):
        raise error

    return call


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--bogus"], "unrecognized arguments: --bogus"),
        (["--to", "2026-11-01"], "--to needs --from"),
        (["--timezone", "Europe/Berlin"], "--timezone needs --schedule"),
        (["--now", "--from", "2026-11-01"], "--now and --from exclude each other"),
        (["--from", ""], '--from: should be a time like 2026-11-01T08:00Z, got ""'),
    ],
)
def test_usage_errors_are_64(platform, arguments, told, capsys, transactional_db):
    """A command line that says nothing exits with 64, whoever notices."""
    code = run(*arguments)

    assert code == os.EX_USAGE
    assert told in capsys.readouterr().err


def test_a_bad_policy_is_a_configuration_error(transactional_db, platform, monkeypatch, capsys):
    """The message names the policy and what it may be."""
    monkeypatch.setattr(Command, "catch_up", "newest")

    code = run()

    assert code == os.EX_CONFIG
    assert "catch_up should be one of latest, skip, all, got 'newest'" in capsys.readouterr().err


def test_a_bug_is_70(transactional_db, platform, monkeypatch, capsys):
    """What nobody thought of has an exit code of its own, and is logged with its traceback."""
    monkeypatch.setattr(EnqueueCommand, "arguments", lambda *_: 1 / 0)
    run()
    CronJob.objects.update(cursor="2026-01-01T00:00Z")

    code = run()

    assert code == os.EX_SOFTWARE
    assert "ZeroDivisionError: division by zero" in capsys.readouterr().err
    assert Slot.objects.count() == 0


def rename(table, name):
    with connection.cursor() as cursor:  # a new one each time: a command that ends closes its connections
        cursor.execute(f"ALTER TABLE {table} RENAME TO {name}")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "python manage.py release; a worker claims the slot afterwards\n"),
        (["--now"], "python manage.py release\n"),
    ],
)
def test_an_unmigrated_database_is_69(transactional_db, platform, capsys, arguments, told):
    """A wake-up of the new image that comes before its release says what to run. Nobody repeats what a person asked for."""
    rename("offbeat_cronjobs_cronjob", "elsewhere")
    try:
        code = run(*arguments)
    finally:
        rename("elsewhere", "offbeat_cronjobs_cronjob")

    assert code == os.EX_UNAVAILABLE
    assert f"the database is not migrated: run {told}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "PostgreSQL is down; the next wake-up or a worker claims the slot (gone)"),
        (["--now"], "PostgreSQL is down; check whether it was done before you repeat it (gone)"),
    ],
)
def test_postgres_that_goes_before_the_commit_is_69(platform, monkeypatch, capsys, arguments, told):
    """Slots are claimed by others; what a person asked for is not."""
    monkeypatch.setattr(registration, "description", raising(OperationalError("gone")))

    code = run(*arguments)

    assert code == os.EX_UNAVAILABLE
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["--now"], ["--from", "2026-11-01", "--to", "2026-11-02", "--yes"]]
)
def test_postgres_that_goes_after_the_commit_is_75(
    transactional_db, platform, monkeypatch, capsys, arguments
):
    """The work is recorded, so nobody is told to ask for it again."""
    run()
    CronJob.objects.update(cursor="2026-01-01T00:00Z")
    monkeypatch.setattr(slots, "count_unpublished", raising(OperationalError("gone")))

    code = run(*arguments)

    assert code == os.EX_TEMPFAIL
    assert "recorded; then PostgreSQL went down: nothing is lost" in capsys.readouterr().err
    assert Job.objects.exists()


def test_an_unusual_call_is_told(transactional_db, platform):
    """Called from code, errors are CommandErrors with the exit code."""
    with pytest.raises(CommandError) as caught:
        call_command(NAME, name="nobody")

    assert caught.value.returncode == os.EX_CONFIG
    assert str(caught.value) == "platform.yaml: cronjobs: there is no nobody; there are: prune-jobs"
