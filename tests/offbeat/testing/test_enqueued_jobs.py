"""enqueued(): the jobs of a test, and what it says of those that are not as expected."""

from datetime import timedelta
from unittest.mock import call

import pytest
from django.utils import timezone

from offbeat.jobs import open_batch
from offbeat.testing import plugin
from tests.offbeat.faults.effects.tasks import nothing
from tests.offbeat.jobs import samples
from tests.offbeat.jobs.tasks_backend import samples as django_samples


def explained(left, right, op="=="):
    return "\n".join(plugin.pytest_assertrepr_compare(op, left, right))


def test_the_arguments_of_jobs(enqueued):
    """By position or by name, they are those that the task gets; of other tasks it tells nothing."""
    samples.record.enqueue("a", times=2)
    samples.record.enqueue(label="b")
    nothing.enqueue()

    assert enqueued(samples.record) == [call("a", times=2), call("b")]
    assert call(times=1, label="b") in enqueued(samples.record)
    assert call("c") not in enqueued(samples.record)
    assert [call("a", times=2), call("b")] == enqueued("tests.offbeat.jobs.samples.record")
    assert len(enqueued(nothing)) == 1
    assert not enqueued(samples.enqueue_itself)


def test_arguments_are_compared_as_the_ledger_has_them(enqueued):
    """A tuple is a list there."""
    samples.record.enqueue(("a", "b"))

    assert enqueued(samples.record) == [call(("a", "b"))]


def test_the_options_of_a_job(enqueued):
    """Each that is not as the task has it; compared with a call of the task, they count."""
    later = timezone.now() + timedelta(days=1)
    with open_batch("b") as batch:
        samples.record.using(
            queue="mail",
            priority=7,
            key="k",
            concurrency_key="c",
            when_busy="skip",
            run_at=later,
            batch=batch,
        ).enqueue("a")

    (job,) = enqueued(samples.record)

    assert job.options == {
        "queue": "mail",
        "priority": 7,
        "key": "k",
        "concurrency_key": "c",
        "when_busy": "skip",
        "run_at": later,
        "batch": batch.id,
    }
    assert job == call("a")
    assert job != samples.record.call("a")
    assert "queue='mail', priority=7, key='k'" in repr(job)


def test_a_call_of_the_task_is_an_expectation(enqueued):
    """With its types, and with its options."""
    samples.record.using(queue="mail").enqueue("a", times=2)
    samples.record.enqueue("b")

    assert enqueued(samples.record) == [
        samples.record.using(queue="mail").call("a", times=2),
        samples.record.call("b"),
    ]


def test_a_task_of_djangos(enqueued):
    """Its jobs are jobs."""
    django_samples.add.enqueue(1, 2)

    assert enqueued(django_samples.add) == [call(1, 2)]
    assert enqueued(django_samples.add) == [django_samples.add.follow_up(1, two=2)]


def test_what_differs_is_said(enqueued):
    """Argument by argument, option by option, job by job."""
    samples.record.enqueue("a")
    samples.record.using(queue="mail").enqueue("b", times=2)
    nothing.enqueue()
    expected = [call("a"), samples.record.call("b"), call("c")]

    said = explained(enqueued(samples.record), expected)

    assert said.splitlines() == [
        "the jobs of tests.offbeat.jobs.samples.record are not as expected",
        "  1. record.enqueue('a') is as expected",
        "  2. record.using(queue='mail').enqueue('b', times=2) is not record.call('b')",
        "       times: 2, expected 1",
        "       queue: 'mail', expected nothing",
        "  3. call('c') was not enqueued",
        "  besides:",
        "  tests.offbeat.faults.effects.tasks.nothing: 1 enqueued",
    ]
    assert "1. record.enqueue('a') was not expected" in explained([], enqueued(samples.record))
    assert "1. record.enqueue('a')" in explained(call("z"), enqueued(samples.record), "in")


def test_what_is_no_expectation_is_said(enqueued):
    """A number is no call."""
    samples.record.enqueue("a")

    said = explained(enqueued(samples.record), ["a"])

    assert "1. record.enqueue('a') is not compared with 'a': write unittest.mock.call(...)" in said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (len, "takes a task, got len"),
        (3, "takes a task, got 3"),
        (django_samples, "takes a task, got <module"),
    ],
)
def test_what_is_no_task_is_refused(enqueued, given, said):
    """With what would be one."""
    with pytest.raises(TypeError, match=said):
        enqueued(given)
