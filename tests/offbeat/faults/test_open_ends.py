"""Children that are killed, stand still or wait at random between the end of one job and the begin of the next."""

from __future__ import annotations

import contextlib
import random
import time

import psutil
import pytest
from django.db import connection
from django.db.models import Count

from offbeat.jobs.batches import open_batch
from offbeat.jobs.models import Batch, Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.support.polling import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.storm, pytest.mark.timeout(400)]

SEED = 20261127
EVENTS = 90
MOST = 40  # jobs a round, each of which comes before an event: more than are done until the next one
SLOTS = 2

SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> 'storm' ORDER BY random() LIMIT 1
"""
RUNNING = "SELECT id FROM offbeat_jobs_job WHERE state IN ('running', 'published') ORDER BY random() LIMIT 2 FOR UPDATE SKIP LOCKED"


class Storm:
    """What happens to the children of one worker, and to the rows and sessions of its jobs."""

    def __init__(self, faults, worker):
        self.worker = worker
        self.dice = random.Random(SEED)
        self.kills = 0
        name = connection.settings_dict["NAME"]
        self.open_session = lambda: faults.postgres.connect(name, application_name="storm")

    def kill_a_child(self):
        self.kills += 1
        self._one(psutil.Process.kill)

    def stop_a_child(self):
        if child := self._one(psutil.Process.suspend):
            time.sleep(self.dice.uniform(0, 0.3))
            with contextlib.suppress(psutil.NoSuchProcess):
                child.resume()

    def hold_rows(self):
        self._hold(RUNNING)

    def lock_a_table(self):
        self._hold(f"LOCK TABLE offbeat_jobs_{self.dice.choice(['job', 'pause', 'cancellation'])}")

    def end_a_session(self):
        with self.open_session() as session:
            session.execute(SESSIONS)

    def _one(self, act):
        with contextlib.suppress(IndexError, psutil.NoSuchProcess):
            child = self.dice.choice(
                [each for each in self.worker.children() if each.ppid() == self.worker.pid]
            )
            act(child)
            return child

    def _hold(self, statement):
        with self.open_session() as session, session.transaction():
            session.execute("SET LOCAL lock_timeout = '2s'")
            with contextlib.suppress(Exception):
                session.execute(statement)
            time.sleep(self.dice.uniform(0, 0.3))

    def rage(self, count):
        for number in range(count):
            act = self.dice.choice(
                [self.kill_a_child, self.stop_a_child, self.hold_rows, self.lock_a_table, self.end_a_session]
            )
            enqueue_all(number)
            with contextlib.suppress(Exception):
                act()
            time.sleep(self.dice.uniform(0, 0.2))


def enqueue_all(number):
    tasks.work.enqueue_many(((f"job {number} {each}",), {}) for each in range(MOST))
    tasks.work_atomically.enqueue(f"atomic {number}")
    tasks.work.using(concurrency_key="key").enqueue(f"key {number}")
    tasks.be_plain.delay(f"celery {number}")
    with open_batch(f"batch {number}") as batch:
        tasks.work.using(batch=batch).enqueue(f"batch {number}")


@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("a pool child is killed")
def test_a_storm_between_jobs(faults):
    """Nothing is lost, nothing stands still; an atomic job is done once, of others a kill repeats one a slot at most."""
    worker = faults.quick_worker(OFFBEAT_JOBS_PATIENCE="10", WORKER_CONCURRENCY=str(SLOTS))
    storm = Storm(faults, worker)
    storm.rage(EVENTS)

    left = faults.unfinished()
    wait_until(lambda: faults.unfinished() == 0 or not worker.is_running, seconds=120, pause=0.2)
    found = list(Job.objects.exclude(state="succeeded").values_list("task", "state", "reason"))
    assert (worker.is_running, found) == (True, [])
    done = dict(Effect.objects.filter(what="done").values_list("label").annotate(times=Count("id")))
    doubled = {label: times for label, times in done.items() if times > 1}
    print(f"{len(done)} jobs, {left} left after the storm, {storm.kills} kills, {doubled} more than once")
    assert len(done) == EVENTS * (MOST + 3)
    assert not [label for label in doubled if label.startswith("atomic")]
    assert sum(doubled.values()) - len(doubled) <= storm.kills * SLOTS
    assert set(Batch.objects.values_list("total", "succeeded")) == {(1, 1)}
    last = tasks.work.enqueue("last")
    assert faults.wait_for_state(last, "succeeded").attempt == 1
    assert worker.stop(30) == 0
