"""A ledger of one's own for each test, in real transactions, and an empty Redis."""

import uuid
from pathlib import Path

import pytest
from django.db import connection

from offbeat.jobs import broker
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects.models import Effect

HERE = Path(__file__).parent
# Emptying no other tables than these after each test makes it cheap.
LEDGER = pytest.mark.django_db(
    transaction=True, available_apps=["offbeat.jobs", "tests.offbeat.faults.effects"]
)


def pytest_collection_modifyitems(items):
    for item in items:  # of the whole suite: other folders have a fixture of that name
        if "ledger" in item.fixturenames and item.path.is_relative_to(HERE):
            item.add_marker(LEDGER)


@pytest.fixture
def ledger():
    """The database in autocommit, as processes see it; emptied afterwards."""


@pytest.fixture
def carrier(redis):
    """A client of the broker, which is empty; whatever a test does to Redis, the next one finds it well."""
    redis.resume()
    redis.start()
    broker.breaker.close()
    with redis.connect() as client:
        client.flushall()
        yield client
    redis.resume()
    redis.start()
    with redis.connect() as client:
        client.flushall()  # a test that does not empty it must not find another ledger's sign
    broker.breaker.close()


@pytest.fixture
def redis_away(redis, carrier):
    """Redis refuses connections until the test starts it again."""
    redis.stop()
    return redis


@pytest.fixture
def worker():
    """The id of some worker that begins attempts."""
    return uuid.uuid4()


@pytest.fixture
def row():
    """Reads a job as it is now."""
    return lambda job: Job.objects.get(pk=job.pk)


@pytest.fixture
def effects():
    """Tells what tasks noted under a label, in order."""
    return lambda label: list(
        Effect.objects.filter(label=label).order_by("id").values_list("what", flat=True)
    )


@pytest.fixture
def let_time_pass():
    """Moves every time of a table's columns into the past."""

    def move(seconds, *columns, table="offbeat_jobs_job"):
        changes = ", ".join(f"{column} = {column} - make_interval(secs => {seconds})" for column in columns)
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE {table} SET {changes}")  # noqa: S608  the test's own

    return move
