"""Priorities: within a queue, higher first."""

import pytest
from celery import current_app

from offbeat.jobs import levels
from offbeat.jobs.levels import LEVELS, level_of, priority_of
from tests.offbeat.faults.effects.tasks import nothing

pytestmark = pytest.mark.usefixtures("ledger")


def test_a_priority_is_written_with_the_job(carrier, row):
    """The one that was given; without one the default, 0."""
    assert row(nothing.using(priority=50).enqueue()).priority == 50
    assert row(nothing.enqueue()).priority == 0


def test_a_higher_priority_is_never_in_a_later_list():
    """All priorities there are, in order, go through all levels, in order; 0 alone is in the list that a queue always had."""
    found = [level_of(priority) for priority in range(100, -101, -1)]

    assert found == sorted(found)
    assert tuple(dict.fromkeys(found)) == LEVELS
    assert [priority for priority in range(-100, 101) if level_of(priority) == 0] == [0]


@pytest.mark.parametrize("number", range(10))
def test_a_task_with_celerys_priority_has_its_jobs_where_its_plain_messages_are(number):
    """Kombu rounds it to one of its steps, and so do we."""
    with current_app.connection_for_write() as connection, connection.channel() as channel:
        assert level_of(priority_of(number)) == channel.priority(number)


@pytest.mark.parametrize("value", [True, 1.5, "high", 101, -101])
def test_what_is_no_priority_is_refused_where_it_is_written(value):
    """The message says what is right."""
    with pytest.raises(ValueError, match="should be a whole number from -100 to 100, higher first, got"):
        nothing.using(priority=value)


@pytest.mark.parametrize("value", [True, 1.5, "high", 10, -1])
def test_what_is_no_priority_of_celerys_is_refused_at_the_task(value):
    """Celery would take it for the nearest that there is: 50 for the last one."""
    with pytest.raises(ValueError, match=r"should be Celery's, a whole number from 0 .*got"):
        type("odd", (current_app.Task,), {"priority": value, "run": print})


def test_the_separator_is_kombus():
    """Ours and its lists are the same ones."""
    with current_app.connection_for_write() as connection, connection.channel() as channel:
        assert (channel.sep, tuple(channel.priority_steps)) == (levels.SEPARATOR, LEVELS)
