"""run_jobs(), in the way that a user's own tests meet it: inside the transaction of a TestCase."""

from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import SynchronousOnlyOperation
from django.utils import timezone

from offbeat.jobs.batches import open_batch
from offbeat.jobs.execution import EndedError
from offbeat.jobs.models import Job
from offbeat.jobs.producer import Call, enqueue
from offbeat.jobs.testing import EndlessJobsError, JobFailedError, arun_jobs, run_jobs
from tests.offbeat.faults.effects.tasks import (
    divide,
    end_by,
    fail_after_commit,
    fail_always,
    fail_until,
    nothing,
    work,
)
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


def test_a_dead_letter_is_looked_at(row):
    """As in a worker: it is in the row, and not raised, where the test says so; all jobs run."""
    jobs = [divide.enqueue(1, 0), divide.enqueue(2, 0)]

    assert run_jobs(raises=False) == 2
    assert [(row(job).state, row(job).reason) for job in jobs] == [
        ("dead", "ZeroDivisionError: division by zero")
    ] * 2


def test_a_retry_waits(row):
    """Until the test looks ahead."""
    job = samples.ask_again.enqueue("a", countdown=60)

    first = run_jobs()
    waiting = row(job).state
    later = run_jobs(ahead=timedelta(minutes=2))

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
    """A job whose key is taken is not executed, and not checked for ever."""
    holder = work.using(concurrency_key="c").enqueue("holder")
    Job.objects.filter(pk=holder.pk).update(state="running")
    samples.record.using(concurrency_key="c").enqueue("a")

    assert run_jobs(ahead=timedelta(hours=1)) == 0
    assert effects("a") == []


def test_an_atomic_task_is_rolled_back(effects):
    """In a savepoint, inside a TestCase."""
    samples.record_then_fail_atomically.enqueue("a")

    with pytest.raises(ValueError, match="after the effect"):
        run_jobs()

    assert effects("a") == []
    assert Job.objects.get().state == "dead"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (Call("shop.gone", "default", 5), "none here has the task shop.gone"),
        (Call(samples.record.name, "default", 5, ["a", "b"]), "does not take its arguments"),
    ],
)
def test_what_this_code_cannot_run_is_raised(call, said):
    """In a deploy it waits for a worker that can; in a test nobody ever will."""
    enqueue(call)

    with pytest.raises(JobFailedError, match=said):
        run_jobs()
    assert Job.objects.get().state == "pending"


def test_what_this_code_cannot_run_waits():
    """As with a worker, where the test says so."""
    enqueue(Call("shop.gone", "default", 5))

    assert run_jobs(raises=False) == 0
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


def test_the_error_of_a_task_is_raised(row):
    """As it was, with where in the task it was raised; the job is a dead letter as in a worker, and the others stay due."""
    job, other = divide.enqueue(1, 0), divide.enqueue(1, 1)

    with pytest.raises(ZeroDivisionError, match=r"^division by zero$") as raised:
        run_jobs()

    assert raised.traceback[-1].name == "divide"
    assert (row(job).state, row(other).state) == ("dead", "published")
    assert run_jobs() == 1


def test_a_retry_that_succeeds_is_no_error(row):
    """Whatever the attempts before it raised."""
    job = fail_until.enqueue("a", 3)

    assert run_jobs(ahead=timedelta(minutes=1)) == 3
    assert row(job).state == "succeeded"


def test_spent_retries_raise_the_tasks_error():
    """Not Celery's, which has none to show."""
    fail_always.enqueue("a")

    with pytest.raises(ConnectionError):
        run_jobs(ahead=timedelta(hours=1))


def test_a_retry_that_waits_is_logged(caplog):
    """A test that asserts an effect fails, and sees why there is none."""
    fail_always.enqueue("a")

    run_jobs()

    assert "fail_always" in caplog.messages[-1]
    assert "is tried again at" in caplog.messages[-1]
    assert "ConnectionError" in caplog.messages[-1]


def test_what_expires_is_no_error(row):
    """Its not_after asked for it."""
    job = nothing.using(not_after=timezone.now() - timedelta(seconds=1)).enqueue()

    assert run_jobs() == 0
    assert row(job).state == "expired"


@pytest.mark.parametrize("how", ["exit", "interrupt"])
def test_what_would_end_the_test_run_does_not(how):
    """A task that exits raises an error, and no SystemExit."""
    end_by.enqueue("a", how)

    with pytest.raises(EndedError):
        run_jobs()


@pytest.mark.django_db(transaction=True)
def test_an_error_after_the_commit_is_raised(row):
    """The job has succeeded, and its own on_commit function has not."""
    job = fail_after_commit.enqueue("a")

    with pytest.raises(JobFailedError, match="succeeded, but after its commit"):
        run_jobs()
    assert row(job).state == "succeeded"


async def enqueue_and_run():
    await samples.record.aenqueue("a")
    with pytest.raises(SynchronousOnlyOperation, match="await arun_jobs"):
        run_jobs()
    return await arun_jobs()


def test_an_async_test(effects):
    """Awaits it, and is told so."""
    assert async_to_sync(enqueue_and_run)() == 1
    assert effects("a") == ["done"]
