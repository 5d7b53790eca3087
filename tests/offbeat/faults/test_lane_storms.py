"""Workers whose pool is threads or greenlets, while their process is killed, stands still or begins: what is counted, and when."""

from __future__ import annotations

import pytest

from offbeat.jobs import broker
from tests.offbeat.faults.effects import tasks
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
