"""Rows and tables that somebody holds: a person in psql, a machine that stands still in the middle of a transaction."""

from __future__ import annotations

import os
import signal
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from offbeat.jobs.models import Job, Worker
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.support.polling import stays, wait_until
from tests.offbeat.support.pooler import needs_pgbouncer, start_pooler

pytestmark = pytest.mark.faults


ONE_JOB = "SELECT 1 FROM offbeat_jobs_job WHERE id = %s FOR UPDATE"
ONE_EFFECT = "SELECT 1 FROM effects_effect WHERE label = %s FOR UPDATE"


def counter(label):
    """Make a row that `touch` counts in, and give a question for its count."""
    Effect.objects.create(label=label, what="row", pid=0)
    return lambda: Effect.objects.get(label=label).pid


def waits(task):
    """Tell whether a session waits for a lock with a statement of that kind."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s", [f"%{task}%"]
        )
        return cursor.fetchone() is not None


def is_locked(label):
    with connection.cursor() as cursor:
        cursor.execute(f"{ONE_EFFECT} SKIP LOCKED", [label])
        return cursor.fetchone() is None


def heartbeats():
    return dict(Worker.objects.values_list("pid", "heartbeat_at"))


def beats(worker, times=3, seconds=30):
    """Return when a worker has beaten so many times from now on."""
    seen = {heartbeats().get(worker.pid)}

    def enough():
        seen.add(heartbeats().get(worker.pid))
        return len(seen) > times

    wait_until(enough, seconds, pause=0.1)


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("a person, or a migration, holds one row of the ledger")
def test_a_locked_job_of_a_lost_worker(faults, held):
    """The other jobs of that worker are due again all the same, the log says who holds the row, and then that one is, too."""
    lost = faults.quick_worker()
    locked, free = tasks.work.enqueue("locked", 600), tasks.work.enqueue("free", 600)
    faults.wait_for_start("locked")
    faults.wait_for_start("free")

    with held(ONE_JOB, locked.pk) as pid:
        worker = faults.quick_worker()
        lost.kill()
        faults.wait_for_start("free", times=2)
        worker.wait_for(f"held by pid {pid} (")
        beats(worker)
        later = tasks.work.enqueue("later")
        faults.wait_for_state(later, "succeeded")
        assert Job.objects.get(pk=locked.pk).state == "running"

    faults.wait_for_start("locked", times=2)
    assert worker.output.count(f"held by pid {pid}") == 1
    assert Job.objects.get(pk=free.pk).attempt == 2


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.fault("a person, or a migration, holds one row of the ledger")
def test_a_locked_job_whose_child_was_killed(faults, held):
    """It is due again when its row is free; that of the next child that dies is not kept waiting."""
    worker = faults.quick_worker(WORKER_CONCURRENCY="3")
    locked = tasks.work.enqueue("locked", 600)
    tasks.work.enqueue("free", 600)
    faults.wait_for_start("locked")
    faults.wait_for_start("free")

    with held(ONE_JOB, locked.pk) as pid:
        for label in ("locked", "free"):
            os.kill(Effect.objects.get(label=label, what="start").pid, signal.SIGKILL)
        faults.wait_for_start("free", times=2)
        worker.wait_for(f"held by pid {pid}")
        beats(worker)

    faults.wait_for_start("locked", times=2)


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("a table of the ledger is locked")
@pytest.mark.parametrize("table", ["offbeat_jobs_job", "offbeat_jobs_worker"])
def test_a_locked_table(faults, held, table):
    """While somebody alters a table, a worker says who, and is neither silent to the probe nor taken for dead afterwards."""
    workers = [faults.quick_worker(), faults.quick_worker()]
    job = tasks.work.enqueue("long", gate=faults.gate)
    faults.wait_for_start("long")
    pids = heartbeats().keys()

    with held(f"LOCK TABLE {table}") as pid:
        for worker in workers:
            worker.wait_for(f"held by pid {pid}")
        stays(lambda: all(worker.is_running for worker in workers), seconds=6)
        if table == "offbeat_jobs_job":
            beats(workers[0])

    faults.open_gate()
    done = faults.wait_for_state(job, "succeeded")
    assert (done.attempt, done.crashes) == (1, 0)
    assert heartbeats().keys() == pids


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("a person, or a migration, holds one row of the ledger")
def test_a_locked_worker(faults, held):
    """A worker whose own row is held cannot beat: it says so, and is not taken for dead when the row is free again."""
    worker, other = faults.quick_worker(), faults.quick_worker()
    pids = heartbeats().keys()

    with held("SELECT 1 FROM offbeat_jobs_worker WHERE pid = %s FOR UPDATE", worker.pid) as pid:
        worker.wait_for(f"held by pid {pid}")
        stays(lambda: other.is_running, seconds=6)  # longer than a heartbeat may be late

    stays(lambda: heartbeats().keys() == pids, seconds=3)
    beats(worker)


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("gevent",))
@pytest.mark.fault("a person, or a migration, holds one row of the ledger")
def test_a_worker_stops_while_a_row_of_its_is_held(faults, held):
    """It hands back what it can, says what it could not, and leaves within its grace; that job is run when its row is free."""
    worker = faults.quick_worker(OFFBEAT_JOBS_DRAIN="1")
    locked, free = tasks.work.enqueue("locked", 600), tasks.work.enqueue("free", 600)
    faults.wait_for_start("locked")
    faults.wait_for_start("free")

    with held(ONE_JOB, locked.pk) as pid:
        assert worker.stop(15) == 0
        assert Job.objects.get(pk=free.pk).history[0]["outcome"] == "handed back"
        assert f"held by pid {pid}" in worker.output

    faults.quick_worker()
    faults.wait_for_start("locked", times=2)


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.fault("a person, or a migration, holds one row of the ledger")
@pytest.mark.parametrize("how", ["job", "plain"])
def test_a_soft_limit_while_a_row_is_held(faults, held, how):
    """The statement that it interrupts has no effect afterwards; a job is not charged, and is done when the row is free."""
    count = counter("row")
    worker = faults.quick_worker()
    with held(ONE_EFFECT, "row"):
        if how == "job":
            job = tasks.touch_softly.enqueue("row")
            wait_until(lambda: Job.objects.get(pk=job.pk).excused)
        else:
            tasks.touch_softly.delay("row")
            worker.wait_for("Soft time limit (2s) exceeded")
        wait_until(lambda: not waits("effects_effect"))

    if how == "job":
        done = faults.wait_for_state(job, "succeeded")
        assert done.crashes == 0
        assert "SoftTimeLimitExceeded" in done.history[0]["reason"]
        assert "while it waited for a lock" in done.history[0]["reason"]
    faults.wait_for_state(tasks.work.enqueue("after"), "succeeded")
    assert count() == (1 if how == "job" else 0)


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.fault("a task catches the soft time limit and cleans up")
def test_cleaning_up_after_a_soft_limit(faults):
    """A task may still use the database when a limit has interrupted its statement; the limit is its answer, after one attempt."""
    faults.quick_worker()
    job = tasks.clean_up.enqueue("limit")

    dead = faults.wait_for_state(job, "dead")

    assert (dead.reason, dead.attempt) == ("SoftTimeLimitExceeded: SoftTimeLimitExceeded()", 1)
    assert faults.happened("limit", "cleaned") == 1


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("gevent",))
@pytest.mark.fault("a machine freezes between the `UPDATE` that ends a job and its `COMMIT`")
def test_a_machine_frozen_between_an_end_and_its_commit(faults):
    """Its session is ended with its worker: the job is done on another one, once, and the frozen machine records nothing."""
    frozen = faults.quick_worker()
    job = tasks.freeze_before_the_commit.enqueue("frozen")
    wait_until(lambda: all(is_stopped(each) for each in frozen.children()) and frozen.children())
    frozen.pause()

    worker = faults.quick_worker()
    done = faults.wait_for_state(job, "succeeded")
    beats(worker)
    frozen.resume()

    beats(frozen)
    again = Job.objects.get(pk=job.pk)
    assert (again.attempt, again.finished_at, again.crashes) == (2, done.finished_at, 1)
    assert faults.happened("frozen") == 1


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.long
@pytest.mark.pools(weekly=("gevent",))
@pytest.mark.fault("a machine freezes inside an `atomic` task")
def test_a_machine_frozen_inside_an_atomic_job(faults):
    """Jobs of others that waited for its locks, and died of their time limits, are not charged, and are done after its end."""
    count = counter("row")
    frozen = faults.quick_worker()
    holder = tasks.hold_the_first_time.enqueue("row")
    faults.wait_for_state(holder, "running")
    wait_until(lambda: is_locked("row"))
    frozen.pause()

    worker = faults.quick_worker(OFFBEAT_JOBS_BUSY_RETRY="0.5", OFFBEAT_JOBS_HEARTBEAT_TIMEOUT="600")
    job = tasks.touch.enqueue("row")
    wait_until(lambda: Job.objects.filter(pk=job.pk, excused__gt=0, state="running").exists())
    # It is taken for lost at the beginning of an attempt: at the moment of a time limit nobody could tell what it waited for.
    Worker.objects.filter(pid=frozen.pid).update(heartbeat_at=timezone.now() - timedelta(hours=1))
    done = faults.wait_for_state(job, "succeeded")

    assert count() == 1
    assert (done.crashes, done.excused > 0) == (0, True)
    assert [each["outcome"] for each in done.history] == ["excused"] * done.excused
    worker.wait_for("sessions of lost workers are ended")
    frozen.resume()
    beats(frozen)


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.fault("a machine freezes inside an `atomic` task")
@needs_pgbouncer
def test_a_machine_frozen_behind_a_pooler(faults):
    """A pooler in transaction mode passes the names of sessions on: those of a lost worker are ended there too."""
    counter("row")
    url = start_pooler(faults.stack)
    frozen = faults.quick_worker(DATABASE_URL=url)
    holder = tasks.hold_the_first_time.enqueue("row")
    faults.wait_for_state(holder, "running")
    wait_until(lambda: is_locked("row"))
    frozen.pause()

    worker = faults.quick_worker(DATABASE_URL=url)
    done = faults.wait_for_state(holder, "succeeded")

    assert done.attempt == 2
    assert not is_locked("row")
    worker.wait_for("sessions of lost workers are ended")
    beats(worker)


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.fault("a child is killed while its statement waits for a lock")
def test_a_child_killed_while_its_statement_waits(faults, held):
    """The statement is ended before the job is due again: it has no effect after its death. The job is not charged."""
    count = counter("row")
    faults.quick_worker(OFFBEAT_JOBS_BUSY_RETRY="0.5")
    with held(ONE_EFFECT, "row"):
        job = tasks.touch.enqueue("row")
        wait_until(lambda: waits("effects_effect"))
        os.kill(Job.objects.get(pk=job.pk).pid, signal.SIGKILL)
        wait_until(lambda: Job.objects.get(pk=job.pk).attempt == 2)

    done = faults.wait_for_state(job, "succeeded")
    assert (count(), done.crashes) == (1, 0)
    assert done.history[0]["reason"].startswith("its process died: signal 9 (SIGKILL), while it waited")


def is_stopped(process):
    return process.status() == "stopped"
