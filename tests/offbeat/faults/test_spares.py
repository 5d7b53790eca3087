"""Messages that a worker has taken before it has a child for them."""

from __future__ import annotations

import json

import pytest
from django.db import transaction

from offbeat.jobs import broker
from offbeat.jobs.models import Job
from offbeat.jobs.producer import enqueue_many
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.versions import NEXT, new
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.faults

SHORT = 50  # jobs before a long one: the last of them is nearly always short enough for another message to be taken
BEHIND = 3
REFUSED, ENOUGH = 30, 500  # jobs, and others that keep a worker busy


class Rounds:
    """Short jobs, then one that takes until its gate is opened, then others."""

    def __init__(self, faults):
        self.faults = faults
        self.number = 0

    def is_behind_taken(self):
        """Begin a round, and tell whether one of the others was taken and is back; on a slow machine no job is short."""
        self.open_gate()
        self.number += 1
        self.gate = self.faults.stack.folder / f"gate-{self.number}"
        with transaction.atomic():
            tasks.nothing.enqueue_many([((), {})] * SHORT)
            self.long = tasks.work.enqueue(f"long {self.number}", gate=str(self.gate))
            self.behind = [tasks.work.enqueue(f"behind {self.number} {each}") for each in range(BEHIND)]
        self.faults.wait_for_start(f"long {self.number}")
        wait_until(lambda: broker.waiting("default") == BEHIND)
        return any(message["headers"].get("redelivered") for message in self.messages())

    def messages(self):
        """Give those that wait, first that which will be taken next."""
        waiting = broker.client().lrange(broker.key("default"), 0, -1)
        return [json.loads(message) for message in reversed(waiting)]

    def open_gate(self):
        if self.number:
            self.gate.touch()
            self.faults.wait_for_all()


def test_what_waits_behind_a_long_job_goes_back_to_its_queue(faults):
    """At once, and in its order: it is not for the reconciler to find that a worker keeps it."""
    worker = faults.worker(WORKER_CONCURRENCY="1")
    rounds = Rounds(faults)

    wait_until(rounds.is_behind_taken, seconds=120)

    waiting = [message["headers"]["id"] for message in rounds.messages()]
    assert waiting == [str(job.pk) for job in rounds.behind]
    faults.worker(WORKER_CONCURRENCY="1")
    wait_until(lambda: {Job.objects.get(pk=job.pk).state for job in rounds.behind} == {"succeeded"})
    assert Job.objects.get(pk=rounds.long.pk).state == "running"
    rounds.open_gate()
    assert faults.repeated() == []
    assert set(Job.objects.values_list("attempt", "reason")) == {(1, "")}
    assert worker.stop(30) == 0


def test_a_worker_that_is_never_idle_takes_what_other_code_has_refused(faults):
    """It has room for such a job although messages wait for its child all the time."""
    old = faults.quick_worker()
    enqueue_many(new(f"new {number}") for number in range(REFUSED))
    wait_until(lambda: Job.objects.filter(refused_at__isnull=False).count() == REFUSED)
    old.stop(30)
    tasks.nothing.enqueue_many([((), {})] * ENOUGH)
    with faults.stack.other_version(NEXT):
        faults.quick_worker(WORKER_CONCURRENCY="1")

    def is_done():
        if broker.waiting("default") < ENOUGH:
            tasks.nothing.enqueue_many([((), {})] * ENOUGH)
        return Job.objects.filter(state="succeeded", task__endswith=".arrive").count() == REFUSED

    wait_until(is_done, seconds=60)
    assert broker.waiting("default")
    assert faults.repeated() == []
