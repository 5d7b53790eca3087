"""Messages that no worker can take: put aside with the reason, while the worker goes on."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter

import pytest

from offbeat.jobs import broker, unreadable_store
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.fuzz import Fuzz
from tests.offbeat.faults.shapes import SHAPES, plain
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.faults


def put_aside():
    return sum(unreadable_store.counts().values())


@pytest.mark.fault(
    "a message that no worker can read: garbage, wrong types in headers or body, nested a thousand levels deep"
)
def test_every_shape(faults):
    """Each of them is put aside, counted, with a reason; one worker does that, and the jobs before, between and after them."""
    assert len(SHAPES) >= 75
    worker = faults.quick_worker()
    tasks.work.enqueue("before")
    with faults.redis.connect() as client:
        for number, (name, raw) in enumerate(SHAPES.items(), start=1):
            print("now:", name)
            client.lpush(broker.key("default"), raw)
            wait_until(lambda known=number: not worker.is_running or put_aside() == known)

    assert worker.is_running
    tasks.work.enqueue("after")
    faults.wait_for_all()
    assert (faults.happened("before"), faults.happened("after")) == (1, 1)
    assert len(unreadable_store.kept()) == put_aside() == len(SHAPES)
    assert all(one.reason for one in unreadable_store.kept())
    assert worker.stop() == 0  # nothing of them is in hand: a stopping worker waits for that


@pytest.mark.fault("a job's message contains more than the job's id: arguments, limits, retries, times")
def test_a_job_is_what_its_row_says(faults):
    """Whatever else stands in its message: arguments, times, limits, retries, callbacks, an odd body."""
    changes = {"eta": "2999-01-01T00:00:00", "expires": "2001-01-01T00:00:00", "retries": "x", "timelimit": [0.1, 0.1], "stamps": 5,
               "compression": "application/x-gzip", "callbacks": 5, "published_at": "x", "shadow": {}}  # fmt: skip
    job = tasks.work.enqueue("a job", 1)
    with faults.redis.connect() as client:
        message = json.loads(client.rpop(broker.key("default")))
        message["headers"] |= changes
        message["body"] = plain(body=[["another label"], {}, {"errbacks": [5]}])["body"]
        client.lpush(broker.key("default"), json.dumps(message))

    faults.worker()

    assert faults.wait_for_state(job, "succeeded").attempt == 1
    assert (faults.happened("a job"), faults.happened("another label"), put_aside()) == (1, 0, 0)


@pytest.mark.fault("a message that names another task than its job has")
def test_the_code_of_another_task(faults):
    """A message that names another task than its job's runs nothing; the job is published again, and done by its own code."""
    job = tasks.work.enqueue("a job")
    with faults.redis.connect() as client:
        message = json.loads(client.rpop(broker.key("default")))
        message["headers"]["task"] = tasks.kill_itself.name
        client.lpush(broker.key("default"), json.dumps(message))

    faults.quick_worker()

    assert faults.wait_for_state(job, "succeeded").attempt == 1
    assert (faults.happened("a job", "start"), faults.happened("a job")) == (1, 1)


@pytest.mark.fault("garbage in kombu's records of unacknowledged messages (`unacked`)")
def test_records_that_cannot_be_read(faults):
    """Garbage in kombu's records of messages in hand ends no worker as it starts, and keeps no message of a dead one there."""
    first = faults.worker(VISIBILITY_TIMEOUT="6")
    tasks.work.delay("plain", gate=faults.gate)
    faults.wait_for_start("plain")
    with faults.redis.connect() as client:
        for number, raw in enumerate(["hello", "[]", "[1, 2, 3]", '[{}, "", "default"]']):
            client.hset(broker.key("unacked"), f"odd {number}", raw)
            client.zadd(broker.key("unacked_index"), {f"odd {number}": 1})
    first.kill()

    second = faults.worker(VISIBILITY_TIMEOUT="6")

    faults.wait_for_start("plain", times=2, seconds=60)
    assert second.is_running
    assert put_aside() == 4


@pytest.mark.fault(
    "a message that no worker can read: garbage, wrong types in headers or body, nested a thousand levels deep"
)
def test_random_messages(faults):
    """Whatever comes at random, for PYTEST_FUZZ_SECONDS (10), one worker takes it, and does the jobs in between."""
    seed = int(os.environ.get("PYTEST_FUZZ_SEED") or random.randrange(10**9))
    print(f"to send the same: PYTEST_FUZZ_SEED={seed}")
    fuzz, worker, sent = Fuzz(seed), faults.quick_worker(), 0
    deadline = time.monotonic() + float(os.environ.get("PYTEST_FUZZ_SECONDS") or 10)
    with faults.redis.connect() as client:
        while time.monotonic() < deadline:
            batch = [fuzz.message() for _ in range(500)]
            client.lpush(broker.key("default"), *batch[::2])
            client.lpush(broker.key("mail"), *batch[1::2])
            sent += len(batch)
            job = tasks.work.enqueue(f"job {sent}")
            wait_until(lambda known=job: not worker.is_running or done(known), seconds=60)
            assert worker.is_running
    print(
        f"{sent} messages, {put_aside()} put aside: {Counter(one.reason[:30] for one in unreadable_store.kept())}"
    )

    assert 0 < put_aside() < sent
    both_slots_are_free(faults)
    assert worker.stop(60) == 0  # nothing of them is in hand: a stopping worker waits for that


def done(job):
    return Job.objects.get(pk=job.pk).state == "succeeded"


def both_slots_are_free(faults):
    """Two jobs run side by side: no message has taken a slot with it."""
    for label in ("left", "right"):
        tasks.work.enqueue(label, gate=faults.gate)
    wait_until(lambda: faults.happened("left", "start") + faults.happened("right", "start") == 2)
    assert (faults.happened("left"), faults.happened("right")) == (0, 0)
    faults.open_gate()
