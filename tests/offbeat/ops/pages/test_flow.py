"""How many jobs came and went in each minute."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from offbeat.jobs.models import Job
from offbeat.ops.pages import flow
from offbeat.ops.pages.flow import first_id
from tests.offbeat.browser import stage

pytestmark = pytest.mark.django_db


def test_minutes_that_are_over_are_counted_once(django_assert_num_queries):
    """A second look remembers the old minutes, counts the young ones anew, and tells the same."""
    now = timezone.now()
    for minutes in (0, 1, 2, 5, 29):
        stage.job("a", "succeeded", now - timedelta(minutes=minutes), queue="mail", took=0)
    first = flow.flows(now)["mail"]
    Job.objects.filter(created_at__lt=now - timedelta(minutes=4)).delete()
    stage.job("a", "succeeded", now - timedelta(minutes=1), queue="mail", took=0)

    with django_assert_num_queries(1):
        second = flow.flows(now)["mail"]

    assert first.came == first.went
    assert [first.came[-1 - minutes] for minutes in (0, 1, 2, 5, 29)] == [1] * 5
    assert [second.came[-1 - minutes] for minutes in (0, 1, 2, 5, 29)] == [1, 2, 1, 1, 1]
    assert flow.flows(now + timedelta(minutes=10))["mail"].went[-16] == 1


def test_first_id_is_where_a_moment_begins():
    """An id made at a moment is not below the lowest of that moment, and below that of the next second."""
    moment = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)

    made = stage.id_at(moment)

    assert first_id(moment) <= made < first_id(moment + timedelta(seconds=1))
