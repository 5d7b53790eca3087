"""Workers come and go at random under load: the promise of the whole, and what plain Celery does in the same storm."""

from __future__ import annotations

import random
import time

import pytest
from django.db.models import Count

from offbeat.deployment.spec import read
from offbeat.jobs import broker
from offbeat.jobs.models import Job
from tests.offbeat.faults.conftest import QUICK
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.support.polling import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.storm, pytest.mark.timeout(400)]

SEED = 20261120
JOBS = 900
DJANGOS = JOBS // 3  # enqueued through django.tasks
SECONDS = 25
WORKERS = 10
OPTIONS = {"WORKER_CONCURRENCY": "1", "VISIBILITY_TIMEOUT": "6"} | QUICK


class Storm:
    """Ten workers, one of which is killed with all its processes about every second, and replaced."""

    def __init__(self, faults):
        self.faults = faults
        self.dice = random.Random(SEED)
        self.kills = 0
        self.workers = [self.new_worker() for _ in range(WORKERS)]

    def new_worker(self):
        stack = self.faults.stack
        beat = str(stack.folder / f"beat-{len(stack.running)}")
        return stack.start(
            "worker", read().service("worker").argv, **OPTIONS, OFFBEAT_JOBS_HEARTBEAT_FILE=beat
        )

    def rage(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self.dice.uniform(0.5, 1.5))  # the storm's own pace
            place = self.dice.randrange(WORKERS)
            self.workers[place].kill()
            self.workers[place] = self.new_worker()
            self.kills += 1


def done(kind):
    """Count the labels whose effect happened, and the effects beyond the first of each."""
    found = Effect.objects.filter(what="done", label__startswith=kind).aggregate(
        labels=Count("label", distinct=True), all=Count("id")
    )
    return found["labels"], found["all"] - found["labels"]


def messages_of_plain_tasks():
    in_hand = broker.client().hlen(broker.key("unacked")) if broker.has_redis() else 0
    return broker.waiting("mail") + in_hand


@pytest.mark.brokers(weekly=("rabbitmq",))
@pytest.mark.fault("the whole worker is killed, and another one runs")
def test_a_storm(faults):
    """900 jobs while ten workers are killed and started at random for 25 s: 900 effects, none lost, none twice.

    A third of them are Django's own. As many plain tasks, in the other queue, go through the same storm. What becomes of them is
    luck, and printed beside.
    """
    tasks.work_atomically.enqueue_many(((f"job-{number}", 0.1), {}) for number in range(JOBS - DJANGOS))
    for number in range(DJANGOS):
        tasks.work_by_django.using(atomic=True).enqueue(f"job-django-{number}", 0.1)
    Job.objects.update(max_attempts=1000)  # the storm is to blame, not the jobs
    for number in range(JOBS):
        tasks.work.apply_async((f"plain-{number}", 0.1), queue="mail")

    storm = Storm(faults)
    storm.rage(SECONDS)

    faults.wait_for_all(seconds=150)
    wait_until(lambda: messages_of_plain_tasks() == 0, seconds=150, pause=0.5)
    for name, kind in (("durable jobs", "job"), ("plain .delay()", "plain")):
        once, more = done(kind)
        print(f"{name}: {JOBS - once} lost, {more} twice, after {storm.kills} kills")
    once, more = done("job-django")
    print(f"of them by Django's enqueue: {DJANGOS - once} lost, {more} twice")
    assert storm.kills > 15
    assert done("job") == (JOBS, 0)
    assert Job.objects.filter(state="succeeded").count() == JOBS
