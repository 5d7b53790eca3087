"""What Django's interface says of a job, whatever became of it."""

from datetime import timedelta

import pytest
from celery import shared_task
from django.utils import timezone

from offbeat.jobs import Job, attempts, decisions, guard, history, recovery, retention
from offbeat.jobs.models import Job as JobModel
from offbeat.jobs.tasks_backend import AttemptLostError, JobCancelledError, JobExpiredError, UnknownTaskError
from offbeat.jobs.tasks_backend.interface import TaskResultDoesNotExist, TaskResultStatus
from tests.offbeat.jobs.tasks_backend import samples
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")
READY, RUNNING, FAILED, SUCCESSFUL = (
    TaskResultStatus.READY,
    TaskResultStatus.RUNNING,
    TaskResultStatus.FAILED,
    TaskResultStatus.SUCCESSFUL,
)


def test_an_error_fails_at_once():
    """Without a `retry` a task fails as Django says, with its class and its traceback."""
    result = samples.fail.enqueue("no luck")

    run_jobs()

    result.refresh()
    assert (result.status, result.attempts, result.is_finished) == (FAILED, 1, True)
    (error,) = result.errors
    assert error.exception_class is ValueError
    assert error.traceback.startswith("Traceback")
    assert "in fail\n    raise ValueError(words)\nValueError: no luck" in error.traceback
    with pytest.raises(ValueError, match="Task failed"):
        result.return_value  # noqa: B018  raises


def test_what_ends_processes_is_an_error_of_its_task():
    """A SystemExit is what its task answered."""
    result = samples.leave.enqueue("bye")

    run_jobs()

    result.refresh()
    assert [error.exception_class for error in result.errors] == [SystemExit]


def test_each_attempt_keeps_its_error():
    """The result has the class and the traceback of each of them, and who made it."""
    result = samples.fail_and_again.enqueue("again")

    run_jobs()

    result.refresh()
    assert (result.status, result.attempts) == (FAILED, 3)
    assert [error.exception_class for error in result.errors] == [ValueError] * 3
    assert all("in fail_and_again" in error.traceback for error in result.errors)
    assert len(set(result.worker_ids)) == 1
    assert result.enqueued_at <= result.started_at < result.last_attempted_at <= result.finished_at


def test_a_waiting_retry_is_ready():
    """It is to be executed again."""
    result = samples.fail.using(retry=samples.Retry(on=(ValueError,), backoff=600, jitter=False)).enqueue("a")

    run_jobs()

    result.refresh()
    assert (result.status, result.attempts, len(result.errors)) == (READY, 1, 1)
    wait = Job.objects.get(pk=result.id).due_at - timezone.now()
    assert timedelta(minutes=9) < wait <= timedelta(minutes=10)


def test_the_context_knows_its_attempt():
    """The attempt's number is right at a retry, and its errors so far are there."""
    result = samples.succeed_at_third.enqueue()

    run_jobs()

    result.refresh()
    assert result.return_value == [3, "RUNNING", 2]
    assert [error.exception_class for error in result.errors] == [ConnectionError] * 2


def test_the_context_tells_of_progress():
    """A task of Django's has no `self`; its context does what that could."""
    result = samples.tell.enqueue("a")

    run_jobs()

    result.refresh()
    job = Job.objects.get(pk=result.id)
    assert result.return_value == [result.id, 1, "a"]
    assert (job.progress_done, job.progress_total) == (1, 2)


def test_a_running_attempt_is_counted(worker):
    """While it runs, too."""
    result = samples.add.enqueue(1)
    attempts.begin(Job.objects.get(pk=result.id).pk, worker)

    result.refresh()

    assert (result.status, result.worker_ids, result.finished_at) == (RUNNING, [str(worker)], None)


def test_a_killed_attempt_is_an_error(worker):
    """Its process told nothing, so the result names what happened to it."""
    result = samples.add.using(max_attempts=1).enqueue(1)
    attempt = attempts.begin(Job.objects.get(pk=result.id).pk, worker)

    recovery.recover_attempt(attempt.job_id, worker, None, "its process died: signal 9 (SIGKILL)")

    result.refresh()
    assert (result.status, result.worker_ids) == (FAILED, [str(worker)])
    (error,) = result.errors
    assert error.exception_class is AttemptLostError
    assert error.traceback == "its process died: signal 9 (SIGKILL)"


def test_a_discarded_job_has_failed():
    """With an error that says who did it, and without an attempt."""
    result = samples.add.enqueue(1)
    decisions.discard(JobModel.objects.get(pk=result.id).pk, "discarded by alice")

    result.refresh()

    assert (result.status, result.attempts, result.started_at) == (FAILED, 0, None)
    (error,) = result.errors
    assert (error.exception_class, error.traceback) == (JobCancelledError, "discarded by alice")


def test_a_late_job_has_failed():
    """What was not started in time says so."""
    result = samples.add.using(not_after=timezone.now() - timedelta(seconds=1)).enqueue(1)

    guard.expire(JobModel.objects.get(pk=result.id).pk)

    result.refresh()
    assert [error.exception_class for error in result.errors] == [JobExpiredError]


def test_a_job_that_nobody_knows_has_failed():
    """It was buried without an attempt, and its error says for want of what."""
    result = samples.add.enqueue(1)
    JobModel.objects.update(state="dead", reason="waits for a worker", finished_at=timezone.now())

    result.refresh()

    assert [(each.exception_class, each.traceback) for each in result.errors] == [
        (UnknownTaskError, "waits for a worker")
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("nan", "its result is nan, which JSON does not have"),
        ("nul", "its result['a'][0] contains a NUL"),
        ("half", "its result contains half a character"),
        ("set", "its result['deep'][0] is a set"),
        ("endless", "nested more than 100 levels deep"),
        ("large", "its result is 1,000,003 characters of JSON, at most 1,000,000 are kept"),
    ],
)
def test_a_result_that_is_not_json_fails_the_job(value, words):
    """The reason names the place."""
    result = samples.give.enqueue(value)

    run_jobs()

    job = Job.objects.get(pk=result.id)
    assert job.state == Job.State.DEAD
    assert words in job.reason


@pytest.mark.parametrize(
    ("value", "kept"), [("null", None), ("tuple", [1, [2, 3]]), ("dict", {"b": 1, "a": "2"})]
)
def test_a_result_is_as_json_has_it(value, kept):
    """None is a result, too."""
    result = samples.give.enqueue(value)

    run_jobs()

    result.refresh()
    assert (result.status, result.return_value) == (SUCCESSFUL, kept)
    assert Job.objects.filter(pk=result.id, result__isnull=False).exists()


@shared_task(ignore_result=False)
def keeps(value):
    return value


@shared_task
def keeps_nothing():
    return {1}


def test_a_task_of_celerys_keeps_its_result_where_it_says_so():
    """By default it keeps none, and what it returns may be anything."""
    kept, dropped = keeps.enqueue({"a": [1]}), keeps_nothing.enqueue()

    run_jobs()

    assert Job.objects.get(pk=kept.pk).result == {"a": [1]}
    assert (Job.objects.get(pk=dropped.pk).state, Job.objects.get(pk=dropped.pk).result) == (
        "succeeded",
        None,
    )


def test_an_atomic_task_is_undone_with_its_result(effects):
    """Its effects and its finish are one transaction; one that fails leaves neither."""
    result = samples.record_then_fail.enqueue("a")

    run_jobs()

    result.refresh()
    assert (result.status, effects("a")) == (FAILED, [])


def test_a_statement_is_bounded_by_the_task():
    """The one Celery task that runs them all has no bound of its own."""
    result = samples.wait_in_postgres.enqueue(5)

    run_jobs()

    assert "statement timeout" in Job.objects.get(pk=result.id).reason


def test_a_pruned_job_has_no_result(let_time_pass):
    """Results are there as long as jobs are."""
    result = samples.add.enqueue(1)
    run_jobs()
    let_time_pass(31 * 86_400, "finished_at")

    retention.prune()

    with pytest.raises(TaskResultDoesNotExist):
        samples.add.get_result(result.id)


def test_a_long_history_counts_its_attempts(worker):
    """Attempts that the history has left out are counted, without their workers."""
    result = samples.add.enqueue(1)
    job = Job.objects.get(pk=result.id)
    for _ in range(history.LONGEST_HISTORY + 5):
        attempts.retry(attempts.begin(job.pk, worker), attempts.Again(0), "again", "", "builtins.ValueError")

    result.refresh()

    assert (result.attempts, result.worker_ids.count("")) == (history.LONGEST_HISTORY + 5, 5)


def test_a_job_is_run_again_as_what_it_is():
    """A person who runs it once more gets the same task, with its options."""
    result = samples.sleep.enqueue(0, "a")
    run_jobs()

    again = decisions.run_again(Job.objects.get(pk=result.id).pk)
    run_jobs()

    job = Job.objects.get(pk=again.pk)
    assert (job.state, job.options) == ("succeeded", Job.objects.get(pk=result.id).options)


def test_errors_have_no_secrets(settings):
    """What a result says of each attempt was redacted before it was stored."""
    result = samples.fail_and_again.enqueue("postgres://user:hunter2hunter2@db/shop")

    run_jobs()

    result.refresh()
    assert len(result.errors) == 3
    assert all("hunter2" not in error.traceback.partition("ValueError:")[2] for error in result.errors)
    assert all("://***@db/shop" in error.traceback for error in result.errors)
