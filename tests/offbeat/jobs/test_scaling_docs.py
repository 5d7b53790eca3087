"""What docs/offbeat/scaling.md says to write works."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from offbeat.jobs.models import Job
from tests.offbeat.faults.effects.tasks import nothing
from tests.offbeat.support.running import CHECKOUT

pytestmark = pytest.mark.usefixtures("ledger", "carrier")
PAGE = (CHECKOUT / "docs" / "offbeat" / "scaling.md").read_text(encoding="utf-8")


def test_the_query_of_an_autoscaler():
    """The age of the oldest job that is due, in whole seconds; one for later has none."""
    (query,) = re.findall(r"```sql\n(.+?)```", PAGE, re.DOTALL)
    nothing.using(run_at=timezone.now() + timedelta(hours=1)).enqueue()
    ages = [sql_answer(query)]
    job = nothing.enqueue()
    Job.objects.filter(pk=job.pk).update(due_at=timezone.now() - timedelta(seconds=90))
    ages.append(sql_answer(query))

    assert ages[0] == 0
    assert 90 <= ages[1] < 120


def sql_answer(query):
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]
