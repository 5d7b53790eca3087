"""Celery's hooks in a real worker: who calls them, how often, and with what."""

from __future__ import annotations

import pytest

from offbeat.jobs.models import Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.faults


def seen(label):
    return list(Effect.objects.filter(label=label).order_by("id").values_list("what", flat=True))


@pytest.mark.brokers(weekly=("rabbitmq",))
@pytest.mark.pools(weekly=("threads",))
def test_the_hooks_of_jobs(faults):
    """Once an attempt, around the task, and of a job whose process is killed once it is dead."""
    faults.quick_worker()
    good, bad = tasks.has_hooks.enqueue("good"), tasks.has_hooks.enqueue("bad", "raise")
    killed = tasks.has_hooks.enqueue("killed", "die")
    for job, state in ((good, "succeeded"), (bad, "dead"), (killed, "dead")):
        faults.wait_for_state(job, state)
    for label in ("good", "bad", "killed"):
        wait_until(lambda label=label: seen(label)[-1].startswith("after"))

    assert seen("good") == ["before_start", "start", "success good", "after SUCCESS"]
    assert seen("bad") == ["before_start", "start", "ValueError", "after FAILURE"]
    assert seen("killed") == [
        *["before_start", "start"] * 2,
        "WorkerLostError",
        "after FAILURE",
    ]


@pytest.mark.brokers(weekly=("rabbitmq",))
@pytest.mark.pools(weekly=("threads",))
def test_the_process_of_a_hook(faults):
    """The child that runs the task; after its last death, the worker's main process."""
    worker = faults.quick_worker()
    killed = tasks.has_hooks.enqueue("killed", "die")
    faults.wait_for_state(killed, "dead")
    wait_until(lambda: seen("killed")[-1].startswith("after"))

    last = Effect.objects.get(label="killed", what="WorkerLostError")
    assert last.pid == worker.pid


@pytest.mark.pools("threads", weekly=("gevent",))
def test_the_hook_of_an_exit(faults):
    """A process that has done its share runs the receivers of its exit before it ends: they send what waits to be sent."""
    worker = faults.worker("--concurrency", "1", "--max-tasks-per-child", "1")

    tasks.note_exit.enqueue("last")

    wait_until(lambda: faults.happened("last", "exit"))
    assert faults.wait_for_state(tasks.nothing.enqueue(), "succeeded").attempt == 1
    assert worker.stop(30) == 0


def test_children_that_exit_after_each_task(faults):
    """What comes meanwhile is done by another child, or the next one: nothing of it is charged, lost or begun twice."""
    worker = faults.worker("--concurrency", "2", "--max-memory-per-child", "1")

    for number in range(10):
        tasks.work.enqueue(f"job {number}")
        tasks.work.delay(f"plain {number}")

    wait_until(lambda: Effect.objects.filter(what="done").count() == 20, seconds=60)
    faults.wait_for_all()
    assert set(Job.objects.values_list("state", "attempt", "crashes")) == {("succeeded", 1, 0)}
    assert Effect.objects.filter(what="start").count() == 20
    assert worker.stop(30) == 0
