"""Errors that say far too much: the worker goes on, and so do its heartbeats."""

from __future__ import annotations

import json

import pytest

from offbeat.jobs.models import Worker
from tests.offbeat.faults.effects import tasks
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.faults


@pytest.mark.brokers(weekly=("rabbitmq",))
@pytest.mark.pools(weekly=("threads",))
@pytest.mark.parametrize("characters", [150_000, 50_000_000])
def test_a_long_error_holds_nobody_up(faults, characters):
    """A job that raises one long word is a dead letter and a line in the log, at once; the worker's heart beats on."""
    worker = faults.quick_worker()

    job = tasks.raise_at_length.enqueue("a", characters)

    dead = faults.wait_for_state(job, "dead")
    (line,) = wait_until(lambda: [each for each in worker.output.splitlines() if "raised unexpected" in each])
    wait_until(lambda: Worker.objects.filter(heartbeat_at__gt=dead.finished_at).exists())
    assert len(line) < 60_000
    assert json.loads(line)["job"] == str(job.pk)
    assert Worker.objects.count() == 1
    assert worker.is_running
