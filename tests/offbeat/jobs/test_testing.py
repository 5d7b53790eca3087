"""run_jobs(), in the way that a user's own tests meet it: inside the transaction of a TestCase."""

from datetime import timedelta

import pytest
from django.utils import timezone

from offbeat.jobs.batches import open_batch
from offbeat.jobs.models import Job
from offbeat.jobs.producer import Call, enqueue
from offbeat.jobs.testing import EndlessJobsError, run_jobs
from tests.offbeat.faults.effects.tasks import divide, fail_until, nothing, work
from tests.offbeat.jobs import samples

pytestmark = pytest.mark.django_db


def test_what_was_enqueued_is_executed(effects, row):
    """In the test's own transaction, where nothing is committed and nothing published."""
    job = samples.record.enqueue("a")

    assert run_jobs() == 1

    assert effects("a") == ["done"]
    assert row(job).state == "succeeded"


def test_nothing_due_is_nothing_done():
    """It returns how many attempts were made."""
    assert run_jobs() == 0


def test_jobs_of_jobs_run_too(effects):
    """Until nothing is due."""
    samples.enqueue_another.enqueue("a")

    assert run_jobs() == 2
    assert effects("a") == ["done"]


def test_the_first_enqueued_is_the_first_executed(effects):
    """Tests that depend on the order are readable, though workers promise none."""
    for label in "abc":
        samples.record.enqueue(label)

    run_jobs()

    assert list(Job.objects.order_by("finished_at").values_list("args__0", flat=True)) == ["a", "b", "c"]


def test_an_error_is_a_dead_letter(row):
    """As in a worker: it is in the row, and not raised."""
    job = divide.enqueue(1, 0)

    assert run_jobs() == 1
    assert (row(job).state, row(job).reason) == ("dead", "ZeroDivisionError: division by zero")


def test_a_retry_waits(row):
    """Until the test looks ahead."""
    job = fail_until.enqueue("a", 2)

    first = run_jobs()
    waiting = row(job).state
    later = run_jobs(ahead=timedelta(minutes=1))

    assert (first, waiting, later, row(job).state) == (1, "pending", 1, "succeeded")


def test_a_job_with_run_at_waits(row):
    """The same."""
    nothing.using(run_at=timezone.now() + timedelta(hours=2)).enqueue()

    assert [run_jobs(), run_jobs(ahead=timedelta(hours=1)), run_jobs(ahead=timedelta(hours=3))] == [0, 0, 1]


def test_a_batch_is_followed(effects):
    """Its follow-up is executed with its jobs."""
    with open_batch("b", on_success=samples.record.call("all")) as batch:
        samples.record.using(batch=batch).enqueue("one")

    assert run_jobs() == 2
    assert effects("all") == ["done"]


def test_a_busy_key_is_respected(effects):
    """A job whose key is taken is not executed, and not looked at for ever."""
    holder = work.using(concurrency_key="c").enqueue("holder")
    Job.objects.filter(pk=holder.pk).update(state="running")
    samples.record.using(concurrency_key="c").enqueue("a")

    assert run_jobs(ahead=timedelta(hours=1)) == 0
    assert effects("a") == []


def test_an_atomic_task_is_rolled_back(effects):
    """In a savepoint, inside a TestCase."""
    samples.record_then_fail_atomically.enqueue("a")

    run_jobs()

    assert effects("a") == []
    assert Job.objects.get().state == "dead"


def test_an_unknown_task_waits():
    """As with a worker."""
    enqueue(Call("shop.gone", "default", 5))

    assert run_jobs() == 0
    assert Job.objects.get().reason == "waits for a worker that knows it: none here has the task shop.gone"


def test_jobs_without_end_are_told():
    """A job that enqueues itself would hang the test."""
    samples.enqueue_itself.enqueue()

    with pytest.raises(
        EndlessJobsError, match=r"20 attempts were made, and tests.offbeat.jobs.samples.enqueue_itself"
    ):
        run_jobs(limit=20)


def test_no_redis_is_needed(redis_away, django_capture_on_commit_callbacks, effects):
    """Though enqueueing tries to publish."""
    with django_capture_on_commit_callbacks(execute=True):
        samples.record.enqueue("a")

    assert run_jobs() == 1
