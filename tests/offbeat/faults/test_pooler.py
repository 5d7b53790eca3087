"""A real PgBouncer in transaction mode before the database: every transaction may be another session of PostgreSQL."""

from __future__ import annotations

import os

import psycopg
import pytest
from django.db import connection

from offbeat.deployment.migration import LOCK, LockHeldError, migration_lock
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.faults.effects.tasks import copy_by_iterator
from tests.offbeat.support.fixtures import connected_to
from tests.offbeat.support.pooler import needs_pgbouncer, start_pooler
from tests.offbeat.support.stack import MANAGE

pytestmark = [pytest.mark.faults, needs_pgbouncer]


@pytest.fixture
def pooled(stack):
    """The stack behind a pooler in transaction mode; `direct` is the way past it."""
    stack.direct = stack.environment["DATABASE_URL"]
    stack.environment["DATABASE_URL"] = start_pooler(stack)
    with connected_to(stack.environment["DATABASE_URL"]):
        yield stack


def advisory_locks(stack):
    with psycopg.connect(stack.direct) as server:
        return server.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
            "WHERE locktype = 'advisory' AND datname = current_database()"
        ).fetchone()[0]


@pytest.mark.fault("a release dies, or runs behind a pooler in transaction mode")
def test_a_release_leaves_no_lock_behind(pooled):
    """Its lock ends with it, whichever session of PostgreSQL it has been in: the next deploy does not wait."""
    with psycopg.connect(pooled.environment["DATABASE_URL"]) as another:
        with migration_lock(10, print):
            another.execute(
                "SELECT 1"
            )  # the session that was free is in the middle of a transaction from here on
            during = advisory_locks(pooled)
        after = advisory_locks(pooled)

    assert (during, after) == (1, 0)


def test_a_release_keeps_others_out(pooled):
    """While one holds the lock, another is not let in, though it might get the same session of PostgreSQL."""
    with migration_lock(10, print):
        done = pooled.manage("release", "--lock-wait", "1")

    assert done.returncode == os.EX_TEMPFAIL
    assert "Another release is migrating: waiting for pid " in done.stdout
    assert "After 1 s the lock of releases is still held by pid " in done.stderr
    assert "/release on " in done.stderr


def test_releases_at_once_take_turns(pooled):
    """Four at the same moment: all end well, and no lock is left."""
    releases = [pooled.start("release", [*MANAGE, "release"]) for _ in range(4)]

    codes = [release.wait(120) for release in releases]

    assert codes == [0, 0, 0, 0]
    assert advisory_locks(pooled) == 0


def test_a_small_pool_is_enough(stack):
    """Two sessions of PostgreSQL: one holds the lock while the other migrates."""
    stack.environment["DATABASE_URL"] = start_pooler(stack, default_pool_size=2)

    assert stack.manage("release").returncode == 0


@pytest.mark.fault("an open transaction blocks a migration")
def test_a_migration_that_waits_behind_a_pooler_says_for_whom(pooled):
    """The session that migrates is known by its name, which goes through a pooler."""
    with psycopg.connect(pooled.direct, application_name="somebody") as other:
        other.execute("LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE")
        release = pooled.manage("release", "--lock-wait", "2")
        other.rollback()

    assert release.returncode == os.EX_TEMPFAIL
    assert "A migration waits for pid " in release.stdout
    assert "still held by pid " in release.stderr


@pytest.mark.fault("another session holds the release's lock")
def test_a_lock_that_an_older_version_has_left_is_named(pooled):
    """A pooler's idle session may keep the lock of a release that is long gone: the wait for it ends, and tells how to end it."""
    with psycopg.connect(pooled.direct, autocommit=True, application_name="leftover") as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        pid = other.info.backend_pid

        with pytest.raises(LockHeldError) as held, migration_lock(0.1, print):
            pass

    assert f"After 0 s the lock of releases is still held by pid {pid} (leftover, from " in str(held.value)
    assert str(held.value).endswith(f"Hint: if it does not end: SELECT pg_terminate_backend({pid})")


def test_an_index_is_built_concurrently_under_the_lock(stack):
    """CREATE INDEX CONCURRENTLY waits for transactions that hold a snapshot; that of the lock holds none."""
    with migration_lock(10, print), connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '20s'")
        cursor.execute("CREATE INDEX CONCURRENTLY probe ON offbeat_jobs_job (task)")
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'probe'::regclass")
        is_valid = cursor.fetchone()[0]
        cursor.execute("RESET statement_timeout")

    assert is_valid


@pytest.mark.fault("`.iterator()` behind a pooler in transaction mode")
def test_an_iterator_of_a_job(faults, pooled):
    """`.iterator()` in a job reads its batches to the end, with other clients' transactions in between."""
    Effect.objects.bulk_create(Effect(label="before", what="start", pid=0) for _ in range(50))
    faults.quick_worker()

    jobs = [copy_by_iterator.enqueue(f"copy{number}") for number in range(20)]
    faults.wait_for_all()

    ended = Job.objects.filter(pk__in=[job.pk for job in jobs]).values_list("state", "attempt")
    assert set(ended) == {("succeeded", 1)}
    assert faults.repeated() == []


@pytest.mark.fault("`.iterator()` behind a pooler in transaction mode")
def test_an_iterator_as_the_first_query_of_a_process(pooled):
    """Nothing has been asked before: the pooler is seen in time all the same."""
    code = (
        "from django.contrib.auth.models import Permission as P; from django.db import connection as c; "
        "rows = P.objects.iterator(chunk_size=5); next(rows); "
        "c.cursor().execute('SELECT count(*) FROM pg_cursors'); "
        "x = c.cursor(); x.execute('SELECT count(*) FROM pg_cursors'); print('cursors:', x.fetchone()[0])"
    )

    asked = pooled.manage("shell", "--no-imports", "-c", code)
    forced = pooled.manage("shell", "--no-imports", "-c", code, DISABLE_SERVER_SIDE_CURSORS="false")
    direct = pooled.manage("shell", "--no-imports", "-c", code, DATABASE_URL=pooled.direct)

    assert [done.stdout.strip() for done in (asked, forced, direct)] == [
        "cursors: 0",
        "cursors: 1",
        "cursors: 1",
    ]
    switched = pooled.manage(
        "shell", "--no-imports", "-c", code, DATABASE_URL=pooled.direct, DISABLE_SERVER_SIDE_CURSORS="true"
    )
    assert switched.stdout.strip() == "cursors: 0"
