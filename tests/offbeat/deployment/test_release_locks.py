"""A release beside traffic: a migration that cannot have its table at once holds nobody up for long."""

from __future__ import annotations

import threading

import psycopg
import pytest

from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.somebody import somebody
from tests.offbeat.support.stack import MANAGE

pytestmark = pytest.mark.faults

WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE%%'"
)


@pytest.fixture
def unmigrated(stack):
    """A stack whose next release alters one table that is in use."""
    with psycopg.connect(stack.environment["DATABASE_URL"]) as database:
        database.execute("DELETE FROM django_migrations WHERE app = 'effects' AND name = '0002_default'")
    return stack


class Readers:
    """Somebody else's requests, which read the table again and again."""

    def __init__(self, url, count=3):
        self.url, self.over, self.answers = url, threading.Event(), 0
        self.threads = [threading.Thread(target=self.read) for _ in range(count)]

    def read(self):
        with psycopg.connect(self.url, autocommit=True, application_name="reader") as database:
            while not self.over.wait(0.05):
                database.execute("SELECT count(*) FROM effects_effect")
                self.answers += 1

    def __enter__(self):
        for each in self.threads:
            each.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        for each in self.threads:
            each.join()


def test_others_go_on_while_a_migration_cannot_have_its_table(unmigrated):
    """A long transaction has it: who reads waits for moments, and is served between the tries."""
    with (
        somebody("SELECT count(*) FROM effects_effect") as pid,
        Readers(unmigrated.environment["DATABASE_URL"]) as readers,
    ):
        release = unmigrated.start("release", [*MANAGE, "release", "--lock-timeout", "1"])
        release.wait_for("Next try in 2 s.")
        before = readers.answers
        wait_until(lambda: readers.answers > before)
        release.wait_for("Next try in 4 s.")

    assert release.wait(60) == 0
    assert f"A migration waits for pid {pid} (psql, " in release.output
    assert "Traceback" not in release.output


@pytest.mark.fault("an open transaction blocks a migration")
def test_a_release_gives_up_after_a_bounded_time(unmigrated):
    """It names who had the table, changes nothing, and ends as one that may be tried again."""
    with somebody("SELECT count(*) FROM effects_effect") as pid:
        done = unmigrated.manage("release", "--lock-timeout", "0.5", "--lock-wait", "1")

    assert done.returncode == 75
    assert f"After 1 s a table that a migration needs is still held by pid {pid} (psql, " in done.stderr
    assert f"SELECT pg_terminate_backend({pid})" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_release_that_is_killed_while_it_waits_keeps_nobody_waiting(unmigrated):
    """PostgreSQL ends the wait by itself: a statement does not notice that its client is gone."""
    with somebody("SELECT count(*) FROM effects_effect"), unmigrated.postgres.connect() as server:
        release = unmigrated.start("release", [*MANAGE, "release", "--lock-timeout", "2"])
        wait_until(lambda: server.execute(WAITING).fetchone()[0])
        release.kill()
        wait_until(lambda: not server.execute(WAITING).fetchone()[0])

        with psycopg.connect(unmigrated.environment["DATABASE_URL"], options="-c lock_timeout=1s") as reader:
            reader.execute("SELECT count(*) FROM effects_effect")


def test_an_index_whose_build_was_interrupted_is_built_anew(stack):
    """The killed release leaves an index that is written and never read: the next one removes it, and builds it."""
    assert stack.manage("migrate", "offbeat_jobs", "0001", "--verbosity", "0").returncode == 0
    url = stack.environment["DATABASE_URL"]
    with psycopg.connect(url) as other:  # one that writes keeps the build waiting
        other.execute("LOCK TABLE offbeat_jobs_job IN ROW EXCLUSIVE MODE")
        release = stack.start("release", [*MANAGE, "release"])
        wait_until(lambda: is_valid(url) is False)
        release.kill()
        with stack.postgres.connect() as server:
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%'"
            )

    before, done, again = is_valid(url), stack.manage("release"), stack.manage("release")

    assert (before, done.returncode, is_valid(url)) == (False, 0, True)
    assert "No migrations to apply." in again.stdout


def test_an_index_that_is_there_is_kept(stack):
    """The release died between the build and the note that says so."""
    assert stack.manage("migrate", "offbeat_jobs", "0002").returncode == 0  # what came later is not there yet
    with psycopg.connect(stack.environment["DATABASE_URL"]) as database:
        database.execute("DELETE FROM django_migrations WHERE name = '0002_key_prefix'")

    assert stack.manage("release").returncode == 0
    assert is_valid(stack.environment["DATABASE_URL"])


def is_valid(url):
    with psycopg.connect(url) as database:
        row = database.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('offbeat_jobs_key_prefix_idx')"
        ).fetchone()
    return row[0] if row else None
