"""Messages that a worker has taken before it has a child for them."""

from __future__ import annotations

import json

import pytest
from django.db import transaction

from offbeat.jobs import broker
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.faults

SHORT = 50  # jobs before a long one: the last of them is nearly always short enough for another message to be taken
BEHIND = 3


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
        before = self.returned()
        with transaction.atomic():
            tasks.nothing.enqueue_many([((), {})] * SHORT)
            self.long = tasks.work.enqueue(f"long {self.number}", gate=str(self.gate))
            self.behind = [tasks.work.enqueue(f"behind {self.number} {each}") for each in range(BEHIND)]
        self.faults.wait_for_start(f"long {self.number}")
        wait_until(lambda: broker.waiting("default") == BEHIND)
        return self.returned() > before

    @staticmethod
    def returned():
        """Give how often a message was put at the head of a list: nothing else does that."""
        return broker.client().info("commandstats").get("cmdstat_rpush", {}).get("calls", 0)

    def messages(self):
        """Give those that wait, first that which will be taken next."""
        waiting = broker.client().lrange(broker.key("default"), 0, -1)
        return [json.loads(message) for message in reversed(waiting)]

    def open_gate(self):
        if self.number:
            self.gate.touch()
            self.faults.wait_for_all()


@pytest.mark.pools("threads", weekly=("gevent",))
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
