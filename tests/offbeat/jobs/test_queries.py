"""What people and tools ask the ledger, and how it finds the answers."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from offbeat.jobs import broker
from offbeat.jobs.models import Job, Worker
from offbeat.jobs.queries import Depth, depths, newest_reasons, statistics, tallies
from tests.offbeat.faults.effects.tasks import divide, nothing
from tests.offbeat.jobs.samples import record_slowly
from tests.offbeat.support.attempts import run_jobs
from tests.offbeat.support.plans import rows_read

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


@pytest.fixture
def jobs():
    """One of each kind, in the order of their making."""
    made = {
        "succeeded": nothing.enqueue(),
        "dead": divide.using(key="k").enqueue(1, 0),
    }
    run_jobs()
    made["published"] = record_slowly.enqueue("a")
    made["pending"] = nothing.using(run_at=timezone.now() + timedelta(hours=1)).enqueue()
    return made


def test_a_queue_has_a_depth(jobs):
    """What waits now, and since when; what is for later, what runs, and the dead letters."""
    Job.objects.filter(pk=nothing.enqueue().pk).update(state="running")

    assert (
        statistics().queues
        == depths(tallies())
        == {
            "default": Depth(later=1, running=1, dead=1),
            "mail": Depth(waiting=1, oldest_at=jobs["published"].due_at),
        }
    )


def test_a_depth_adds_up_tasks_and_states(jobs):
    """A queue is as deep as all its tasks, published or not; its oldest is that of all of them."""
    other = nothing.using(queue="mail", run_at=timezone.now() + timedelta(hours=1)).enqueue()
    Job.objects.filter(pk=other.pk).update(due_at=other.created_at - timedelta(hours=1))

    assert depths(tallies())["mail"] == Depth(waiting=2, oldest_at=other.created_at - timedelta(hours=1))


def test_the_newest_dead_letter_says_why(jobs):
    """By task."""
    Job.objects.filter(state="dead").update(reason="older", finished_at=timezone.now() - timedelta(hours=1))
    divide.enqueue(1, 0)
    run_jobs()

    assert newest_reasons() == {divide.name: "ZeroDivisionError: division by zero"}


def test_a_job_that_is_not_due_is_not_late(jobs):
    """It waits for its time, not for a worker."""
    Job.objects.filter(state="published").delete()

    assert statistics().queues["default"].oldest_at is None


def test_statistics_tell_what_waits_in_redis(jobs, carrier):
    """In every queue that has jobs or a worker, and in the default one."""
    Worker.objects.create(hostname="h", pid=1, queues=["other"], concurrency=1)

    assert statistics().messages == {"default": carrier.llen(broker.key("default")), "mail": 1, "other": 0}


def test_redis_away_is_unknown(jobs, redis):
    """The rest is told all the same."""
    redis.stop()

    found = statistics()

    assert found.messages is None
    assert len(found.queues) == 2


def test_only_workers_alive_are_told(let_time_pass):
    """One that has been silent for longer than the timeout is none."""
    Worker.objects.create(hostname="silent", pid=1, queues=[], concurrency=1)
    let_time_pass(46, "heartbeat_at", table="offbeat_jobs_worker")
    alive = Worker.objects.create(hostname="alive", pid=2, queues=[], concurrency=1)

    assert list(statistics().workers) == [alive]


def test_finished_jobs_are_estimated():
    """Unknown before the first ANALYZE, about right afterwards."""
    with connection.cursor() as cursor:
        cursor.execute("REINDEX INDEX offbeat_jobs_finished_idx")
    for _ in range(20):
        nothing.enqueue()
    run_jobs()
    before = statistics().finished_about
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE offbeat_jobs_job")

    assert before in (None, 0)
    assert statistics().finished_about == 20


# At a million rows

MANY = """
    INSERT INTO offbeat_jobs_job (id, task, queue, state, max_attempts, finished_at)
    SELECT gen_random_uuid(), 't', 'default', 'succeeded', 5, now() - make_interval(secs => n) FROM generate_series(1, 5000) AS n
"""


@pytest.fixture
def history(jobs):
    """Enough finished jobs that PostgreSQL plans as it would for a million."""
    with connection.cursor() as cursor:
        cursor.execute(MANY)
        cursor.execute("VACUUM ANALYZE offbeat_jobs_job")


def test_statistics_read_no_finished_job(history):
    """Only the few that are open."""
    assert rows_read(statistics) <= 30
