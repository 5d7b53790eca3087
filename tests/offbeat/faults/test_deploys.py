"""Two versions of the code side by side, as in every rolling deploy, and back again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from offbeat.jobs.batches import open_batch
from offbeat.jobs.models import Batch, Job, Worker
from offbeat.jobs.producer import Call, enqueue, enqueue_many
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.versions import NEXT, changed, new
from tests.offbeat.support import axis
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.faults


def refused():
    return Job.objects.filter(state="pending", refused_at__isnull=False).count()


def assert_all_ran_once(faults, count):
    assert faults.repeated() == []
    ends = Job.objects.values_list("state", "attempt", "crashes").distinct()
    assert (list(ends), Job.objects.count()) == ([("succeeded", 1, 0)], count)


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("gevent",))
@pytest.mark.fault(
    "a deploy or a rollback: a worker's code does not have a task, or its arguments do not fit the signature"
)
def test_a_deploy_that_begins_with_web(faults):
    """New tasks, a changed signature and a batch of new jobs wait for the next version's worker, and say so; the rest goes on."""
    old = faults.quick_worker()
    enqueue_many(new(f"new-{number}") for number in range(30))
    enqueue_many(changed(f"changed-{number}") for number in range(30))
    with open_batch(
        "new", on_success=tasks.work.call("success"), on_failure=tasks.work.call("failure")
    ) as batch:
        enqueue_many(new(f"batch-{number}", batch_id=batch.pk) for number in range(10))
    wait_until(lambda: refused() == 70)
    tasks.work.enqueue("old")
    wait_until(lambda: faults.happened("old"))
    reasons = set(Job.objects.filter(state="pending").values_list("reason", flat=True))

    with faults.stack.other_version(NEXT):
        faults.quick_worker()
    wait_until(
        lambda: Batch.objects.filter(finished_at__isnull=False).exists()
    )  # then its follow-up is a job, too
    faults.wait_for_all()

    assert old.is_running
    assert reasons == {
        "waits for a worker that knows it: none here has the task tests.offbeat.faults.effects.tasks.arrive",
        f"waits for a worker that knows it: {tasks.change.name}(label) does not take its arguments: too many positional arguments",
    }
    assert_all_ran_once(faults, 72)
    assert (faults.happened("success"), faults.happened("failure")) == (1, 0)
    assert Batch.objects.get().finished_at is not None


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("gevent",))
@pytest.mark.fault(
    "a deploy or a rollback: a worker's code does not have a task, or its arguments do not fit the signature"
)
def test_both_versions_at_work(faults):
    """What either version enqueues is run, once, by a worker that knows it: also while both are busy."""
    faults.quick_worker()
    with faults.stack.other_version(NEXT):
        faults.quick_worker()

    for number in range(20):
        enqueue(new(f"new-{number}"))
        enqueue(changed(f"changed-{number}"))
        tasks.retire.enqueue(f"retired-{number}")
        tasks.change.enqueue(f"unchanged-{number}")
        tasks.work.enqueue(f"both-{number}", 0.02)
    faults.wait_for_all(120)

    assert_all_ran_once(faults, 100)


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("gevent",))
@pytest.mark.fault(
    "a deploy or a rollback: a worker's code does not have a task, or its arguments do not fit the signature"
)
def test_a_deploy_that_is_rolled_back(faults):
    """What the version before had enqueued waits for it, and runs when it is back."""
    with faults.stack.other_version(NEXT):
        newer = faults.quick_worker()
    for number in range(20):
        tasks.retire.enqueue(f"retired-{number}")
        tasks.change.enqueue(f"changed-{number}")
    wait_until(lambda: refused() == 40)
    newer.stop()

    faults.quick_worker()
    faults.wait_for_all()

    assert_all_ran_once(faults, 40)


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("gevent",))
@pytest.mark.fault(
    "a deploy or a rollback: a worker's code does not have a task, or its arguments do not fit the signature"
)
def test_a_task_that_nobody_knows(faults):
    """After `unknown_after` seconds without a worker that knows it, it is a dead letter; the worker goes on."""
    worker = faults.quick_worker(OFFBEAT_JOBS_UNKNOWN_AFTER="3")
    job = enqueue(new("nobody"))
    Job.objects.update(version="next")

    dead = faults.wait_for_state(job, "dead")

    assert dead.reason == (
        "waits for a worker that knows it: none here has the task tests.offbeat.faults.effects.tasks.arrive; "
        "no living worker has known it for 3 s (enqueued by version next)"
    )
    assert worker.is_running


@pytest.mark.brokers("rabbitmq", "sqs")
@pytest.mark.fault("a deploy enqueues thousands of jobs that the old workers do not know")
def test_a_burst_of_new_jobs(faults):
    """Thousands that the old worker does not know are refused beside its own work, and it does not take itself for stuck.

    Hundreds with SQS: the server in Amazon's place looks at every message that it has in each request.
    """
    many = 100 if axis.BROKER == "sqs" else 2_000
    worker = faults.quick_worker(OFFBEAT_JOBS_STUCK_AFTER="15")
    wait_until(Worker.objects.exists)
    enqueue_many(new(f"new-{number}") for number in range(many))

    for number in range(10):
        soon = timezone.now() + timedelta(seconds=0.3)
        tasks.work.using(run_at=soon).enqueue(f"old-{number}")
        wait_until(lambda n=number: faults.happened(f"old-{n}"), 30)
    wait_until(lambda: refused() == many, 120)

    assert worker.is_running
    assert "worker_stuck" not in worker.output


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
def test_a_job_of_a_task_that_is_none(faults):
    """Its class is Celery's own here, and would run it without arguments, again and again: it is refused, as an unknown one."""
    faults.quick_worker(OFFBEAT_JOBS_UNKNOWN_AFTER="3")
    job = enqueue(Call(tasks.be_plain.name, "default", 5, args=["plain"]))

    dead = faults.wait_for_state(job, "dead")

    assert dead.reason.startswith(
        f"waits for a worker that knows it: {tasks.be_plain.name} is not a DurableTask here"
    )
    assert faults.happened("plain", "start") == 0
