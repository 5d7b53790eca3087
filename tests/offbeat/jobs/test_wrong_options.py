"""Options that a job does not have, and values that are none: what is said, and that nothing is enqueued."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from offbeat.jobs import queue_names
from offbeat.jobs.models import Job, Worker
from offbeat.jobs.tasks_backend.interface import InvalidTask
from tests.offbeat.faults.effects.tasks import nothing
from tests.offbeat.jobs.tasks_backend import samples

NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("qeue", "its options are batch, .* Did you mean queue?"),
        ("prority", "Did you mean priority?"),
        ("not_affter", "Did you mean not_after?"),
        ("concurency_key", "Did you mean concurrency_key?"),
        ("max_attempts", r"takes no max_attempts: write @shared_task\(max_attempts=\.\.\.\)\.$"),
        ("atomik", r"Did you mean atomic\? Then write @shared_task\(atomic="),
        ("count_down", r"Did you mean countdown\? Then write run_at="),
        (
            "countdown",
            r"a job takes no countdown: write run_at=timezone.now\(\) \+ timedelta\(seconds=...\)\.$",
        ),
        ("zzz", r"run_at, when_busy\.$"),
    ],
)
def test_an_unknown_option(name, said):
    """The nearest one is named, and what says the same as one of Celery's."""
    with pytest.raises(TypeError, match=said):
        nothing.using(**{name: 1})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("key", 7, "key should be a text, got 7"),
        ("key", "", "key should be a text, got ''"),
        ("concurrency_key", ("a", 1), r"concurrency_key should be a text, got \('a', 1\)"),
        ("run_at", "2026-11-26", "run_at should be an aware datetime, such as .*, got '2026-11-26'"),
        (
            "run_at",
            timedelta(hours=1),
            r"such as timezone.now\(\) \+ timedelta\(hours=1\), got datetime.timedelta",
        ),
        ("not_after", date(2026, 11, 26), "not_after should be an aware datetime"),
        ("not_after", 60, "not_after should be an aware datetime, .* got 60"),
        ("queue", 3, "queue should be the name of a queue, got 3"),
        ("queue", "", "queue should be the name of a queue, got ''"),
        ("batch", "digest", r"batch should be a Batch: open_batch\(\) gives one, got 'digest'"),
        ("priority", "high", "priority should be a whole number from -100 to 100, higher first, got 'high'"),
        ("priority", 101, "priority should be a whole number from -100 to 100, higher first, got 101"),
        ("priority", 3.5, "got 3.5"),
        ("priority", True, "got True"),
        ("when_busy", "drop", 'when_busy should be "wait" or "skip", got "drop"'),
        ("when_busy", None, 'when_busy should be "wait" or "skip", got "None"'),
    ],
)
def test_a_wrong_value(name, value, said):
    """With what would be right; where the option is written, and not where the row is."""
    with pytest.raises((TypeError, ValueError), match=said):
        nothing.using(**{name: value})


def test_a_priority_of_three_is_one():
    """Celery's numbers are others, but this is one of a job's."""
    assert nothing.using(priority=3).priority == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("queue", "queue_name"),
        ("run_at", "run_after"),
        ("countdown", "run_after"),
        ("prority", "priority"),
        ("max_retries", "retry"),
    ],
)
def test_an_unknown_option_of_a_task_of_djangos(name, said):
    """It has names of its own."""
    with pytest.raises(TypeError, match=rf"takes no {name}\. It takes .*\. Did you mean {said}\?"):
        samples.add.using(**{name: 1})


@pytest.fixture
def known(monkeypatch):
    """The queues that an unknown one is measured by."""
    monkeypatch.setattr(queue_names, "_found", set())
    return queue_names.known()


UNKNOWN = (
    r'no service consumes the queue "mial"\. Did you mean "mail"\? There are: default, mail\. '
    r"Hint: for a new one, add it to `queues` and to the command of a worker in platform.yaml\."
)


def test_an_unknown_queue(db, known):
    """Is refused with those that there are, and nothing waits in it for ever."""
    with pytest.raises(ValueError, match=UNKNOWN):
        nothing.using(queue="mial").enqueue()
    with pytest.raises(ValueError, match=UNKNOWN):
        nothing.using(queue="mial").enqueue_many([((), {})])
    with pytest.raises(ValueError, match=UNKNOWN):
        samples.add.using(queue_name="mial").enqueue(1)

    assert not Job.objects.exists()


def test_the_queue_of_a_task_is_measured_too(db, known, monkeypatch):
    """As its decorator says it."""
    monkeypatch.setattr(nothing, "queue", "mial", raising=False)

    with pytest.raises(ValueError, match=UNKNOWN):
        nothing.enqueue()


def test_a_queue_of_a_worker_that_lives(db, known):
    """A worker may be somewhere else than in platform.yaml; asked once."""
    Worker.objects.create(hostname="gpu", pid=1, queues=["gpu"], concurrency=1)

    nothing.using(queue="gpu").enqueue()
    Worker.objects.all().delete()
    nothing.using(queue="gpu").enqueue()

    assert Job.objects.filter(queue="gpu").count() == 2


def test_a_project_without_the_template(db, known, monkeypatch):
    """Where nothing says which queues there are, none is refused."""
    monkeypatch.setattr(queue_names, "platform_queues_are_told", lambda: False)

    assert nothing.using(queue="mial").enqueue().queue == "mial"


def test_invalid_options_of_djangos_are_its_own():
    """Django's validation stays Django's."""
    with pytest.raises(InvalidTask, match="queue_name should be the name of a queue"):
        samples.add.using(queue_name=3)
