"""Pauses with real workers, which are killed, and a Redis that is emptied: nothing starts, nothing is lost, all go on in order."""

from __future__ import annotations

import time

import pytest

from offbeat.jobs import broker, pauses
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.support.fixtures import empty
from tests.offbeat.support.polling import stays, wait_until

pytestmark = pytest.mark.faults


def pause(kind, name):
    pauses.pause(kind, name, "a test", "alice", is_known=True)


def begun(*labels):
    """The labels of which an attempt has begun, in the order in which they did."""
    found = Effect.objects.filter(what="start", label__in=labels).order_by("id")
    return list(found.values_list("label", flat=True))


def is_in_order(found, labels):
    """Tell whether the order is what docs/offbeat/brokers.md promises.

    With RabbitMQ what workers had taken comes behind the rest, both the oldest first; SQS has no order.
    """
    if broker.has_redis():
        return found == labels
    if broker.name() == "RabbitMQ":
        first = labels.index(found[0])
        return found == labels[first:] + labels[:first]
    return sorted(found) == sorted(labels)


def wait_until_left_alone(queue):
    """Return when the workers take no more messages of a queue: one that has come stays in Redis."""
    probe, since = tasks.nothing.using(queue=queue).enqueue(), time.monotonic()
    while time.monotonic() - since < 4:
        if Job.objects.get(pk=probe.pk).state != "published":
            probe, since = tasks.nothing.using(queue=queue).enqueue(), time.monotonic()
        time.sleep(0.05)


@pytest.mark.brokers("rabbitmq", weekly=("sqs",))
def test_a_queue_is_paused_and_goes_on(faults):
    """What runs ends; jobs and plain messages that come wait, the former uncounted; other queues go on; then all in order.

    Its messages wait in Redis for longer than its consumer may be without a start: the worker does not take itself for stuck.
    """
    worker = faults.quick_worker(WORKER_CONCURRENCY="1", OFFBEAT_JOBS_STUCK_AFTER="6")
    running = tasks.work.enqueue("running", gate=faults.gate)
    faults.wait_for_start("running")
    pause("queue", "default")
    labels = [f"{number}" for number in range(12)]
    jobs = [tasks.work.enqueue(label) for label in labels]
    faults.open_gate()
    faults.wait_for_state(running, "succeeded")
    wait_until_left_alone("default")
    tasks.work.delay("plain")
    other = tasks.work.using(queue="mail").enqueue("other")
    faults.wait_for_state(other, "succeeded")

    stays(lambda: begun("plain", *labels) == [], seconds=8)
    assert Job.objects.filter(pk__in=[job.pk for job in jobs], attempt=0, finished_at=None).count() == len(
        jobs
    )
    assert worker.is_running
    pauses.resume("queue", "default")
    faults.wait_for_all()
    faults.wait_for_start("plain")

    assert is_in_order(begun(*labels), labels)
    assert faults.repeated() == []
    assert worker.is_running


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
def test_a_task_is_paused_and_goes_on(faults):
    """Its messages are taken, and no attempt is counted; they are published once more in the end, and other tasks pass by."""
    faults.quick_worker(WORKER_CONCURRENCY="1")
    pause("task", tasks.work.name)
    labels = [f"{number}" for number in range(12)]
    jobs = [tasks.work.enqueue(label) for label in labels]
    faults.wait_for_state(tasks.nothing.enqueue(), "succeeded")
    wait_until(lambda: broker.waiting("default") == 0)

    stays(lambda: broker.waiting("default") == 0 and begun(*labels) == [], seconds=2)
    found = Job.objects.filter(pk__in=[job.pk for job in jobs])
    assert set(found.values_list("attempt", "state", "reason")) == {
        (0, "pending", f"paused: task {tasks.work.name}")
    }
    pauses.resume("task", tasks.work.name)
    faults.wait_for_all()

    assert is_in_order(begun(*labels), labels)
    assert faults.repeated() == []


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("gevent",))
@pytest.mark.fault("workers are killed, or Redis is emptied, while queues and tasks are paused")
def test_pauses_in_a_storm(faults):
    """Workers are killed and Redis is emptied while pauses come and go: nothing starts meanwhile, and all have run once in the end.

    Two operators end each of them at once, and a worker that has been started meanwhile finds it in the ledger.
    """
    workers = [faults.quick_worker() for _ in range(2)]
    labels = [f"{number}" for number in range(40)]
    tasks.work_atomically.enqueue_many(((label, 0.05), {}) for label in labels)
    Job.objects.update(max_attempts=1000)  # the storm is to blame, not the jobs
    for turn, (kind, name) in enumerate([("queue", "default"), ("task", tasks.work_atomically.name)]):
        wait_until(lambda turn=turn: Effect.objects.filter(what="done").count() >= 10 * (turn + 1))
        pause(kind, name)
        started = Job.objects.filter(attempt__gt=0).count()
        workers[turn].kill()
        empty(faults.carrier)
        workers[turn] = faults.quick_worker()
        wait_until(lambda: not Job.objects.filter(state="running").exists())
        assert Job.objects.filter(attempt__gt=0).count() == started
        assert sum(pauses.resume(kind, name) for _ in range(2)) == 1
    faults.wait_for_all(90)

    assert Effect.objects.filter(what="done").count() == len(labels)
    assert faults.repeated() == []
    assert set(Job.objects.values_list("state", flat=True)) == {"succeeded"}
