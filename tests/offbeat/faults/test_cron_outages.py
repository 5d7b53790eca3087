"""A server is away when the platform fires: the exit code says so in time, and the slot is not lost."""

from __future__ import annotations

import os
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import F

from offbeat.cronjobs.models import CronJob, Slot
from offbeat.jobs.models import Job
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.somebody import somebody
from tests.offbeat.support.stack import MANAGE

pytestmark = pytest.mark.faults
BOUND = 60  # seconds: a wake-up that waits for a silent server as clients do by themselves takes minutes


def command(minutes_ago):
    """Give the command line of a daily cronjob whose slot was so many minutes ago."""
    slot = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return "enqueue_prune_jobs", "--name", "daily", "--schedule", f"{slot.minute} {slot.hour} * * *"


def timed(faults, *line):
    """Run a command line; give how it ended, and after how many seconds."""
    started = time.monotonic()
    return faults.stack.manage(*line), time.monotonic() - started


@pytest.fixture
def forgotten(faults):
    """A cronjob whose slot, seven minutes ago, the platform has forgotten; it is the command line to wake it up."""
    line = command(minutes_ago=7)
    faults.stack.manage(*line)
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")  # the test's server is killed, and must remember this
    CronJob.objects.update(cursor=F("cursor") - timedelta(hours=1))
    return line


def test_redis_away(faults):
    """Exit code 75: recorded; the worker's relay publishes after Redis' return, and the job runs once."""
    faults.worker()
    faults.redis.kill()

    fired = faults.stack.manage(*command(minutes_ago=1))
    before = faults.wait_for_state(Job.objects.get(), "pending")  # the relay may just be trying
    faults.redis.start()
    job = faults.wait_for_state(before, "succeeded")

    assert fired.returncode == os.EX_TEMPFAIL
    assert "recorded; the broker is down: nothing is lost" in fired.stdout
    assert before.attempt == 0
    assert (job.attempt, Slot.objects.get(outcome="enqueued").job_id) == (1, job.pk)


def test_postgres_away_and_healed_by_a_worker(faults, forgotten):
    """Exit code 69 at once; nobody fires again, and a worker claims the slot when PostgreSQL is back."""
    faults.postgres.kill()

    fired = faults.stack.manage(*forgotten)
    faults.postgres.start()
    connection.close()
    faults.worker()
    wait_until(lambda: Job.objects.filter(state="succeeded").exists(), 30)

    assert fired.returncode == os.EX_UNAVAILABLE
    assert "PostgreSQL is down; the next wake-up or a worker claims the slot" in fired.stderr
    assert set(Slot.objects.values_list("trigger", flat=True)) == {"catchup"}


def test_both_servers_stalled(faults, forgotten):
    """Servers that accept and stay silent cost a wake-up a bounded time; the next one claims the slot."""
    faults.postgres.pause()
    faults.redis.pause()

    stalled, seconds = timed(faults, *forgotten)
    faults.postgres.resume()
    faults.redis.resume()
    fired = faults.stack.manage(*forgotten)

    assert (stalled.returncode, fired.returncode) == (os.EX_UNAVAILABLE, os.EX_OK)
    assert seconds < BOUND
    assert Slot.objects.filter(outcome="enqueued", trigger="schedule").count() == 1


def test_redis_stalled(faults):
    """A Redis that accepts and stays silent costs a wake-up a bounded time: 75."""
    faults.redis.pause()

    fired, seconds = timed(faults, *command(minutes_ago=1))
    faults.redis.resume()

    assert fired.returncode == os.EX_TEMPFAIL
    assert seconds < BOUND
    assert Job.objects.get().state == "pending"


def test_a_tick_with_stalled_servers(faults):
    """A tick ends in time, too, whichever of them is silent."""
    faults.stack.manage("tick")
    Slot.objects.all().delete()
    Job.objects.all().delete()
    CronJob.objects.update(cursor=F("cursor") - timedelta(days=1))

    faults.redis.pause()
    unpublished, seconds = timed(faults, "tick")
    faults.postgres.pause()
    stalled, more_seconds = timed(faults, "tick")
    faults.postgres.resume()
    faults.redis.resume()

    assert (unpublished.returncode, stalled.returncode) == (os.EX_TEMPFAIL, os.EX_UNAVAILABLE)
    assert (seconds < BOUND, more_seconds < BOUND) == (True, True)
    assert set(Job.objects.values_list("state", flat=True)) == {"pending"}


@pytest.mark.fault("an open transaction holds a cronjob's row")
def test_a_cronjob_that_somebody_holds(faults):
    """A psql left open on a cronjob's row costs a wake-up seconds and is named: 75. Then the slot is claimed, by whoever comes."""
    line = command(minutes_ago=1)
    faults.stack.manage(*line)
    CronJob.objects.update(cursor=F("cursor") - timedelta(hours=1))
    Slot.objects.all().delete()
    Job.objects.all().delete()

    with somebody("SELECT * FROM offbeat_cronjobs_cronjob FOR UPDATE") as pid:
        held, seconds = timed(faults, *line)
    again = faults.stack.manage(*line)

    assert (held.returncode, again.returncode) == (os.EX_TEMPFAIL, os.EX_OK)
    assert f"daily is held by pid {pid} (psql, from " in held.stderr
    assert "PostgreSQL is down" not in held.stderr
    assert seconds < BOUND
    assert Job.objects.count() == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="here is no disk that is always full")
@pytest.mark.parametrize("streams", ["> /dev/full", "> /dev/full 2>&1"])
@pytest.mark.parametrize("waker", ["cronjob", "tick"])
def test_an_output_on_a_full_disk(faults, waker, streams):
    """The wake-up exits with the code of what it did."""
    line = command(minutes_ago=1) if waker == "cronjob" else ["tick"]
    into = ["sh", "-c", f'exec "$@" {streams}', "sh"]

    fired = subprocess.run(
        [*into, *MANAGE, *line],
        cwd=faults.stack.checkout,
        env=faults.stack.environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (fired.returncode, "Traceback" in fired.stderr) == (0, False)
    assert ("output_failed" in fired.stderr) == (streams == "> /dev/full")
