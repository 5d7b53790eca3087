"""Priorities with real workers: who is next, whose message was lost, and two releases side by side."""

import pytest

from offbeat.jobs import broker, relay
from offbeat.jobs.levels import LEVELS
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.faults

SPREAD = (100, 50, 1, 0, -1, -50, -100)
# A release without levels: it publishes into the list that a queue always had, and takes from kombu's four.
BEFORE = {
    "src/offbeat/jobs/levels.py": (
        "LEVELS = (-9, -6, -3, 0, 3, 6, 9)",
        "STEP, LEVELS = 0, (0, 3, 6, 9)",
    )
}


def started():
    return list(Effect.objects.filter(what="start").order_by("id").values_list("label", flat=True))


def assert_all_ran_once(faults, count):
    assert faults.repeated() == []
    assert list(Job.objects.values_list("state", "attempt").distinct()) == [("succeeded", 1)]
    assert Job.objects.count() == count
    wait_until(lambda: broker.waiting("default") == 0)  # second messages are taken, and start nothing


@pytest.mark.brokers(weekly=("sqs",))
@pytest.mark.pools(weekly=("threads",))
def test_an_urgent_job_is_next(faults):
    """Two hundred low ones wait: only those that the worker has in its hands begin before it. Plain messages keep kombu's order."""
    tasks.work.using(priority=-50).enqueue_many(((f"low-{number}", 0.1), {}) for number in range(200))
    tasks.work.apply_async(["plain low", 0.1], priority=9)
    tasks.work.apply_async(["plain", 0.1])
    faults.worker()
    faults.wait_for_start("low-3")

    tasks.work.using(priority=10).enqueue("urgent")
    begun = set(started())
    faults.wait_for_start("urgent")

    order = started()
    assert len(set(order[: order.index("urgent")]) - begun) <= 2
    assert order.index("plain") < order.index("low-3")


@pytest.mark.pools(weekly=("threads",))
@pytest.mark.fault("a message is popped from Redis and lost, or its worker dies before it starts the job")
def test_a_low_message_lost_in_the_hands_of_a_killed_worker(faults, held):
    """It is found by its own list, while urgent ones come and go: they neither hide it nor look lost themselves."""
    worker = faults.quick_worker()
    faults.wait_for_state(tasks.work.enqueue("before"), "succeeded")
    for child in worker.children():
        child.suspend()
    job = tasks.work.using(priority=-100).enqueue("lost")
    wait_until(lambda: broker.waiting("default") == 0)
    # Killed in the middle of exchanging the loss token, it would leave Redis as one that has lost everything.
    with held("SELECT 1 FROM offbeat_jobs_broker FOR UPDATE"):
        worker.kill()
    tasks.work.using(priority=100).enqueue_many(((f"other-{number}", 0.4), {}) for number in range(60))

    survivor = faults.quick_worker()
    survivor.wait_for("1 messages of queue default were lost")

    assert faults.unfinished() > 1
    faults.wait_for_all()
    assert faults.happened("lost", "start") == 1
    assert Job.objects.get(pk=job.pk).attempt == 1
    assert_all_ran_once(faults, 62)


@pytest.mark.pools(weekly=("threads",))
def test_urgent_jobs_with_a_worker_of_the_release_before(faults):
    """It does not look into the new lists: it finds those jobs missing, and runs them once, alone or beside a new worker."""
    with faults.stack.other_version(BEFORE):
        faults.quick_worker()
    for priority in SPREAD:
        tasks.work.using(priority=priority).enqueue(f"first {priority}")
    faults.wait_for_all()
    assert faults.repeated() == []

    faults.quick_worker()
    for number in range(20):
        for priority in SPREAD:
            tasks.work.using(priority=priority).enqueue(f"{number} {priority}", 0.02)
    faults.wait_for_all()

    assert_all_ran_once(faults, 21 * len(SPREAD))


@pytest.mark.pools(weekly=("threads",))
def test_jobs_of_the_release_before_with_a_new_worker(faults, monkeypatch):
    """Their messages are in the list that a queue always had, whatever their rows say: each runs once."""
    monkeypatch.setattr(relay, "level_of", lambda _: 0)
    for priority in SPREAD:
        tasks.work.using(priority=priority).enqueue(f"{priority}", 0.2)
    with faults.redis.connect() as client:
        assert client.llen(broker.key("default")) == len(SPREAD)

    faults.quick_worker()
    faults.wait_for_all()

    assert_all_ran_once(faults, len(SPREAD))


@pytest.mark.pools(weekly=("threads",))
@pytest.mark.fault("Redis is emptied, or restarts without its data")
def test_redis_loses_all_levels(faults):
    """FLUSHALL with jobs of each level: all are done, none twice, each published in its own list again."""
    faults.quick_worker()
    tasks.work.enqueue("busy")
    faults.wait_for_all()
    for priority in SPREAD:
        tasks.work.using(priority=priority).enqueue_many(
            ((f"{priority} {number}", 0.05), {}) for number in range(20)
        )

    with faults.redis.connect() as client:
        client.flushall()
        wait_until(lambda: client.llen(broker.key(broker.list_name("default", LEVELS[-1]))), seconds=30)

    faults.wait_for_all()
    assert_all_ran_once(faults, 1 + 20 * len(SPREAD))
