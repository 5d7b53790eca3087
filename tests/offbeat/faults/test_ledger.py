"""PostgreSQL restarts, and processes die between PostgreSQL and Redis."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.db import DatabaseError, connection

from offbeat.jobs.models import Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.faults.proxy import Proxy
from tests.offbeat.support.polling import stays, wait_until
from tests.offbeat.support.running import CHECKOUT

pytestmark = pytest.mark.faults

DIE = """
import os, signal
import django
django.setup()
from offbeat.jobs import broker
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.faults.proxy import Proxy

publish = broker.publish

def die(messages, **how):
    {first}
    os.kill(os.getpid(), signal.SIGKILL)

broker.publish = die
tasks.work.enqueue("survivor")
"""


@pytest.mark.long
@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.brokers("rabbitmq", "sqs")
@pytest.mark.fault("a crash between commit and publish", "a crash after the publish")
@pytest.mark.parametrize("first", ["pass", "publish(messages, **how)"], ids=["before publishing", "after it"])
def test_a_death_between_postgres_and_redis(faults, first):
    """A process killed after the commit, before or after it published, leaves a job that is executed once."""
    died = subprocess.run(
        [sys.executable, "-c", DIE.format(first=first)],
        env=faults.stack.environment,
        cwd=CHECKOUT,
        check=False,
    )
    job = Job.objects.get()
    assert died.returncode == -9
    assert job.state == "published"

    faults.worker()  # with the shipped 30 s after which a message is missed; SQS' counts may be late by 60 s

    assert faults.wait_for_state(job, "succeeded", seconds=180).attempt == 1
    assert faults.happened("survivor", "start") == 1


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("PostgreSQL restarts")
def test_postgres_restarts_under_load(faults):
    """PostgreSQL restarts while jobs are enqueued and run: none is lost, none succeeds twice, the workers recover by themselves."""
    workers = [faults.quick_worker(), faults.quick_worker()]
    enqueued, stop = [], threading.Event()
    thread = threading.Thread(target=enqueue_until, args=(stop, enqueued))
    thread.start()
    wait_until(lambda: len(enqueued) > 50)

    faults.postgres.restart()

    connection.close()
    before = len(enqueued)
    wait_until(lambda: len(enqueued) > before + 50)
    stop.set()
    thread.join()
    faults.wait_for_all(seconds=90)
    assert all(worker.is_running for worker in workers)
    assert set(Job.objects.filter(state="succeeded").values_list("id", flat=True)) >= set(enqueued)
    assert Job.objects.exclude(state="succeeded").count() == 0


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("PostgreSQL restarts")
@pytest.mark.parametrize("task", [tasks.rest, tasks.rest_within_a_limit], ids=["no limit", "soft limit"])
def test_postgres_restarts_under_a_running_job(faults, task):
    """A job that outlives a restart of PostgreSQL is recorded when it is back, whatever passes meanwhile: no second attempt."""
    faults.worker(OFFBEAT_JOBS_PATIENCE="60")  # a loaded machine starts a PostgreSQL slowly
    job = task.enqueue(3)
    faults.wait_for_state(job, "running")

    faults.postgres.stop()
    stays(lambda: not faults.postgres.is_running, seconds=8)  # the soft limit passes meanwhile
    faults.postgres.start()
    connection.close()

    done = faults.wait_for_state(job, "succeeded")
    assert (done.attempt, done.crashes) == (1, 0)


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("PostgreSQL is down for longer than a heartbeat may be late")
def test_an_outage_longer_than_a_heartbeat_may_be_late(faults):
    """While PostgreSQL is down nobody can beat: when it is back, no worker takes another one, or itself, for dead."""
    for _ in range(2):
        faults.quick_worker()
    job = tasks.rest.enqueue(12)
    faults.wait_for_state(job, "running")

    faults.postgres.stop()
    stays(lambda: not faults.postgres.is_running, seconds=6)
    faults.postgres.start()
    connection.close()

    done = faults.wait_for_state(job, "succeeded")
    assert (done.attempt, done.crashes) == (1, 0)


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
def test_the_answer_to_a_beginning_is_lost(faults):
    """PostgreSQL begins an attempt, and its child does not learn of it: it leaves, and the job is due again."""
    proxy = Proxy(faults.stack.environment["DATABASE_URL"])
    job = tasks.rest.enqueue(0)
    with faults.postgres.connect(connection.settings_dict["NAME"]) as other, other.transaction():
        other.execute("SELECT 1 FROM offbeat_jobs_job WHERE id = %s FOR UPDATE", [job.pk])
        faults.quick_worker(
            DATABASE_URL=proxy.url, OFFBEAT_JOBS_PATIENCE="0", OFFBEAT_JOBS_LOST_MESSAGE_AFTER="60"
        )
        wait_until(lambda: other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone())
        proxy.cut()

    done = faults.wait_for_state(job, "succeeded")
    assert (done.attempt, done.history[0]["reason"]) == (2, "its process died: exitcode 75")


REFUSE = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON offbeat_jobs_job FOR EACH ROW WHEN (NEW.state = 'succeeded' AND NEW.attempt = 1)
        EXECUTE FUNCTION refuse();
"""


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.fault("PostgreSQL refuses the end of an attempt, or its answer is lost")
def test_the_end_is_refused(faults):
    """By a full disk, say: the child exits, and the job runs again; the attempt is counted, and the worker goes on."""
    with connection.cursor() as cursor:
        cursor.execute(REFUSE)
    worker = faults.quick_worker(OFFBEAT_JOBS_PATIENCE="0")
    job = tasks.rest.enqueue(0)

    done = faults.wait_for_state(job, "succeeded")

    assert (done.attempt, done.crashes) == (2, 1)
    assert done.history[0]["reason"] == "its process died: exitcode 75"
    assert worker.is_running


@pytest.mark.fault("PostgreSQL refuses the end of an attempt, or its answer is lost")
def test_the_end_is_refused_while_a_message_is_in_hand(faults):
    """The child has answered, and was given the next job: that one has not begun, and runs as if nothing had been."""
    with connection.cursor() as cursor:
        cursor.execute(REFUSE)
    worker = faults.quick_worker("--concurrency", "1", OFFBEAT_JOBS_PATIENCE="0")
    jobs = [tasks.rest.enqueue(0) for _ in range(3)]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE offbeat_jobs_job SET attempt = 1 WHERE id = ANY(%s)", [[each.pk for each in jobs[1:]]]
        )

    faults.wait_for_all()

    found = [Job.objects.get(pk=each.pk) for each in jobs]
    assert [(each.state, each.attempt, each.crashes) for each in found] == [
        ("succeeded", 2, 1),
        *2 * [("succeeded", 2, 0)],
    ]
    assert worker.is_running


def enqueue_until(stop, enqueued):
    """Enqueue one job after the other; what PostgreSQL did not take was refused to the caller, and is not counted."""
    number = 0
    while not stop.wait(0.02):
        number += 1
        try:
            enqueued.append(tasks.work.enqueue(f"load-{number}", 0.1).pk)
        except DatabaseError:
            connection.close()
    connection.close()


@pytest.fixture
def forgetful_postgres(faults):
    """One that writes what it has confirmed only at a checkpoint: a crash takes the rest."""
    with faults.postgres.connect() as server:
        server.execute("ALTER SYSTEM SET autovacuum = off")  # whose commits write everybody's before them
        server.execute("SELECT pg_reload_conf()")
        pid = server.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'").fetchone()[
            0
        ]
        asleep = "SELECT wait_event FROM pg_stat_activity WHERE pid = %s"
        wait_until(
            lambda: server.execute(asleep, [pid]).fetchone()[0] == "WalWriterMain", pause=0
        )  # holds no lock
        os.kill(pid, signal.SIGSTOP)
    yield faults.postgres
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    with faults.postgres.connect() as server:
        server.execute("ALTER SYSTEM RESET autovacuum")
        server.execute("SELECT pg_reload_conf()")


@pytest.mark.pools("threads", "gevent")
@pytest.mark.fault(
    "PostgreSQL loses its last commits: `synchronous_commit = off`, or a replica that is behind takes over"
)
@pytest.mark.parametrize("share", [None, 1])
def test_commits_that_postgres_has_lost(faults, forgetful_postgres, share):
    """A job whose end or whose start is lost runs again, although its process is at other jobs, or has done its share."""
    options = ["--max-tasks-per-child", str(share)] if share else []
    worker = faults.quick_worker(
        "--concurrency", "3", *options, OFFBEAT_JOBS_HEARTBEAT_TIMEOUT="45"
    )  # of beats, too, some are lost
    second_gate = Path(f"{faults.gate}-2")
    started = [tasks.work.enqueue(f"started {number}", gate=faults.gate) for number in range(3)]
    waiting = [tasks.work.enqueue(f"waiting {number}", gate=str(second_gate)) for number in range(3)]
    wait_until(lambda: Effect.objects.filter(what="start").count() == 3)
    with forgetful_postgres.connect() as server:
        server.execute("CHECKPOINT")
    faults.open_gate()
    wait_until(lambda: Effect.objects.filter(what="start").count() == 6)
    connection.close()

    forgetful_postgres.kill()
    forgetful_postgres.start()
    second_gate.touch()

    assert Job.objects.filter(pk__in=[each.pk for each in started], state="running").count() == 3
    faults.wait_for_all(90)
    assert set(Job.objects.values_list("state", "crashes")) == {("succeeded", 0)}
    for job in started:
        assert Job.objects.get(pk=job.pk).history[0]["outcome"] == "excused"
    assert [Job.objects.get(pk=job.pk).attempt for job in waiting] == [1, 1, 1]
    assert worker.is_running
