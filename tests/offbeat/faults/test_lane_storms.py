"""Workers whose pool is threads or greenlets, while their process is killed, stands still or begins: what is counted, and when."""

from __future__ import annotations

import pytest

from offbeat.jobs import broker
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.faults.test_lanes import lanes_process
from tests.offbeat.support.polling import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.pools("threads", "gevent", only=True)]


@pytest.mark.fault("a worker's process of threads or greenlets dies with several jobs")
def test_a_process_killed_with_jobs_that_have_not_begun(faults):
    """They are due again at once, as nobody else has their messages, and nothing is counted; what has begun counts."""
    worker = faults.quick_worker("--concurrency", "10", OFFBEAT_JOBS_LOST_MESSAGE_AFTER="3600")
    begun = tasks.work.enqueue("begun", gate=faults.gate)
    faults.wait_for_start("begun")
    process = lanes_process(worker)
    process.suspend()
    unbegun = [tasks.work.enqueue(f"unbegun {number}") for number in range(5)]
    wait_until(lambda: broker.waiting("default") == 0)

    process.kill()
    faults.open_gate()

    for job in unbegun:
        found = faults.wait_for_state(job, "succeeded")
        assert (found.attempt, found.crashes, found.history) == (1, 0, [])
    assert faults.wait_for_state(begun, "succeeded").crashes == 1
    assert faults.repeated() == []


@pytest.mark.fault(
    "a greenlet computes for long, so no other greenlet of its process runs",
    "a task passes its hard time limit",
)
def test_limits_behind_one_that_lets_nobody_begin(faults):
    """Time limits begin with the task also where another one keeps it from beginning for longer than they are."""
    worker = faults.quick_worker("--concurrency", "10", OFFBEAT_JOBS_LOST_MESSAGE_AFTER="3600")
    hog = tasks.hold_the_interpreter_for.enqueue("hog", 16)  # and for longer than others get to finish
    faults.wait_for_start("hog")

    behind = [tasks.work_briefly.enqueue(f"behind {number}") for number in range(5)]

    for job in (hog, *behind):
        found = faults.wait_for_state(job, "succeeded", 60)
        assert (found.attempt, found.crashes, found.excused) == (1, 0, 0)
    assert "time limit" not in worker.output


@pytest.mark.fault("a worker's process of threads or greenlets dies with several jobs")
def test_long_jobs_of_a_killed_process(faults):
    """They run alone, a few at a time, and do not keep the worker from all others for as long as that takes."""
    worker = faults.quick_worker("--concurrency", "8")
    long = [tasks.work.enqueue(f"long {number}", gate=faults.gate) for number in range(8)]
    for number in range(8):
        faults.wait_for_start(f"long {number}")
    lanes_process(worker).kill()
    wait_until(lambda: not Job.objects.exclude(crashes=1).exists())
    wait_until(lambda: Effect.objects.filter(what="start").count() >= 10)  # two run alone

    others = [tasks.work.enqueue(f"other {number}") for number in range(20)]

    for job in others:
        assert faults.wait_for_state(job, "succeeded", 60).crashes == 0
    faults.open_gate()
    faults.wait_for_all(90)
    assert set(Job.objects.filter(pk__in=[job.pk for job in long]).values_list("attempt", "crashes")) == {
        (2, 1)
    }
    assert faults.repeated() == []
