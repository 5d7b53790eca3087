"""What the doctor finds in PostgreSQL and in Redis."""

import json
from datetime import timedelta

import pytest
from django.db import connection

from offbeat.cronjobs.clock import database_now
from offbeat.jobs.models import Broker
from offbeat.ops.doctor import postgres, postgres_indexes, redis_server
from tests.offbeat.ops.findings import levels
from tests.offbeat.support.pooler import needs_pgbouncer, start_pooler
from tests.offbeat.support.somebody import somebody


def test_a_missing_migration_is_red(ledger):
    """What `release` has not applied is named; indexes that it is still to make are not told again."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM django_migrations WHERE app = 'offbeat_alerts' AND name = '0002_acknowledgement' "
            "RETURNING app, name, applied"
        )
        row = cursor.fetchone()
        try:
            (one,), indexes = postgres.migrations(), list(postgres_indexes.indexes())
        finally:
            cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, %s)", row)

    assert (one.level.word, one.found) == ("red", "1 are missing: offbeat_alerts.0002_acknowledgement")
    assert indexes == []


INVALID = "UPDATE pg_index SET indisvalid = %s WHERE indexrelid = 'offbeat_jobs_one_running'::regclass"


@pytest.mark.parametrize(
    ("statement", "missing"),
    [
        ("DROP INDEX offbeat_jobs_one_running", "offbeat_jobs_one_running"),
        (INVALID % "false", "offbeat_jobs_one_running"),
        ("ALTER TABLE offbeat_jobs_job DROP CONSTRAINT offbeat_jobs_job_pkey CASCADE", "offbeat_jobs_job.id"),
    ],
    ids=["missing", "invalid", "no key"],
)
def test_an_index_that_is_not_there_is_red(db, statement, missing):
    """A restore met rows that are double, or a build was interrupted: nothing else says so."""
    (before,) = postgres_indexes.indexes()
    with connection.cursor() as cursor:
        cursor.execute(statement)

    (one,) = postgres_indexes.indexes()

    assert (before.level.word, one.level.word) == ("green", "red")
    assert one.found == f"1 are missing or invalid: {missing}"


def test_an_invalid_index_is_mended_as_advised(db):
    """What sqlmigrate prints would end in an error: it is there."""
    with connection.cursor() as cursor:
        cursor.execute(INVALID % "false")
        cursor.execute("REINDEX INDEX offbeat_jobs_one_running")

    (one,) = postgres_indexes.indexes()

    assert one.level.word == "green"


def test_an_old_server_is_red(db, monkeypatch):
    """PostgreSQL 13 is told to be too old."""
    monkeypatch.setattr(postgres, "ask", lambda _: 130011)

    (one,) = postgres.version()

    assert (one.level.word, one.found) == ("red", "13.11")


def test_too_few_connections_are_yellow(db, monkeypatch):
    """A plan with fewer connections than the services may open is told, with both numbers."""
    monkeypatch.setattr(postgres, "ask", lambda _: (20, 3))

    (one,) = postgres.connections()

    assert one.level.word == "yellow"
    assert one.found.startswith("3 of 20 are open; the services of platform.yaml may open ")


def test_a_direct_connection_is_no_pooler(db):
    """Two connections of ours have two backends, unless a pooler in transaction mode is in between."""
    assert levels(postgres.pooler()) == {"pooler": "green"}


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_is_never_ended_is_yellow(monkeypatch):
    """It is named, with what ends it; one that has seen nothing yet, or a young one, is in nobody's way."""
    monkeypatch.setattr(postgres, "OLD", 0.0)
    with somebody("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT 1", name="pg_dump") as pid:
        (one,) = postgres.transactions()
        monkeypatch.setattr(postgres, "OLD", 3600.0)
        young = levels(postgres.transactions())

    assert (one.level.word, young) == ("yellow", {"transactions": "green"})
    assert f"pid {pid} (pg_dump, " in one.found
    assert f"pg_terminate_backend({pid})" in one.advice


@needs_pgbouncer
@pytest.mark.parametrize(
    ("mode", "cursors", "level", "told"),
    [
        ("session", "", "green", "in session mode"),
        ("transaction", "", "green", "in transaction mode; .iterator() fetches all rows at once"),
        ("transaction", "false", "red", "in transaction mode, with server-side cursors"),
    ],
)
def test_a_poolers_mode_is_found(stack, mode, cursors, level, told):
    """Behind a real PgBouncer the doctor tells transaction mode, in which no server-side cursor may be used, from session mode."""
    url = start_pooler(stack, mode)

    answer = stack.manage("doctor", "--json", DATABASE_URL=url, DISABLE_SERVER_SIDE_CURSORS=cursors)

    findings = {each["name"]: each for each in json.loads(answer.stdout)["findings"]}
    assert findings["PostgreSQL"]["level"] == "green"
    assert (findings["pooler"]["level"], findings["pooler"]["found"]) == (level, told)


def test_a_wrong_clock_is_red(db, monkeypatch):
    """A clock two minutes off PostgreSQL's is red."""
    now = database_now()
    monkeypatch.setattr(postgres, "ask", lambda _: now - timedelta(minutes=2))

    assert levels(postgres.clock()) == {"clock": "red"}


def test_a_redis_that_evicts_is_red(carrier):
    """A queue is no cache: any policy but noeviction is red."""
    carrier.config_set("maxmemory-policy", "allkeys-lru")
    try:
        (one,) = redis_server.eviction()
    finally:
        carrier.config_set("maxmemory-policy", "noeviction")

    assert (one.level.word, one.found) == ("red", "allkeys-lru")


def test_a_full_redis_is_told(carrier):
    """Memory that runs out is yellow, then red."""
    used = carrier.info("memory")["used_memory"]
    carrier.config_set("maxmemory", int(used * 1.02) + 100_000)
    try:
        (one,) = redis_server.memory()
    finally:
        carrier.config_set("maxmemory", 0)

    assert one.level.word in {"red", "yellow"}


def test_another_redis_is_told(ledger, carrier):
    """A Redis that the ledger does not know has lost what was published."""
    Broker.objects.update_or_create(pk=1, defaults={"token": "a" * 32})

    assert levels(redis_server.known_token()) == {"Redis loss token": "yellow"}


def test_messages_of_before_the_prefix_are_told(carrier):
    """Nobody of ours takes them."""
    assert list(redis_server.old_queues()) == []

    carrier.lpush("default", "a plain message")

    (one,) = redis_server.old_queues()
    assert (one.name, one.level.word) == ("Redis list default", "yellow")
    assert one.found.startswith("1 message")
