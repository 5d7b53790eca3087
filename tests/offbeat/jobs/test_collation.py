"""A database that sorts texts as people do, not by their bytes: which indexes serve there, and what an order means."""

import pytest
from django.db import connection

from offbeat.jobs import concurrency_keys, search
from tests.offbeat.support.servers import locale

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(locale == "C", reason="the database has the locale C: apt install locales"),
]

MANY = """
    INSERT INTO offbeat_jobs_job (id, task, queue, state, key, max_attempts, finished_at, publish_at, reason, concurrency_key)
    SELECT gen_random_uuid(), 'a', 'default', %s, %s || number, 5, now(), now(), %s, %s || mod(number, 50)
    FROM generate_series(1, 20000) AS number
"""


def make_many(state="succeeded", key="cron:", reason="", concurrency_key=None):
    with connection.cursor() as cursor:
        cursor.execute(MANY, [state, key, reason, concurrency_key])
        cursor.execute("ANALYZE offbeat_jobs_job")


def plan(statement, values=()):
    """Give how PostgreSQL finds the jobs that a statement, or a condition, is about."""
    if not statement.lstrip().startswith("WITH"):
        statement = f"SELECT id FROM offbeat_jobs_job WHERE {statement}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {statement}", values)
        return "\n".join(line for (line,) in cursor.fetchall())


def test_the_database_sorts_as_people_do():
    """Otherwise what follows shows nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT array_agg(x ORDER BY x) FROM unnest(ARRAY['B', 'a', 'a-c', 'ab']) AS x")
        (found,) = cursor.fetchone()

    assert found != sorted(found)


def test_a_key_is_found_by_its_beginning():
    """An index serves, and no more rows are read than are found."""
    make_many()
    condition, value = search.JobSearch(key="cron:1999").inside()[0]

    found = plan(condition, [value])

    assert "offbeat_jobs_key_prefix_idx" in found
    assert "Seq Scan" not in found
    assert "Rows Removed by Filter" not in found


@pytest.mark.parametrize("statement", ["key = %s", "key IN (%s, 'b')"])
def test_a_whole_key_is_found_by_an_index(statement):
    make_many()

    found = plan(statement, ["cron:77"])

    assert "offbeat_jobs_key" in found
    assert "Seq Scan" not in found


def test_waiting_keys_are_hopped_over():
    """Each key that jobs wait for is looked up once, whatever the order of texts is."""
    make_many("pending", "k", concurrency_keys.BUSY, "Ä-")

    found = plan(concurrency_keys.WAITED_FOR, ["", 100])

    assert "offbeat_jobs_keys_idx" in found
    assert "Seq Scan on offbeat_jobs_job" not in found.replace("Seq Scan on offbeat_jobs_job other", "")
