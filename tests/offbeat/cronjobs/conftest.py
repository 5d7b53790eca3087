"""Cronjobs for the tests: real rows, real jobs, and a clock that the test holds."""

import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import yaml
from celery import shared_task
from django.core.management import CommandError, call_command
from django.db import connection

from offbeat.cronjobs import entries
from offbeat.cronjobs.commands import EnqueueCommand
from offbeat.cronjobs.entries import Entry
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.cronjobs.registration import register
from offbeat.cronjobs.wakeup import wake_up
from offbeat.deployment.schedule import Schedule
from tests.offbeat.cronjobs.command_line import ENTRY
from tests.offbeat.sample_project import celery_app
from tests.offbeat.support.polling import wait_until

PLANTS = "tests.offbeat.cronjobs.conftest.water_the_plants"
HOURLY = {"task": PLANTS, "schedule": 3600}  # an entry of Beat's


@shared_task(time_limit=60)
def water_the_plants(slot=""):
    """Do what the cronjobs of these tests are for."""


def at(text):
    """Return a moment in UTC: "2026-11-23 08:00" or with seconds."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def BUG(*_):  # noqa: N802  stands where a constant would
    """Be a command whose arguments() raises."""
    raise ZeroDivisionError


def BAD_QUERY(*_):  # noqa: N802  as above
    """Be a command whose arguments() asks PostgreSQL for nonsense."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT no_such_function()")


def SLOW_QUERY(*_):  # noqa: N802  as above
    """Be a command whose arguments() asks for more than PostgreSQL answers in time."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10ms'; SELECT pg_sleep(60)")


def NO_TABLE(*_):  # noqa: N802  as above
    """Be a command whose arguments() reads a table that is not there yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM not_migrated")


def CUT_OFF(*_):  # noqa: N802  as above
    """Be a command whose arguments() keeps its transaction waiting for so long that PostgreSQL ends it."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '10ms'")
    process = connection.connection.info.backend_pid
    with closing(connection.copy()) as other, other.cursor() as cursor:
        wait_until(lambda: not rows(cursor, "SELECT 1 FROM pg_stat_activity WHERE pid = %s", process))
    return {}


def rows(cursor, statement, *values):
    cursor.execute(statement, values)
    return cursor.fetchall()


def LEAVES(*_):  # noqa: N802  as above
    """Be a command whose arguments() ends its process."""
    sys.exit()


# What is wrong with one cronjob, and no reason to leave the others.
BUGS = [BUG, BAD_QUERY, SLOW_QUERY, NO_TABLE, CUT_OFF, LEAVES]


class Cronjob:
    """A cronjob that is known since `since`, to be woken up at any moment."""

    def __init__(self, entry):
        self.entry = entry
        self.name = entry.name

    def known(self, since):
        register(self.entry, at(since))
        return self

    def wake_up(self, moment, trigger=Slot.Trigger.SCHEDULE, **options):
        return wake_up(self.entry, trigger, now=at(moment), **options)

    @property
    def row(self):
        return CronJob.objects.get(pk=self.name)

    def slots(self, outcome=None):
        """Give its slots, oldest first, as "11-23 08:00"."""
        rows = Slot.objects.filter(cronjob=self.name).exclude(trigger="manual").order_by("slot")
        rows = rows.filter(outcome=outcome) if outcome else rows
        return [f"{row.slot:%m-%d %H:%M}" for row in rows]

    def reasons(self):
        return {f"{row.slot:%m-%d %H:%M}": row.reason for row in self.row.slots.exclude(reason="")}


@pytest.fixture
def make(transactional_db):
    """Give a function that makes cronjobs, of a schedule, a time zone, a name and policies."""

    def make_cronjob(schedule="0 * * * *", timezone="UTC", name="plants", **policies):
        command = type("Command", (EnqueueCommand,), {"task": water_the_plants, **policies})()
        parsed = Schedule.parse(schedule, timezone, name)
        return Cronjob(Entry(name, parsed, "enqueue_water_the_plants", command))

    return make_cronjob


def minutes(count):
    return timedelta(minutes=count)


@pytest.fixture
def platform(transactional_db, monkeypatch):
    """Let platform.yaml have these cronjobs."""

    def have(*cronjobs):
        monkeypatch.setattr(entries, "in_file", lambda: cronjobs)

    have(ENTRY)
    return have


@pytest.fixture
def beat(monkeypatch, db):
    """Let Celery have these entries."""
    monkeypatch.setitem(vars(celery_app), "timezone", ZoneInfo("Europe/Berlin"))

    def have(entries):
        celery_app.conf.beat_schedule = entries

    yield have
    celery_app.conf.beat_schedule = {}


@pytest.fixture
def run(capsys):
    def run_command(*arguments, code=0):
        """Return what is printed; `code` is the exit code that is expected."""
        found = 0
        try:
            call_command("import_beat", *arguments)
        except CommandError as error:
            found = error.returncode
        printed = capsys.readouterr()
        assert found == code, printed.out + printed.err
        return printed.out, printed.err

    return run_command


@pytest.fixture
def printed(beat, run):
    """Give what becomes of entries: cronjobs by name, and the reasons of those that are left."""

    def take_over(entries, *arguments, code=0, folder="/nowhere"):
        beat(entries)
        out, _ = run(*arguments, "--folder", str(folder), code=code)
        cronjobs = {each["name"]: each for each in yaml.safe_load(out)["cronjobs"] or ()}
        left = [
            line.removeprefix("# not taken over: ") for line in out.splitlines() if line.startswith("# not")
        ]
        return cronjobs, dict(line.split(": ", 1) for line in left), out

    return take_over
