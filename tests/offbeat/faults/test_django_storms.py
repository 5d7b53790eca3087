"""Django's own tasks through the same faults: none lost, none done twice."""

from __future__ import annotations

import os
import signal

import pytest
from django.db import transaction

from offbeat.jobs import broker
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.support.polling import stays, wait_until

pytestmark = pytest.mark.faults


enqueue = tasks.work_by_django.enqueue


def assert_done_once(faults, count):
    """Nothing is lost and nothing doubled: as many labels as jobs, one effect each."""
    assert faults.repeated() == []
    assert Effect.objects.filter(what="done").count() == count
    assert Job.objects.filter(state="succeeded").count() == count


def test_a_killed_child(faults):
    """A Django task whose process is killed runs again, and its result tells of both attempts."""
    faults.quick_worker()
    result = enqueue("child", gate=faults.gate)
    faults.wait_for_start("child")

    os.kill(Effect.objects.get(label="child", what="start").pid, signal.SIGKILL)
    faults.wait_for_start("child", times=2)
    faults.open_gate()

    faults.wait_for_all()
    result.refresh()
    assert (result.status, result.attempts) == ("SUCCESSFUL", 2)
    assert_done_once(faults, 1)


def test_a_killed_worker(faults):
    """Django tasks of a worker that is killed with all its processes, running and waiting, are done by another."""
    first = faults.quick_worker()
    for number in range(20):  # a kill may come between an effect and the finish
        tasks.work_by_django.using(atomic=True).enqueue(f"{number}", 1)
    wait_until(lambda: Job.objects.filter(state="running").count() == 2)

    first.kill()
    faults.quick_worker(WORKER_CONCURRENCY="8")

    faults.wait_for_all()
    assert_done_once(faults, 20)


def test_an_emptied_redis(faults):
    """FLUSHALL with a hundred Django tasks waiting and two running: all are done, none twice."""
    faults.quick_worker()
    for number in range(2):
        enqueue(f"running-{number}", gate=faults.gate)
    faults.wait_for_start("running-1")
    for number in range(100):
        enqueue(f"{number}")

    with faults.redis.connect() as client:
        assert client.llen(broker.key("default")) > 50  # a worker has one or two of them in hand
        client.flushall()
    faults.open_gate()

    faults.wait_for_all()
    assert_done_once(faults, 102)


def test_a_deploy(faults):
    """SIGTERM in the middle of a Django task that is longer than the grace: it is due again, not counted, and done once."""
    worker = faults.quick_worker(OFFBEAT_JOBS_DRAIN="1")
    job = enqueue("long", gate=faults.gate)
    waiting = [enqueue(f"{number}", 0.5) for number in range(10)]
    faults.wait_for_start("long")

    assert worker.stop(20) == 0
    faults.open_gate()

    handed_back = Job.objects.get(pk=job.id)
    assert (handed_back.state in Job.STARTABLE, handed_back.crashes) == (True, 0)
    faults.quick_worker()
    faults.wait_for_all()
    assert_done_once(faults, 1 + len(waiting))


@pytest.mark.pools(weekly=("threads",))
def test_redis_down_at_enqueue(faults):
    """Django's enqueue needs no Redis: the result is there, READY, and the task runs when Redis is back."""
    faults.redis.kill()
    result = enqueue("kept")
    assert result.status == "READY"
    faults.redis.start()

    faults.quick_worker()

    faults.wait_for_all()
    result.refresh()
    assert result.status == "SUCCESSFUL"
    assert_done_once(faults, 1)


def enqueue_and_roll_back(label):
    with transaction.atomic():
        enqueue(label)
        transaction.set_rollback(True)


@pytest.mark.brokers(weekly=("rabbitmq",))
@pytest.mark.pools(weekly=("threads",))
def test_a_transaction_that_is_rolled_back(faults):
    """Neither a row nor a message is left of a Django task whose transaction failed, nor of a savepoint's; the rest runs."""
    faults.quick_worker()

    enqueue_and_roll_back("undone")
    with transaction.atomic():
        enqueue("kept")
        enqueue_and_roll_back("undone in a savepoint")
        stays(lambda: not faults.happened("kept", "start"), seconds=0.5)

    wait_until(lambda: faults.happened("kept"))
    faults.wait_for_all()
    assert_done_once(faults, 1)
