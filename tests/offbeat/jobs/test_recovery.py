"""What ends an attempt from outside."""

import uuid

import pytest

from offbeat.jobs import attempts, recovery, signals
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects.tasks import nothing

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


@pytest.fixture
def running(worker):
    """A job that the worker executes, and its attempt."""
    job = nothing.enqueue()
    return job, attempts.begin(job.pk, worker)


def test_a_crashed_attempt_is_due_again(running, worker, row):
    """Charged as a crash, with its reason in the history."""
    job, attempt = running

    assert recovery.recover_attempt(job.pk, worker, None, "its process died: signal 9 (SIGKILL)") is True

    found = row(job)
    assert (found.state, found.crashes, found.retries) == ("pending", 1, 0)
    assert found.publish_at == found.due_at
    assert found.reason == "its process died: signal 9 (SIGKILL)"
    (entry,) = found.history
    assert (entry["attempt"], entry["outcome"], entry["reason"]) == (
        1,
        "crashed",
        "its process died: signal 9 (SIGKILL)",
    )
    with pytest.raises(attempts.FencedError):
        attempts.finish(attempt)


def test_only_its_own_process_can_crash_it(running, worker, row):
    """Told late of a process that died, when the job runs in another one, nothing changes."""
    job, _ = running

    assert recovery.recover_attempt(job.pk, uuid.uuid4(), None, "died") is False
    assert recovery.recover_attempt(job.pk, worker, row(job).pid + 1, "died") is False
    assert row(job).state == "running"


def test_it_is_told_once(running, worker, row):
    """The pool and the reconciler may both notice: one of them wins."""
    job, _ = running
    pid = row(job).pid

    told = [recovery.recover_attempt(job.pk, worker, pid, "died") for _ in range(2)]

    assert told == [True, False]
    assert row(job).crashes == 1


def test_a_job_that_has_ended_cannot_crash(running, worker, row):
    """Its process may die after the answer."""
    job, attempt = running
    attempts.finish(attempt)

    assert recovery.recover_attempt(job.pk, worker, None, "died") is False
    assert row(job).state == "succeeded"


def test_a_poison_job_ends_as_a_dead_letter(row, caplog):
    """After max_attempts, with a reason that a person can read, and monitoring is told."""
    heard = []

    def hear(sender, job_id, reason, **_):
        heard.append((sender, job_id, reason))

    signals.job_dead.connect(hear)
    job = nothing.enqueue()
    for _ in range(5):
        worker = uuid.uuid4()
        attempts.begin(job.pk, worker)
        recovery.recover_attempt(job.pk, worker, None, "its process died: signal 9 (SIGKILL)")
    signals.job_dead.disconnect(hear)

    found = row(job)
    assert (found.state, found.attempt, found.crashes, len(found.history)) == ("dead", 5, 5, 5)
    assert (
        found.reason
        == "5 of 5 attempts ended without an answer; the last: its process died: signal 9 (SIGKILL)"
    )
    assert found.finished_at is not None
    assert heard == [(nothing.name, job.pk, found.reason)]


def test_every_job_of_a_lost_worker_is_due_again(worker):
    """And nobody else's."""
    lost = [nothing.enqueue() for _ in range(3)]
    for job in lost:
        attempts.begin(job.pk, worker)
    other = nothing.enqueue()
    attempts.begin(other.pk, uuid.uuid4())

    assert recovery.recover_workers([worker], "lost") == 3

    assert set(Job.objects.filter(state="pending")) == set(lost)
    assert Job.objects.get(state="running") == other


def test_handing_back_is_not_charged(worker, row):
    """A deploy a minute must not kill a job that takes two."""
    job = nothing.enqueue()
    for _ in range(7):
        attempts.begin(job.pk, worker)
        assert recovery.hand_back(worker, "returned to the queue by a worker that stopped") == 1

    found = row(job)
    assert (found.state, found.crashes, found.attempt) == ("pending", 0, 7)
    assert {entry["outcome"] for entry in found.history} == {"handed back"}


def test_what_is_handed_back_is_fenced(running, worker):
    """The child that was killed cannot have the last word."""
    _, attempt = running

    recovery.hand_back(worker, "stopped")

    with pytest.raises(attempts.FencedError):
        attempts.finish(attempt)
