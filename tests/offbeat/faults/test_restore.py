"""A database restored from a backup: what the ledger does then, by itself and by the procedure of docs/offbeat/backups.md."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from offbeat.cronjobs.models import CronJob, Slot
from offbeat.dev.embedded_postgres import executables
from offbeat.jobs import broker, ledger
from offbeat.jobs.models import Job, Worker
from tests.offbeat.faults.effects.tasks import wait_for_file, write_line
from tests.offbeat.faults.test_maintenance_mode import held_worker
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.faults
WRITE_LINE = "tests.offbeat.faults.effects.tasks.write_line"
PRUNE = ("enqueue_prune_jobs", "--name", "daily", "--schedule")


class Backups:
    """pg_dump and pg_restore, as an operator calls them."""

    def __init__(self, stack):
        self.url = stack.environment["DATABASE_URL"]
        self.name = self.url.rpartition("/")[2]
        self.postgres = stack.postgres
        self.file = stack.folder / "backup.dump"

    def dump(self):
        self.call("pg_dump", "--format", "custom", "--file", self.file, self.url)

    def restore(self):
        """Restore into a new database, which gets the name of the one that is lost: no worker meets it half restored."""
        connection.close()
        with self.postgres.connect() as server:
            server.execute("CREATE DATABASE restored")
            self.call(
                "pg_restore",
                "--no-owner",
                "--exit-on-error",
                "--dbname",
                self.postgres.url_of("restored"),
                self.file,
            )
            server.execute(f"DROP DATABASE {self.name} WITH (FORCE)")
            server.execute(f"ALTER DATABASE restored RENAME TO {self.name}")
        ledger.identity.cache_clear()

    @staticmethod
    def call(program, *arguments):
        command = [executables() / program, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def backups(faults):
    return Backups(faults.stack)


@pytest.fixture
def lines(faults):
    """What the outside world has seen; no backup takes it back."""
    path = faults.stack.folder / "lines"
    path.touch()

    class Lines:
        file = str(path)

        @staticmethod
        def seen():
            return path.read_text().split()

    return Lines


@pytest.fixture
def lost(faults, backups, lines):
    """A backup, then an hour's work, then the database is lost: all that was unfinished in the backup was done after it."""
    slot = datetime.now(UTC) - timedelta(minutes=1)
    line = (*PRUNE, f"{slot.minute} {slot.hour} * * *")
    faults.stack.manage(*line)  # makes the cronjob known, with its slot
    Job.objects.all().delete()
    Slot.objects.all().delete()
    CronJob.objects.update(cursor=slot - timedelta(hours=1))
    worker = faults.quick_worker("--queues", "default")
    gate = faults.stack.folder / "gate"
    running = wait_for_file.enqueue(str(gate))
    faults.wait_for_state(running, "running")
    for text in ("paid", "greeted"):
        write_line.using(queue="mail").enqueue(lines.file, text)
    backups.dump()
    gate.touch()
    other = faults.quick_worker("--queues", "mail")
    faults.stack.manage(*line)  # the slot
    faults.wait_for_all()
    worker.stop()
    other.stop()
    write_line.enqueue(lines.file, "unknown")  # its message waits in Redis, its row is in no backup
    assert sorted(lines.seen()) == ["greeted", "paid"]
    return running


def test_by_itself(faults, backups, lines, lost):
    """A restored ledger does again what it does not know to be done: effects outside it happen twice, and slots are made up for."""
    backups.restore()

    faults.quick_worker()
    faults.stack.manage("tick")  # a wake-up of the platform's
    faults.wait_for_all()

    assert sorted(lines.seen()) == ["greeted", "greeted", "paid", "paid"]
    assert set(Job.objects.values_list("state", flat=True)) == {"succeeded"}


def test_the_procedure(faults, backups, lines, lost):
    """In maintenance mode everything that would run again waits, is listed, and is decided about before any of it runs."""
    worker, _ = held_worker(faults)
    held_by = Worker.objects.get().pk
    backups.restore()
    wait_until(
        lambda: set(Worker.objects.values_list("pk", flat=True)) == {held_by}
    )  # the backup's are lost by now

    released = faults.stack.manage("release", MAINTENANCE="true")
    wait_until(lambda: Job.objects.get(pk=lost.pk).state == "published")  # ran in the backup
    wait_until(lambda: Job.objects.filter(task=WRITE_LINE, state="published").count() == 2)
    ticked = faults.stack.manage(*PRUNE, CronJob.objects.get(pk="daily").schedule, MAINTENANCE="true")
    listed = faults.stack.manage("jobs", "unfinished").stdout
    first, second = Job.objects.filter(task=WRITE_LINE).order_by("due_at")
    paid = first if first.args[1] == "paid" else second
    discarded = faults.stack.manage("jobs", "discard", str(paid.pk))

    assert [each.returncode for each in (released, ticked, discarded)] == [0, 0, 0]
    (tally,) = (line.split() for line in listed.splitlines() if WRITE_LINE in line)
    assert (tally[:3], tally[-2:]) == (["2", "published", "mail"], ["ago", WRITE_LINE])
    assert "offbeat.jobs.tasks.prune\n" in listed
    assert len(lines.seen()) == 2
    assert sum(Job.objects.exclude(pk=lost.pk).values_list("attempt", flat=True)) == 0

    worker.stop()
    faults.quick_worker()
    faults.wait_for_all()
    wait_until(lambda: not broker.waiting("default"))  # what the ledger does not know is dropped

    assert sorted(lines.seen()) == ["greeted", "greeted", "paid"]
    assert Job.objects.get(pk=paid.pk).state == "cancelled"
    assert set(Job.objects.exclude(pk=paid.pk).values_list("state", flat=True)) == {"succeeded"}
    assert Slot.objects.filter(outcome="enqueued").count() == 1
