"""A server is away when the platform fires: the exit code says so in time, and the slot is not lost."""

from __future__ import annotations

import os
import time
from datetime import timedelta

import pytest
from django.db.models import F

from cronjobs.models import CronJob, Slot
from jobs.models import Job
from tests.support.polling import wait_until

pytestmark = pytest.mark.faults

COMMAND = ("enqueue_prune_jobs", "--name", "every-minute", "--schedule", "* * * * *")


def make_overdue():
    """Let the platform have forgotten the cronjob for seven minutes."""
    CronJob.objects.update(cursor=F("cursor") - timedelta(minutes=7))
    Slot.objects.all().delete()
    Job.objects.all().delete()


def test_redis_away(faults):
    """Exit code 75: recorded; the worker's relay publishes within ten seconds of Redis' return, and the job runs once."""
    faults.worker()
    faults.redis.kill()

    fired = faults.stack.manage(*COMMAND)
    before = Job.objects.get()
    faults.redis.start()
    job = faults.wait_for_state(before, "succeeded", seconds=10)

    assert fired.returncode == os.EX_TEMPFAIL
    assert "recorded; Redis is away: nothing is lost" in fired.stdout
    assert (before.state, before.attempt) == ("pending", 0)
    assert (job.attempt, Slot.objects.get(outcome="enqueued").job_id) == (1, job.pk)


def test_postgres_away_and_healed_by_a_worker(faults):
    """Exit code 69 at once; nobody fires again, and a worker claims the slots when PostgreSQL is back."""
    faults.stack.manage(*COMMAND)
    make_overdue()
    faults.postgres.kill()

    fired = faults.stack.manage(*COMMAND)
    faults.postgres.start()
    faults.worker()
    wait_until(lambda: Job.objects.filter(state="succeeded").exists(), 30)

    assert fired.returncode == os.EX_UNAVAILABLE
    assert "PostgreSQL is away; the next wake-up or a worker claims the slot" in fired.stderr
    assert set(Slot.objects.values_list("trigger", flat=True)) == {"catchup"}


def test_both_servers_stalled(faults):
    """Servers that accept and stay silent cost a wake-up less than thirty seconds; the next one claims the slot."""
    faults.stack.manage(*COMMAND)
    make_overdue()
    faults.postgres.pause()
    faults.redis.pause()

    started = time.monotonic()
    stalled = faults.stack.manage(*COMMAND)
    seconds = time.monotonic() - started
    faults.postgres.resume()
    faults.redis.resume()
    fired = faults.stack.manage(*COMMAND)

    assert (stalled.returncode, fired.returncode) == (os.EX_UNAVAILABLE, os.EX_OK)
    assert seconds < 30
    assert Slot.objects.filter(outcome="enqueued", trigger="schedule").count() == 1


def test_redis_stalled(faults):
    """A Redis that accepts and stays silent costs a wake-up no more than a few seconds: 75."""
    faults.redis.pause()

    started = time.monotonic()
    fired = faults.stack.manage(*COMMAND)
    seconds = time.monotonic() - started
    faults.redis.resume()

    assert fired.returncode == os.EX_TEMPFAIL
    assert seconds < 10
    assert Job.objects.get().state == "pending"
