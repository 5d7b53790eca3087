"""Everything at once, at random: deploys back and forth, kills, frozen machines, lost connections, an emptied Redis, others.

`PYTEST_CHAOS_SECONDS=300 PYTEST_CHAOS_SEED=7 ./run test tests/offbeat/faults/test_chaos.py` is the long one; the seed is printed.
"""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from django.db import connection
from django.db.models import Count

from offbeat.deployment.spec import read
from offbeat.jobs import broker
from offbeat.jobs.batches import open_batch
from offbeat.jobs.models import Batch, Job
from offbeat.jobs.producer import Call, enqueue, enqueue_many
from tests.offbeat.faults.conftest import QUICK
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.faults.versions import NEXT, changed, new
from tests.offbeat.support.polling import wait_until

SECONDS = float(os.environ.get("PYTEST_CHAOS_SECONDS", "30"))
SEED = int(os.environ.get("PYTEST_CHAOS_SEED", "20261126"))
RATE = 34  # jobs a second: ten thousand in five minutes
WORKERS = 3
OPTIONS = QUICK | {"WORKER_CONCURRENCY": "2", "VISIBILITY_TIMEOUT": "6", "WORKER_GRACE": "20"}

pytestmark = [pytest.mark.faults, pytest.mark.storm, pytest.mark.timeout(SECONDS + 400)]


class Chaos:
    """Workers of two versions on one ledger, a second deployment beside it on the same Redis, and what happens to them."""

    def __init__(self, faults, other_deployment):
        self.faults = faults
        self.other_deployment = other_deployment
        self.of_other_deployment = 0
        self.dice = random.Random(SEED)
        self.workers = []
        self.frozen = []
        self.counts = {}
        self.enqueued = 0

    def start(self, version):
        if version == "next":
            with self.faults.stack.other_version(NEXT):
                self.workers.append(self._start())
        else:
            self.workers.append(self._start())

    def _start(self):
        stack = self.faults.stack
        beat = str(stack.folder / f"beat-{len(stack.running)}")
        return stack.start(
            "worker", read().service("worker").argv, **OPTIONS, OFFBEAT_JOBS_HEARTBEAT_FILE=beat
        )

    # What happens

    def deploy(self):
        """Replace a worker by one of either version, as a platform does."""
        self.start(self.dice.choice(["next", "this"]))
        self.one().signal(signal.SIGTERM)

    def kill(self):
        worker = self.one()
        worker.kill()
        self.start(self.dice.choice(["next", "this"]))

    def kill_a_child(self):
        children = self.one().children()
        if children:
            self.dice.choice(children).kill()

    def freeze(self):
        worker = self.one()
        worker.pause()
        self.frozen.append((time.monotonic() + self.dice.uniform(2, 10), worker))
        self.start(self.dice.choice(["next", "this"]))

    def cut(self):
        """Close every connection to Redis."""
        with self.faults.redis.connect() as client:
            client.client_kill_filter(_type="normal", skipme=True)

    def empty_redis(self):
        with self.faults.redis.connect() as client:
            client.flushall()

    def restart_redis(self):
        self.faults.redis.restart()

    def end_sessions(self):
        """End every session of PostgreSQL but ours, as a failover does."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    EVENTS = (
        deploy,
        deploy,
        kill,
        kill_a_child,
        kill_a_child,
        freeze,
        cut,
        empty_redis,
        restart_redis,
        end_sessions,
    )

    def one(self):
        """Take a worker out of those that run."""
        self.workers = [worker for worker in self.workers if worker.is_running]
        if not self.workers:
            self.start("this")
        return self.workers.pop(self.dice.randrange(len(self.workers)))

    def thaw(self):
        for until, worker in [each for each in self.frozen if each[0] < time.monotonic()]:
            self.frozen.remove((until, worker))
            worker.resume()
            self.workers.append(worker)

    # What there is to do

    def enqueue(self):
        number, self.enqueued = self.enqueued, self.enqueued + 1
        label = f"{number}"
        if (
            number % 8 == 0
        ):  # its message is sent under our prefix, so that a worker of ours takes it for another ledger's
            with self.other_deployment:
                tasks.work_atomically.enqueue(f"other_deployment {number}")
            self.of_other_deployment += 1
        kind = self.dice.randrange(8)
        if kind == 0:
            enqueue(new(label))
        elif kind == 1:
            enqueue(changed(label))
        elif kind == 2:
            tasks.retire.enqueue(label)
        elif kind == 3:
            tasks.change.enqueue(label)
        elif kind == 4:
            tasks.work_atomically.using(concurrency_key=f"key {number % 5}").enqueue(label, 0.02)
        elif kind == 5 and number % 5 == 0:
            with open_batch(label, on_success=tasks.work_atomically.call(f"{label} followed")) as batch:
                enqueue_many([new(label, batch_id=batch.pk), self.work(f"{label} b", batch_id=batch.pk)])
            self.enqueued += 1  # two jobs
        else:
            tasks.work_atomically.enqueue(label, self.dice.uniform(0, 0.3))
        broker.breaker.close()

    @staticmethod
    def work(label, **options):
        return Call(tasks.work_atomically.name, "default", 5, args=[label], **options)

    def run(self, seconds):
        begun = time.monotonic()
        next_event = begun + 3
        while (now := time.monotonic()) < begun + seconds:
            if self.enqueued < (now - begun) * RATE:
                self.enqueue()
            if now >= next_event:
                event = self.dice.choice(self.EVENTS)
                event(self)
                self.counts[event.__name__] = self.counts.get(event.__name__, 0) + 1
                next_event = now + self.dice.uniform(1, 4)
                while sum(worker.is_running for worker in self.workers) < WORKERS:
                    self.start(self.dice.choice(["next", "this"]))
            self.thaw()
            time.sleep(0.002)  # the pace of the one who enqueues

    def calm_down(self):
        """Let what is frozen go on, and leave a worker of each version."""
        for _, worker in self.frozen:
            worker.resume()
        self.start("next")
        self.start("this")


def check(jobs):
    """Tell that each of so many jobs has succeeded, and happened, once."""
    twice = Effect.objects.filter(what="done").values("label").annotate(times=Count("id")).filter(times__gt=1)
    unwell = Job.objects.exclude(state="succeeded").values_list(
        "state", "task", "attempt", "crashes", "reason"
    )
    assert list(unwell) == []
    assert list(twice) == []
    assert Effect.objects.filter(what="done").count() == jobs == Job.objects.count()


def test_chaos(faults, staging):
    """None lost, none recorded twice, none buried that a living worker knew; every batch is followed once.

    Beside it, on the same Redis, another ledger works: under a prefix of its own where the seed is even, else under the same.
    """
    if SEED % 2 == 0:
        staging.stack.environment["REDIS_PREFIX"] = "offbeat-staging"
    chaos = Chaos(faults, staging)
    other_deployment = staging.worker(**OPTIONS)
    chaos.start("this")
    chaos.start("next")
    chaos.run(SECONDS)
    chaos.calm_down()

    try:
        wait_until(lambda: faults.unfinished() == 0, 240, pause=0.5)
        wait_until(lambda: not Batch.objects.filter(finished_at=None).exists(), 60)
        wait_until(lambda: faults.unfinished() == 0, 60)
        # Under one prefix they take the other's messages, each of which costs it some seconds.
        for worker in chaos.workers:
            worker.kill()
        wait_until(staging.is_done, 240, pause=0.5)
    finally:
        print(
            f"seed {SEED}, {SECONDS:g} s: {chaos.enqueued} and {chaos.of_other_deployment} enqueued; {chaos.counts}"
        )
        print(Job.objects.values_list("state").annotate(jobs=Count("id")), other_deployment.is_running)
    check(chaos.enqueued + Batch.objects.count())
    with staging:
        check(chaos.of_other_deployment)
