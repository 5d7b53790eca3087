"""The release command, against real servers: what a platform sees when it runs it."""

import time

import psycopg
import pytest

from offbeat.deployment.migration import LOCK
from offbeat.dev.ports import LOOPBACK, free_port
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.pooler import needs_pgbouncer, start_pooler
from tests.offbeat.support.somebody import somebody
from tests.offbeat.support.stack import MANAGE

EMPTY = "released"


@pytest.fixture
def empty(stack):
    """A stack whose database has no table yet."""
    with stack.postgres.connect() as server:
        server.execute(f"DROP DATABASE IF EXISTS {EMPTY} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {EMPTY}")
    stack.environment["DATABASE_URL"] = stack.postgres.url_of(EMPTY)
    return stack


def tables(stack):
    with psycopg.connect(stack.postgres.url_of(EMPTY)) as connection:
        return {
            name
            for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        }


def test_an_empty_database_is_brought_up_to_date(empty):
    """The first deploy needs no command by hand."""
    done = empty.manage("release")

    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "Released: the database is up to date.")
    assert "offbeat_jobs_job" in tables(empty)


def test_a_second_release_changes_nothing(empty):
    """A deploy without migrations is a release that finds nothing to do."""
    empty.manage("release")

    done = empty.manage("release")

    assert done.returncode == 0
    assert "No migrations to apply." in done.stdout


@pytest.mark.fault("another session holds the release's lock")
def test_a_release_waits_for_the_one_that_migrates(empty):
    """Two at once take turns: the second touches no table before the first is done."""
    url = empty.postgres.url_of(EMPTY)
    with psycopg.connect(url, autocommit=True, application_name="somebody") as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        pid = other.info.backend_pid
        release = empty.start("release", [*MANAGE, "release"])
        release.wait_for("Another release is migrating")
        before = tables(empty)

    wait_until(lambda: not release.is_running, 60)

    assert before == set()
    assert release.process.returncode == 0
    assert f"waiting for pid {pid} (somebody, from " in release.output
    assert "offbeat_jobs_job" in tables(empty)


@pytest.mark.parametrize("way", ["direct", pytest.param("pooled", marks=needs_pgbouncer)])
def test_of_releases_at_once_one_migrates(empty, way):
    """Three replicas, three deploys: the others wait, and find nothing to do."""
    if way == "pooled":
        empty.environment["DATABASE_URL"] = start_pooler(empty, default_pool_size=8)
    releases = [empty.start("release", [*MANAGE, "release"]) for _ in range(3)]

    codes = [release.wait(120) for release in releases]

    assert codes == [0, 0, 0]
    assert sum("Applying offbeat_jobs.0001_initial... OK" in each.output for each in releases) == 1
    assert sum("No migrations to apply." in each.output for each in releases) == 2


def test_a_migration_that_waits_for_a_table_says_for_whom(stack):
    """Somebody's open transaction keeps a migration from its table: it is named, and after a while nobody queues up behind it."""
    with somebody("LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE") as pid:
        release = stack.manage("release", "--lock-wait", "2")

    assert release.returncode == 75
    assert f"A migration waits for pid {pid} (psql, from " in release.stdout
    assert f"After 2 s a table that a migration needs is still held by pid {pid} (psql, " in release.stderr
    assert len(release.stderr.strip().splitlines()[-1:]) == 1
    assert "Traceback" not in release.stderr


def test_a_migration_goes_on_when_its_table_is_free(stack):
    """A wait within the bound costs no more than that."""
    with somebody("LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE"):
        release = stack.start("release", [*MANAGE, "release"])
        release.wait_for("A migration waits for pid ")

    assert release.wait(60) == 0


@pytest.mark.fault("a release dies, or runs behind a pooler in transaction mode")
def test_a_release_that_died_leaves_its_lock_to_the_next(empty):
    """The lock belongs to a connection: a killed release holds nobody up."""
    other = psycopg.connect(empty.postgres.url_of(EMPTY), autocommit=True)
    other.execute("SELECT pg_advisory_lock(%s)", [LOCK])
    other.close()

    done = empty.manage("release")

    assert done.returncode == 0
    assert "Another release" not in done.stdout


def test_without_postgres_it_ends_with_69_in_time_and_one_line(stack):
    """The platform stops the deploy; the line names host and port, and no password."""
    port = free_port()
    address = f"postgres://offbeat:hunter2@{LOOPBACK}:{port}/app"
    started = time.monotonic()

    done = stack.manage("release", "--wait", "1", DATABASE_URL=address)

    assert done.returncode == 69
    assert time.monotonic() - started < 30  # as long as it waits by default
    assert f"PostgreSQL at {LOOPBACK}:{port} (DATABASE_URL) did not answer within 1 s" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "hunter2" not in done.stderr + done.stdout


def test_a_postgres_that_starts_late_is_waited_for(empty):
    """On a machine that boots, the release may come before its database."""
    empty.postgres.stop()
    release = empty.start("release", [*MANAGE, "release", "--wait", "60"])
    release.wait_for("Waiting for PostgreSQL at")

    empty.postgres.start()
    wait_until(lambda: not release.is_running, 60)

    assert release.process.returncode == 0, release.output
    assert "offbeat_jobs_job" in tables(empty)


def test_without_redis_the_deploy_goes_on_with_a_warning(empty):
    """Redis only carries: jobs wait in PostgreSQL until it is back."""
    port = free_port()

    done = empty.manage("release", "--wait", "1", REDIS_URL=f"redis://:hunter2@{LOOPBACK}:{port}/0")

    assert done.returncode == 0
    assert f"Warning: Redis at {LOOPBACK}:{port} (REDIS_URL) did not answer" in done.stderr
    assert "Jobs wait in PostgreSQL until it is back." in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


def test_what_the_checks_refuse_is_not_released(empty):
    """A configuration that would lose work ends the deploy before a table is touched."""
    done = empty.manage("release", OFFBEAT_JOBS_HEARTBEAT_TIMEOUT="1")

    assert done.returncode == 78
    assert "offbeat_jobs.E004" in done.stderr
    assert tables(empty) == set()


@pytest.fixture
def modest(empty):
    """The empty stack, used by a role that may do nothing but connect, twice at most."""
    with psycopg.connect(empty.postgres.url_of(EMPTY), autocommit=True) as server:
        server.execute("DROP ROLE IF EXISTS modest")
        server.execute("CREATE ROLE modest LOGIN PASSWORD 'modest' CONNECTION LIMIT 2")
        empty.environment["DATABASE_URL"] = (
            f"postgres://modest:modest@{LOOPBACK}:{empty.postgres.port}/{EMPTY}"
        )
        yield server
        server.execute("DROP OWNED BY modest")
        server.execute("DROP ROLE modest")


def test_a_role_that_may_not_create_tables_is_told_what_it_needs(empty, modest):
    """As on a PostgreSQL 15 whose schema belongs to somebody else: a line, and the statement that helps."""
    done = empty.manage("release")

    assert done.returncode == 78
    assert "permission denied for schema public" in done.stderr
    assert "run as that role: GRANT ALL ON SCHEMA public TO modest" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_connection_left_is_said_in_a_line(empty, modest):
    """The release needs three; the platform sees an outage, and may try again."""
    modest.execute("GRANT ALL ON SCHEMA public TO modest")
    with psycopg.connect(empty.environment["DATABASE_URL"]):
        done = empty.manage("release")

    assert done.returncode == 69
    assert 'too many connections for role "modest"' in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_takes_no_writes_is_waited_for(empty):
    """A standby becomes the primary, or does not: then the release says what it found."""
    with psycopg.connect(empty.postgres.url_of(EMPTY), autocommit=True) as server:
        server.execute(f"ALTER DATABASE {EMPTY} SET default_transaction_read_only = on")

        done = empty.manage("release", "--wait", "1")

    assert done.returncode == 69
    assert "did not answer within 1 s: it is read-only" in done.stderr
    assert "Traceback" not in done.stderr
