"""A worker that lives and does not consume: it leaves, so that the platform starts another."""

from __future__ import annotations

import pytest
from celery import current_app

from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.support.polling import stays

pytestmark = pytest.mark.faults


@pytest.mark.brokers(weekly=("rabbitmq",))
@pytest.mark.fault("a consumer is connected and receives nothing")
def test_a_worker_that_stopped_consuming(faults):
    """Messages wait, slots are free, nothing starts: the worker leaves with its reason, and the next one does the work."""
    worker = faults.quick_worker(WORKER_REMOTE_CONTROL="true", OFFBEAT_JOBS_STUCK_AFTER="4")
    faults.wait_for_state(tasks.work.enqueue("before"), "succeeded")
    with current_app.connection() as own:  # that of the pool may be to the Redis of an earlier test
        replies = current_app.control.cancel_consumer("default", reply=True, timeout=10, connection=own)
    assert "no longer consuming from default" in str(replies)

    job = tasks.work.enqueue("after")

    assert worker.wait(30) == 0
    assert (
        "stopping: messages wait in default, processes are free, and nothing has started for" in worker.output
    )
    faults.quick_worker()
    faults.wait_for_state(job, "succeeded")


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
def test_a_worker_that_is_merely_busy(faults):
    """A worker whose slots are all taken by long jobs stays, however long others wait."""
    # Two looks are far apart: the third job is taken in between, also on a loaded machine.
    worker = faults.quick_worker(OFFBEAT_JOBS_STUCK_AFTER="2", OFFBEAT_JOBS_RECONCILE_INTERVAL="3")
    for number in range(3):
        tasks.work.enqueue(f"{number}", gate=faults.gate)

    stays(lambda: worker.is_running, seconds=8)
    faults.open_gate()

    faults.wait_for_all()
    assert worker.is_running


@pytest.mark.brokers("rabbitmq", weekly=("sqs",))
def test_a_worker_that_looks_for_garbage(faults):
    """What a worker has loaded is no matter of the garbage collector, whose rounds over it would stop everything for a while."""
    faults.worker()

    faults.wait_for_state(tasks.count_frozen.enqueue("frozen"), "succeeded")

    assert int(Effect.objects.get(label="frozen").what) > 100_000
