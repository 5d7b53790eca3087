"""The statements of every job, its begin and its success, are planned once in a session."""

from __future__ import annotations

import asyncio

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection, transaction

from offbeat.database import pooler
from offbeat.jobs import attempts, prepared, sql
from offbeat.jobs.models import Job
from tests.offbeat.jobs import samples

pytestmark = pytest.mark.usefixtures("ledger", "carrier")
PLANS = "SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement LIKE '%UPDATE%'"
INSERTS = "SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement LIKE '%INSERT%'"


@pytest.fixture(autouse=True)
def session_of_its_own():
    connection.close()
    connection.ensure_connection()
    yield
    connection.close()


def begin(worker):
    return attempts.begin(samples.record.enqueue("a").pk, worker)


def test_they_are_planned_once(worker):
    """The second job finds the plans of the first."""
    for _ in range(2):
        attempt = begin(worker)
        attempts.finish(attempt)

    assert sql.fetch_all(PLANS) == [(2,), (2,)]
    assert Job.objects.get(pk=attempt.job_id).state == "succeeded"


def test_a_plan_that_is_removed_before_the_end(worker):
    """A task has done that: its success is recorded all the same, and that of an earlier attempt still is a lost race."""
    attempts.finish(begin(worker))
    attempt, earlier = begin(worker), begin(worker)
    Job.objects.filter(pk=earlier.job_id).update(attempt=earlier.number + 1)
    sql.execute("DISCARD ALL")

    attempts.finish(attempt)

    assert Job.objects.get(pk=attempt.job_id).state == "succeeded"
    with pytest.raises(attempts.FencedError):
        attempts.finish(earlier)


@pytest.mark.parametrize("removal", ["DEALLOCATE ALL", "DISCARD ALL"])
def test_a_task_that_removes_the_plans(worker, removal):
    """The next job begins all the same."""
    begin(worker)
    sql.execute(removal)

    assert begin(worker).number == 1
    assert begin(worker).number == 1
    assert sql.fetch_all(PLANS) == []


def test_a_table_that_changes_meanwhile(worker):
    """A migration of a running release changes a column that the plan returns: the next job begins all the same."""
    begin(worker)
    sql.execute("ALTER TABLE offbeat_jobs_job ALTER COLUMN retries TYPE bigint")
    try:
        assert begin(worker).number == 1
    finally:
        sql.execute("ALTER TABLE offbeat_jobs_job ALTER COLUMN retries TYPE integer")


def test_behind_a_pooler_nothing_is_planned_ahead(worker, monkeypatch):
    """Its next session would not know the plan."""
    monkeypatch.setattr(prepared, "is_pooled", lambda _: True)

    begin(worker)

    assert sql.fetch_all(PLANS) == []
    assert pooler.is_pooled(connection) is False


def test_nor_in_a_transaction(worker):
    """An invalid plan would end it."""
    with transaction.atomic():
        begin(worker)

        assert sql.fetch_all(PLANS) == []


def test_an_enqueue_is_planned_once():
    """From the second one of a session: to plan it takes a round trip more."""
    for number in range(3):
        samples.record.enqueue(f"{number}")
        assert sql.fetch_all(INSERTS) == ([(number,)] if number else [])

    assert Job.objects.filter(state="published").count() == 3


def test_an_enqueue_in_a_transaction():
    """It is planned anew: an invalid plan would end what the caller does besides."""
    for _ in range(3):
        with transaction.atomic():
            samples.record.enqueue("a")

    assert sql.fetch_all(INSERTS) == []


def test_an_enqueue_whose_plan_is_removed():
    """Nothing is lost, and nothing is done twice."""
    for _ in range(3):
        samples.record.enqueue("a")
    sql.execute("DISCARD ALL")

    samples.record.enqueue("a")

    assert Job.objects.filter(state="published").count() == 4


def test_an_enqueue_in_async_code():
    """It is refused also where the session could be sent the statement past Django."""

    async def call():
        samples.record.enqueue("a")

    samples.record.enqueue("a")
    with pytest.raises(SynchronousOnlyOperation, match="aenqueue"):
        asyncio.run(call())
