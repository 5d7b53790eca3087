"""Processes die or stop, by every signal that a platform sends."""

from __future__ import annotations

import contextlib
import os
import signal

import psutil
import pytest
from django.db import connection

from offbeat.jobs import broker
from offbeat.jobs.models import Job, Worker
from offbeat.jobs.processes import is_alive
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.support.polling import stays, wait_until

pytestmark = pytest.mark.faults


def running_child(label):
    return Effect.objects.filter(label=label, what="start").latest("id").pid


@pytest.mark.brokers("rabbitmq", "sqs")
@pytest.mark.pools("threads", weekly=("gevent",))
@pytest.mark.fault("a pool child is killed")
def test_a_killed_child(faults):
    """A job whose pool child is killed runs again at once, as attempt 2."""
    faults.worker()
    job = tasks.work.enqueue("child", gate=faults.gate)
    faults.wait_for_start("child")

    os.kill(running_child("child"), signal.SIGKILL)

    faults.wait_for_start("child", times=2, seconds=10)  # less than a heartbeat may be late
    faults.open_gate()
    done = faults.wait_for_state(job, "succeeded")
    assert done.attempt == 2
    assert done.history[0]["reason"] == "its process died: signal 9 (SIGKILL)"
    assert faults.happened("child") == 1


@pytest.mark.long
@pytest.mark.brokers("rabbitmq", weekly=("sqs",))
@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("the whole worker is killed, and another one runs")
def test_a_killed_worker(faults):
    """A job of a worker that was killed with all its processes runs again on another when its heartbeat is late: one effect."""
    first = faults.worker()
    job = tasks.work.enqueue("worker", gate=faults.gate)
    faults.wait_for_start("worker")
    faults.worker()

    first.kill()

    faults.wait_for_start("worker", times=2, seconds=60)
    faults.open_gate()
    done = faults.wait_for_state(job, "succeeded")
    assert done.attempt == 2
    assert "no heartbeat" in done.history[0]["reason"]
    assert faults.happened("worker") == 1


@contextlib.contextmanager
def ending(faults, held, label, **environment):
    """Give a worker and a job that has succeeded, as long as its end is open: somebody holds its row."""
    worker = faults.quick_worker(**environment)
    job = tasks.work.enqueue(label, gate=faults.gate)
    wait_until(lambda: Worker.objects.filter(busy=1).exists())
    with held("SELECT 1 FROM offbeat_jobs_job WHERE id = %s FOR UPDATE", job.pk):
        faults.open_gate()
        wait_until(lambda: Worker.objects.filter(busy=0).exists())  # it was told
        yield worker, job


@pytest.mark.fault("a pool child is killed")
def test_a_child_killed_with_an_open_end(faults, held):
    """The worker was told that the job has succeeded, the ledger was not: the worker notices, and the job runs again."""
    with ending(faults, held, "open") as (_, job):
        os.kill(running_child("open"), signal.SIGKILL)

    done = faults.wait_for_state(job, "succeeded")
    assert (done.attempt, done.crashes) == (2, 1)
    assert done.history[0]["reason"] == "its process died: signal 9 (SIGKILL)"


@pytest.mark.fault("the whole worker is killed, and another one runs")
def test_a_worker_killed_with_an_open_end(faults, held):
    """Its books are gone with it: another worker finds the job in the ledger, as one that ran there."""
    with ending(faults, held, "open") as (worker, job):
        worker.kill()

    faults.quick_worker()
    done = faults.wait_for_state(job, "succeeded")
    assert (done.attempt, done.crashes) == (2, 1)
    assert faults.happened("open") == 2


@pytest.mark.fault("a person, or a migration, holds one row of the ledger")
def test_a_plain_task_after_an_open_end(faults, held):
    """The job has ended before the child is at the plain task, however long that takes."""
    with ending(faults, held, "open", WORKER_CONCURRENCY="1") as (_, job):
        tasks.work.delay("plain", gate=f"{faults.gate}-of-the-plain-task")
        wait_until(lambda: Worker.objects.filter(busy=1).exists())

    assert faults.wait_for_state(job, "succeeded").attempt == 1
    faults.wait_for_start("plain")
    assert not faults.happened("plain")


@pytest.mark.fault("a person, or a migration, holds one row of the ledger")
def test_jobs_after_an_open_end(faults, held):
    """The child whose job's row is held takes no other job along, and then ends its own."""
    with ending(faults, held, "open", WORKER_CONCURRENCY="1") as (_, job):
        faults.quick_worker()
        others = [tasks.work.enqueue(f"other {number}") for number in range(9)]
        for other in others:
            faults.wait_for_state(other, "succeeded")

    assert faults.wait_for_state(job, "succeeded").attempt == 1
    assert [Job.objects.get(pk=other.pk).attempt for other in others] == 9 * [1]


@pytest.mark.fault("SIGTERM to the worker, or to all its processes")
def test_a_stop_with_an_open_end(faults, held):
    """The worker waits for it as for a job that runs."""
    with ending(faults, held, "open") as (worker, job):
        terminate(worker, everybody=True)
        worker.wait_for("worker_stopping")

    assert worker.wait(20) == 0
    assert (Job.objects.get(pk=job.pk).state, Job.objects.get(pk=job.pk).attempt) == ("succeeded", 1)


@pytest.mark.fault("SIGTERM to the worker, or to all its processes")
def test_a_stop_with_an_end_that_stays_open(faults, held):
    """When the grace is over the child is killed, and the job is due again."""
    with ending(faults, held, "open", OFFBEAT_JOBS_DRAIN="1") as (worker, job):
        terminate(worker, everybody=False)
        worker.wait_for("jobs_held")

    assert worker.wait(20) == 0
    faults.quick_worker()
    assert faults.wait_for_state(job, "succeeded").attempt == 2


def test_a_child_that_has_done_its_share_leaves_no_end_open(faults):
    """It exits after so many jobs; the end of the last one is recorded before."""
    worker = faults.worker("--concurrency", "1", "--max-tasks-per-child", "2")

    jobs = [tasks.rest.enqueue(0) for _ in range(7)]

    faults.wait_for_all()
    assert {Job.objects.get(pk=job.pk).attempt for job in jobs} == {1}
    assert worker.stop(20) == 0


def taken_and_not_begun(faults, worker, label):
    """Return a job whose message is in the hands of a worker whose children stand still."""
    faults.wait_for_state(tasks.work.enqueue(f"before {label}"), "succeeded")
    for child in worker.children():
        child.suspend()
    job = tasks.work.enqueue(label)
    faults.wait_for_state(job, "published")
    wait_until(lambda: broker.waiting("default") == 0)
    return job


@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("the whole worker is killed, and another one runs")
def test_only_the_main_process_is_killed(faults):
    """What it has started ends with it: else it would go on beside another worker that does the same again."""
    worker = faults.quick_worker()
    tasks.work.enqueue("main", gate=faults.gate)
    faults.wait_for_start("main")
    started = [each.pid for each in worker.children()]

    os.kill(worker.pid, signal.SIGKILL)

    wait_until(lambda: not any(is_alive(pid) for pid in started))
    faults.open_gate()
    stays(lambda: not faults.happened("main"), seconds=1)


@pytest.mark.pools(weekly=("threads",))
@pytest.mark.brokers("rabbitmq", "sqs")
@pytest.mark.fault("a message is popped from Redis and lost, or its worker dies before it starts the job")
def test_a_worker_killed_with_a_job_in_hand(faults):
    """A job that a worker took and had not begun has no message any more: it is published again, and done once."""
    worker = faults.quick_worker()
    job = taken_and_not_begun(faults, worker, "in hand")

    worker.kill()

    faults.quick_worker()
    assert faults.wait_for_state(job, "succeeded").attempt == 1
    assert faults.happened("in hand", "start") == 1


@pytest.mark.brokers("rabbitmq")
@pytest.mark.pools("threads", weekly=("gevent",))
@pytest.mark.fault("SIGTERM to the worker, or to all its processes")
def test_a_worker_stopped_with_a_job_in_hand(faults):
    """It gives the message back before it leaves, or runs the job in a new child: nobody waits until it would be missed."""
    worker = faults.worker(OFFBEAT_JOBS_DRAIN="1")
    job = taken_and_not_begun(faults, worker, "given back")

    assert worker.stop(10) == 0

    faults.worker()
    done = faults.wait_for_state(job, "succeeded", seconds=10)
    assert (done.crashes, done.attempt) in (
        (0, 1),
        (0, 2),
    )  # the new child may have begun it just before it was stopped, too


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("SIGTERM to the worker, or to all its processes")
@pytest.mark.parametrize("everybody", [False, True], ids=["the worker", "every process"])
def test_a_stop_with_time_to_finish(faults, everybody):
    """SIGTERM lets a job finish that is shorter than the grace, be it sent to the worker or, as on Heroku, to every process."""
    worker = faults.worker()
    job = tasks.work.enqueue("short", gate=faults.gate)
    faults.wait_for_start("short")

    terminate(worker, everybody)
    worker.wait_for("worker_stopping")
    faults.open_gate()

    assert worker.wait(20) == 0
    assert Job.objects.get(pk=job.pk).state == "succeeded"
    assert faults.happened("short", "start") == faults.happened("short") == 1


@pytest.mark.brokers("rabbitmq")
@pytest.mark.fault("SIGTERM to the worker, or to all its processes")
def test_a_message_that_comes_with_the_stop(faults):
    """A job that was taken in the moment of SIGTERM has the whole grace: it is finished, not killed and begun again."""
    worker = faults.worker(OFFBEAT_JOBS_DRAIN="20")
    worker.signal(signal.SIGSTOP)
    job = tasks.work.enqueue("last", 7)  # longer than what a worker with nothing in hand has for leaving
    faults.wait_for_state(job, "published")
    wait_until(lambda: broker.waiting("default") == 0)

    worker.signal(signal.SIGTERM)
    worker.signal(signal.SIGCONT)

    assert worker.wait(20) == 0
    done = Job.objects.get(pk=job.pk)
    assert (done.state, done.attempt) == ("succeeded", 1)
    assert faults.happened("last", "start") == 1


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools("threads", weekly=("gevent",))
@pytest.mark.fault("SIGTERM to the worker, or to all its processes")
@pytest.mark.parametrize("everybody", [False, True], ids=["the worker", "every process"])
def test_a_stop_without_time_to_finish(faults, everybody):
    """SIGTERM hands a job back that is longer than the grace: due again at once, not charged, and done once elsewhere."""
    worker = faults.worker(OFFBEAT_JOBS_DRAIN="2")
    long = tasks.work.enqueue("long", gate=faults.gate)
    waiting = tasks.work.enqueue("waiting", 0)
    faults.wait_for_start("long")
    faults.wait_for_state(waiting, "succeeded")

    terminate(worker, everybody)

    assert worker.wait(10) == 0
    handed_back = Job.objects.get(pk=long.pk)
    assert handed_back.state in {"pending", "published"}
    assert handed_back.crashes == 0
    assert handed_back.history[0]["outcome"] == "handed back"
    faults.open_gate()
    faults.worker()
    assert faults.wait_for_state(long, "succeeded").attempt == 2
    assert faults.happened("long") == 1


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("SIGQUIT to the worker, or SIGINT twice")
@pytest.mark.parametrize("numbers", [[signal.SIGQUIT], [signal.SIGINT] * 2], ids=["quit", "interrupt twice"])
def test_a_stop_in_a_hurry(faults, numbers):
    """Who is in a hurry waits for no job: it is returned to the queue at once, and the attempt does not count."""
    worker = faults.worker(OFFBEAT_JOBS_DRAIN="600")
    job = tasks.work.enqueue("long", gate=faults.gate)
    faults.wait_for_start("long")

    for number in numbers:
        worker.signal(number)
        wait_until(lambda: "worker_stopping" in worker.output or not worker.is_running)

    assert worker.wait(10) == 0
    found = Job.objects.get(pk=job.pk)
    assert (found.state in {"pending", "published"}, found.crashes) == (True, 0)
    assert found.history[0]["outcome"] == "handed back"


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.fault("SIGTERM to the worker, or to all its processes")
def test_a_stop_while_jobs_wait(faults):
    """A stopping worker takes no further job: what waits is neither lost nor run twice."""
    worker = faults.worker()
    jobs = [tasks.work.enqueue(f"{n}", gate=faults.gate) for n in range(20)]
    faults.wait_for_start("1")

    worker.signal(signal.SIGTERM)
    worker.wait_for("worker_stopping")
    faults.open_gate()
    assert worker.wait() == 0

    assert Job.objects.filter(state="running").count() == 0
    assert faults.unfinished() > 0
    faults.worker()
    faults.wait_for_all()
    assert faults.repeated() == []
    assert Job.objects.filter(pk__in=[job.pk for job in jobs], state="succeeded", attempt=1).count() == 20


@pytest.mark.brokers("rabbitmq", "sqs")
@pytest.mark.pools("threads", weekly=("gevent",))
@pytest.mark.fault("a worker freezes for longer than its heartbeat may be late, then resumes")
def test_a_frozen_worker(faults):
    """A worker that stood still for longer than its heartbeat is fenced off when it wakes up: one recorded success."""
    frozen = faults.quick_worker()
    job = tasks.work.enqueue("frozen", gate=faults.gate)
    faults.wait_for_start("frozen")

    frozen.pause()
    faults.quick_worker()
    faults.wait_for_start("frozen", times=2)
    faults.open_gate()
    done = faults.wait_for_state(job, "succeeded")
    frozen.resume()

    frozen.wait_for("is no longer the current one")
    assert done.attempt == 2
    again = Job.objects.get(pk=job.pk)
    assert (again.attempt, again.finished_at) == (2, done.finished_at)


def is_transaction_open():
    """The session of the job's process wrote, and waits for the task to go on."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT EXISTS (SELECT 1 FROM pg_stat_activity AS session JOIN offbeat_jobs_job AS job
                ON application_name = format('offbeat %s %s', job.worker, job.pid)
                WHERE job.state = 'running' AND session.state = 'idle in transaction' AND backend_xid IS NOT NULL)
            """
        )
        return cursor.fetchone()[0]


@pytest.mark.long
@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.fault("a machine freezes inside an `atomic` task")
def test_a_frozen_worker_with_an_atomic_job(faults):
    """Its session is ended with its worker: effects of an atomic task are rolled back, and others do not wait for its locks."""
    frozen = faults.quick_worker()
    job = tasks.work_atomically.enqueue("atomic", gate=faults.gate)
    # Its start is committed before: frozen between the two, it would not have begun.
    wait_until(is_transaction_open)

    frozen.pause()
    faults.quick_worker()
    faults.open_gate()
    done = faults.wait_for_state(job, "succeeded")
    frozen.resume()

    wait_until(lambda: "job_fenced" in frozen.output)
    assert done.attempt == 2
    assert faults.happened("atomic") == 1


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.fault("a worker freezes for longer than its heartbeat may be late, then resumes")
def test_the_frozen_worker_appears_again(faults):
    """A worker that was declared lost is in the ledger again once it beats."""
    worker = faults.quick_worker()
    faults.quick_worker()
    workers = ledger_pids()

    worker.pause()
    wait_until(lambda: worker.pid not in ledger_pids())
    worker.resume()

    wait_until(lambda: ledger_pids() == workers)


def ledger_pids():
    return set(Worker.objects.values_list("pid", flat=True))


def terminate(worker, everybody):
    family = [psutil.Process(worker.pid), *worker.children()] if everybody else [psutil.Process(worker.pid)]
    for process in family:
        process.send_signal(signal.SIGTERM)
