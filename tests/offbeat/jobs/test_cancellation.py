"""A cancel: of a job that waits at once, of one that runs by a request that whatever ends the attempt finds."""

import threading
import uuid

import pytest
from django.db import connection, transaction

from offbeat.jobs import attempts, cancellation, decisions, recovery, refusal, signals
from offbeat.jobs.batches import open_batch
from offbeat.jobs.cancellation import Cancelled, cancel
from offbeat.jobs.locks import HeldError
from offbeat.jobs.models import Batch, Cancellation, Job
from tests.offbeat.faults.effects.tasks import nothing, work

pytestmark = pytest.mark.usefixtures("ledger", "carrier")

WHY = "cancelled by alice: wrong recipients"


@pytest.fixture
def attempt(worker):
    return attempts.begin(work.using(concurrency_key="k").enqueue("a").pk, worker)


@pytest.fixture
def announced():
    """The jobs of which `job_cancelled` was sent, with their reasons."""
    heard = []

    def hear(sender, job_id, reason, **_):
        heard.append((job_id, reason))

    signals.job_cancelled.connect(hear)
    yield heard
    signals.job_cancelled.disconnect(hear)


def found(attempt):
    return Job.objects.get(pk=attempt.job_id)


def raised(act):
    """What an end of an attempt raises, which the task's execution takes for a lost race."""
    with pytest.raises(attempts.CancelledAttemptError, match="is cancelled: cancelled by alice"):
        act()


ENDS = {
    "fails": lambda attempt, _: raised(lambda: attempts.bury(attempt, "broken", "Traceback")),
    "asks for a retry": lambda attempt, _: raised(
        lambda: attempts.retry(attempt, attempts.Again(0), "again", "")
    ),
    "crashes": lambda attempt, worker: recovery.recover_attempt(attempt.job_id, worker, None, "killed"),
    "is excused": lambda attempt, worker: recovery.excuse_attempt(attempt.job_id, worker, None, "deadlock"),
    "loses its worker": lambda _, worker: recovery.recover_workers([worker], "silent"),
    "is returned": lambda _, worker: recovery.hand_back(worker, "stops"),
    "is refused": lambda attempt, _: refusal.refuse_begun(attempt, work.name, "another signature"),
}


@pytest.mark.parametrize("state", ["pending", "published", "dead"])
def test_what_does_not_run_is_cancelled_at_once(state, row):
    """With the reason that was given."""
    job = work.enqueue("a")
    Job.objects.update(state=state)

    assert cancel(job.pk, WHY) == Cancelled.AT_ONCE
    assert (row(job).state, row(job).reason) == ("cancelled", WHY)
    assert not Cancellation.objects.exists()


@pytest.mark.parametrize("state", ["succeeded", "cancelled", "expired"])
def test_what_has_ended_stays(state, row):
    """Too late; so with a job that is not there."""
    job = work.enqueue("a")
    Job.objects.update(state=state)

    assert cancel(job.pk, WHY) == cancel(uuid.uuid4(), WHY) == Cancelled.TOO_LATE
    assert row(job).state == state


def test_a_running_job_runs_until_its_worker_ends_it(attempt):
    """The request is written down, once: the second one's reason is not taken."""
    assert cancel(attempt.job_id, WHY) == Cancelled.ASKED
    assert cancel(attempt.job_id, "cancelled by bob") == Cancelled.ASKED_BEFORE

    assert found(attempt).state == "running"
    assert cancellation.requested_reason(attempt.job_id) == WHY


@pytest.mark.parametrize("end", ENDS)
def test_whatever_ends_it_it_is_cancelled(end, attempt, worker, announced):
    """Once, with the reason; it is not tried again, it is no dead letter, and its key is free."""
    waiting = work.using(concurrency_key="k").enqueue("b")
    attempts.begin(waiting.pk, worker)
    cancel(attempt.job_id, WHY)

    ENDS[end](attempt, worker)

    job = found(attempt)
    assert (job.state, job.reason, job.crashes, job.attempt) == ("cancelled", WHY, 0, 1)
    assert job.finished_at is not None
    assert [(each["outcome"], each["reason"]) for each in job.history] == [("cancelled", WHY)]
    assert announced == [(job.pk, WHY)]
    assert attempts.begin(job.pk, worker) is None
    assert Job.objects.get(pk=waiting.pk).state == "published"


@pytest.mark.parametrize("end", ENDS)
def test_without_a_request_nothing_is_cancelled(end, attempt, worker):
    """Another job's cancel is not this one's."""
    other = attempts.begin(nothing.enqueue().pk, uuid.uuid4())
    cancel(other.job_id, WHY)
    if end in {"fails", "asks for a retry"}:
        with pytest.raises(pytest.fail.Exception):
            ENDS[end](attempt, worker)
    else:
        ENDS[end](attempt, worker)

    assert found(attempt).state != "cancelled"


def test_a_success_that_was_quicker_stands(attempt, announced):
    """Succeeded or cancelled, never both; the request is forgotten."""
    cancel(attempt.job_id, WHY)

    attempts.finish(attempt)

    assert (found(attempt).state, announced) == ("succeeded", [])
    assert cancellation.requested() == []
    assert not Cancellation.objects.exists()


def test_a_finish_and_a_cancel_in_one_moment(worker):
    """In each of many races one of them is what happened, and the batch counts it so."""
    for _ in range(20):
        with open_batch("race") as batch:
            job = work.using(batch=batch).enqueue("a")
        attempt = attempts.begin(job.pk, worker)
        cancel(job.pk, WHY)
        barrier = threading.Barrier(2)

        def run(act, barrier=barrier):
            connection.ensure_connection()
            barrier.wait()
            try:
                act()
            except (attempts.FencedError, HeldError):  # the latter asks to be called again
                pass
            finally:
                connection.close()

        threads = [
            threading.Thread(target=run, args=(each,))
            for each in (
                lambda attempt=attempt: attempts.finish(attempt),
                lambda job=job: recovery.recover_attempt(job.pk, worker, None, "killed"),
            )
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        batch.refresh_from_db()
        job.refresh_from_db()
        assert (job.state, batch.succeeded, batch.failed) in {("succeeded", 1, 0), ("cancelled", 0, 1)}


def test_a_batch_counts_it(worker):
    """As failed: what follows a failure follows."""
    with open_batch("all", on_success=work.call("s"), on_failure=nothing.call()) as batch:
        job = work.using(batch=batch).enqueue("a")
    attempts.begin(job.pk, worker)
    cancel(job.pk, WHY)
    recovery.recover_workers([worker], "silent")

    batch.refresh_from_db()
    assert (batch.failed, batch.success_job, batch.failure_job.task) == (1, None, nothing.name)
    assert Batch.objects.get().finished_at is not None


def test_an_attempt_that_ended_in_that_moment_is_not_followed_by_another(attempt, worker):
    """Its retry was recorded as the request was written: whoever gets the message, or looks first, cancels it."""
    attempts.retry(attempt, attempts.Again(0), "again", "")
    Cancellation.objects.create(job_id=attempt.job_id, reason=WHY)

    assert attempts.begin(attempt.job_id, worker) is None
    assert (found(attempt).state, found(attempt).reason) == ("cancelled", WHY)


def test_it_is_cancelled_without_a_message_too(attempt):
    """By the look that each worker takes every second."""
    attempts.retry(attempt, attempts.Again(3600), "again", "")
    Cancellation.objects.create(job_id=attempt.job_id, reason=WHY)

    assert cancellation.requested() == []
    assert found(attempt).state == "cancelled"


def test_a_retry_by_hand_is_not_cancelled(attempt, worker):
    """The cancel was of the attempts before."""
    cancel(attempt.job_id, WHY)
    recovery.recover_workers([worker], "silent")

    assert decisions.retry(attempt.job_id)

    assert cancellation.requested() == []
    assert attempts.begin(attempt.job_id, worker).number == 2


def test_a_cancel_that_is_rolled_back(attempt):
    """Was none: the audit trail's line and the request are written together or not at all."""
    with transaction.atomic():
        cancel(attempt.job_id, WHY)
        transaction.set_rollback(True)

    assert cancellation.requested_reason(attempt.job_id) is None


def test_a_task_that_holds_its_own_row_can_be_cancelled(attempt):
    """An atomic task that reports its progress does so until its end: the request does not wait for that."""
    with connection.cursor() as holder, transaction.atomic():
        holder.execute("SELECT 1 FROM offbeat_jobs_job WHERE id = %s FOR UPDATE", [attempt.job_id])
        asked = []
        thread = threading.Thread(
            target=lambda: (asked.append(cancel(attempt.job_id, WHY)), connection.close())
        )
        thread.start()
        thread.join(20)

        assert asked == [Cancelled.ASKED]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("too many", "cancelled by bob: too many"),
        (" \n", "cancelled by bob"),
        ("a\nb\0", "cancelled by bob: a b"),
    ],
)
def test_the_reason_says_who(given, told):
    """In one line."""
    assert cancellation.reason_of(given, "bob") == told
