"""The ledger's table."""

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db


def fetch(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [value for (value,) in cursor.fetchall()]


def test_no_statement_that_changes_a_job_checks_its_numbers():
    """PostgreSQL reads each CHECK constraint anew in every such statement: eight were a fifth of its CPU."""
    assert (
        fetch(
            "SELECT conname FROM pg_constraint WHERE conrelid = 'offbeat_jobs_job'::regclass AND contype = 'c'"
        )
        == []
    )


def test_autovacuum_comes_before_a_fifth_of_the_ledger_is_dead():
    assert fetch("SELECT unnest(reloptions) FROM pg_class WHERE oid = 'offbeat_jobs_job'::regclass") == [
        "autovacuum_vacuum_scale_factor=0.02"
    ]
