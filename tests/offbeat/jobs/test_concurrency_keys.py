"""Jobs of one concurrency key run one at a time."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from offbeat.jobs import attempts, concurrency_keys, guard, recovery, refusal
from offbeat.jobs.batches import open_batch
from offbeat.jobs.models import BUSY, Batch, Job
from tests.offbeat.faults.effects.tasks import nothing, work

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


@pytest.fixture
def busy(worker):
    """An attempt that holds the key "a"."""
    return attempts.begin(work.using(concurrency_key="a").enqueue("first").pk, worker)


def test_a_second_job_waits(busy, worker, row):
    """It is pending again and says why; nothing was counted as an attempt."""
    second = work.using(concurrency_key="a").enqueue("second")

    assert attempts.begin(second.pk, uuid.uuid4()) is None

    found = row(second)
    assert (found.state, found.attempt, found.reason) == ("pending", 0, BUSY)
    assert found.publish_at > timezone.now() + timedelta(
        hours=1
    )  # it is handed the key, and need not look for it


def test_another_key_does_not_wait(busy):
    """Keys have nothing to do with each other, and jobs without one neither."""
    for job in (work.using(concurrency_key="b").enqueue("x"), nothing.enqueue()):
        assert attempts.begin(job.pk, uuid.uuid4()) is not None


ENDS = {
    "success": attempts.finish,
    "failure": lambda attempt: attempts.bury(attempt, "broken", ""),
    "retry": lambda attempt: attempts.retry(attempt, attempts.Again(60), "again", ""),
    "crash": lambda attempt: recovery.recover_attempt(
        attempt.job_id, Job.objects.get(pk=attempt.job_id).worker, None, "died"
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_key_is_handed_over(busy, end):
    """However the job ends that holds it, the one that has waited longest is due at once, and no other."""
    waiting = [work.using(concurrency_key="a").enqueue(label) for label in ("second", "third")]
    for job in waiting:
        attempts.begin(job.pk, uuid.uuid4())

    ENDS[end](busy)

    published = Job.objects.filter(state="published", reason="")
    assert [job.args for job in published] == [["second"]]
    assert attempts.begin(waiting[0].pk, uuid.uuid4()) is not None


@pytest.mark.fault(
    "the process that ends the last job of a batch, or of a concurrency key, dies right after it"
)
def test_a_key_that_nobody_handed_over(busy, worker, row):
    """Whoever had it died before it could: the reconciler finds the key, and hands it to one job."""
    waiting = [work.using(concurrency_key="a").enqueue(label) for label in ("second", "third")]
    for job in waiting:
        attempts.begin(job.pk, uuid.uuid4())
    Job.objects.filter(pk=busy.job_id).update(state="succeeded")

    concurrency_keys.hand_over_free_keys()

    assert [row(job).state for job in waiting] == ["published", "pending"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_key_that_becomes_free_meanwhile(busy, row, monkeypatch, when):
    """The job that has it ends just before or after the other says that it waits: that one is published again."""
    second = work.using(concurrency_key="a").enqueue("second")
    step_back = guard.step_back  # the second half of a refused beginning

    def end_meanwhile(*job):
        if when == "before":
            attempts.finish(busy)
        found = step_back(*job)
        if when == "after":
            attempts.finish(busy)
        return found

    monkeypatch.setattr(guard, "step_back", end_meanwhile)
    attempts.begin(second.pk, uuid.uuid4())

    assert row(second).state == "published"


def test_free_keys_take_turns(settings):
    """However many jobs wait for the first ones: those of a queue that stands still do not keep the last one from its turn."""
    settings.OFFBEAT_JOBS = {"relay_batch": 2}
    for key in "abcde":
        for _ in range(3):
            nothing.using(concurrency_key=key).enqueue()
    Job.objects.update(state="pending", reason=BUSY, published_at=None)

    for _ in range(3):
        concurrency_keys.hand_over_free_keys()

    handed_over = Job.objects.filter(state="published").values_list("concurrency_key", flat=True)
    assert sorted(handed_over) == list("abcde")


def test_keys_of_jobs_that_wait_for_something_else_cost_nothing(django_assert_num_queries):
    """Thousands with a key may be due tomorrow: that is one question, and not one for each."""
    later = timezone.now() + timedelta(days=1)
    for number in range(50):
        work.using(concurrency_key=f"{number}", run_at=later).enqueue("later")

    with django_assert_num_queries(1):
        concurrency_keys.hand_over_free_keys()


def test_a_retry_is_not_brought_forward(busy, worker):
    """What waits for its retry, and not for the key, keeps its time."""
    attempts.retry(busy, attempts.Again(600), "again", "")
    second = attempts.begin(work.using(concurrency_key="a").enqueue("second").pk, uuid.uuid4())

    attempts.finish(second)

    assert Job.objects.get(pk=busy.job_id).due_at > timezone.now() + timedelta(minutes=9)


@pytest.mark.parametrize("when_busy", ["wait", "skip"])
def test_only_what_is_due_steps_back(worker, row, when_busy):
    """Between the refusal and the stepping back another message may have begun the job, which now waits for its retry."""
    job = work.using(concurrency_key="a", when_busy=when_busy).enqueue("a")
    attempts.retry(attempts.begin(job.pk, worker), attempts.Again(600), "again", "")

    guard.step_back(job.pk)  # the second half of a refused beginning

    assert (row(job).state, row(job).reason) == ("pending", "again")
    assert row(job).due_at > timezone.now() + timedelta(minutes=9)


def test_a_job_that_skips_is_cancelled(busy, row):
    """Where the work is being done already, a second one is not wanted."""
    second = work.using(concurrency_key="a", when_busy="skip").enqueue("second")

    assert attempts.begin(second.pk, uuid.uuid4()) is None

    found = row(second)
    assert (found.state, found.reason) == ("cancelled", BUSY)
    assert found.finished_at is not None


@pytest.mark.parametrize("how", ["handed back", "excused", "refused"])
def test_a_job_that_had_the_key_does_not_skip(worker, row, how):
    """It lost it by a deploy or a deadlock, and is to be done: it waits."""
    job = work.using(concurrency_key="a", when_busy="skip").enqueue("first")
    attempt = attempts.begin(job.pk, worker)
    if how == "handed back":
        recovery.hand_back(worker, "stopped")
    elif how == "excused":
        recovery.excuse_attempt(job.pk, worker, None, "deadlock")
    else:
        refusal.refuse_begun(attempt, work.name, "does not fit")
    Job.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    attempts.begin(work.using(concurrency_key="a").enqueue("second").pk, uuid.uuid4())

    assert attempts.begin(job.pk, uuid.uuid4()) is None

    assert (row(job).state, row(job).reason) == ("pending", BUSY)


def test_a_job_that_skips_runs_when_the_key_is_free(worker):
    """It looks when it starts, not when it is enqueued."""
    job = work.using(concurrency_key="a", when_busy="skip").enqueue("only")

    assert attempts.begin(job.pk, worker) is not None


def test_a_skipped_job_counts_in_its_batch(busy):
    """Its batch finishes all the same."""
    with open_batch("b") as batch:
        job = work.using(concurrency_key="a", when_busy="skip", batch=batch).enqueue("second")

    attempts.begin(job.pk, uuid.uuid4())

    found = Batch.objects.get()
    assert (found.failed, found.finished_at is not None) == (1, True)


def test_the_same_message_twice_does_not_step_back(busy):
    """A duplicate of the job that holds the key is a duplicate, and changes nothing."""
    assert attempts.begin(busy.job_id, uuid.uuid4()) is None

    assert Job.objects.get().state == "running"
