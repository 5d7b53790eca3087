"""Tasks of Django's in a real worker: its limits, its death, and another version of its code."""

from __future__ import annotations

import asyncio

import pytest

from offbeat.jobs.models import Job
from offbeat.jobs.producer import enqueue
from offbeat.jobs.tasks_backend import AttemptLostError
from offbeat.jobs.tasks_backend.calls import make_call
from tests.offbeat.jobs.tasks_backend import samples
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.faults
ARRIVE = "tests.offbeat.jobs.tasks_backend.samples.arrive"
NEXT = {
    "tests/offbeat/jobs/tasks_backend/samples.py": (
        "@task\ndef record(label):",
        '@task\ndef arrive(label):\n    note(label, "done")\n    return "arrived"\n\n\n@task\ndef record(label):',
    )
}


def ended(result, seconds=30):
    """Give a result when it has finished."""

    def is_finished():
        result.refresh()
        return result.is_finished

    wait_until(is_finished, seconds)
    return result


@pytest.mark.brokers(weekly=("rabbitmq",))
@pytest.mark.pools(weekly=("threads",))
def test_a_worker_runs_them(faults):
    """Sync and async ones, enqueued from either, and their log has their own names."""
    worker = faults.quick_worker()

    results = [
        samples.add.enqueue(1, two=2),
        samples.add_async.enqueue(1, two=2),
        asyncio.run(samples.add.aenqueue(1, 2)),
    ]

    assert [ended(result).return_value for result in results] == [3, 3, 3]
    assert len(set(results[0].worker_ids)) == 1
    wait_until(lambda: f"Task {samples.add_async.module_path}[{results[1].id}] succeeded" in worker.output)


def test_their_limits_are_their_own(faults):
    """The one task of Celery's that runs them all has none: the row's go with the message."""
    faults.quick_worker()

    soft = samples.sleep.enqueue(20, "soft")
    hard = samples.sleep_hard.using(max_attempts=1).enqueue(20)

    # One that passes before the task begins, as on a loaded machine, is excused.
    assert {error.exception_class.__name__ for error in ended(soft).errors} == {"SoftTimeLimitExceeded"}
    assert faults.happened("soft", "ended") == 1
    assert [(error.exception_class, error.traceback) for error in ended(hard).errors] == [
        (AttemptLostError, "hard time limit of 1 s exceeded")
    ]


@pytest.mark.brokers(weekly=("rabbitmq",))
@pytest.mark.pools(weekly=("threads",))
def test_a_task_that_kills_its_process(faults):
    """The death of its only attempt is its error."""
    faults.quick_worker()

    result = ended(samples.kill_itself.enqueue())

    assert (result.attempts, len(result.worker_ids[0])) == (1, 36)
    assert [error.traceback for error in result.errors] == ["its process died: signal 9 (SIGKILL)"]


@pytest.mark.brokers(weekly=("rabbitmq",))
@pytest.mark.pools(weekly=("threads",))
def test_another_version_of_the_code(faults):
    """A task that the worker's code lacks waits for the next version's worker, which takes it from the ledger."""
    old = faults.quick_worker(VERSION="1")
    call = make_call(samples.record, ["new"], {}, "default")
    job = enqueue(
        call.__class__(ARRIVE, call.queue, 5, args=["new"], runner=call.runner, options=call.options)
    )
    wait_until(lambda: Job.objects.get(pk=job.pk).refused_at)
    assert Job.objects.get(pk=job.pk).reason.endswith("samples has no task arrive here")

    with faults.stack.other_version(NEXT):
        faults.quick_worker(VERSION="2")
    done = faults.wait_for_state(job, "succeeded")

    assert old.is_running
    assert (done.result, done.attempt, faults.happened("new")) == ("arrived", 1, 1)
