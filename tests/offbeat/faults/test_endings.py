"""However a task ends, that is its answer: recorded at once, and nothing else ends with it."""

from __future__ import annotations

import signal

import pytest
from django.db import OperationalError, connection

from offbeat.jobs.batches import open_batch
from offbeat.jobs.conflicts import is_conflict
from offbeat.jobs.models import Batch, Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.support.polling import stays, wait_until

pytestmark = pytest.mark.faults

ENDS = {
    "exit": "SystemExit: 0",
    "exit with an error": "SystemExit: broken",
    "interrupt": "KeyboardInterrupt",
    "generator": "GeneratorExit",
    "cancelled": "CancelledError: away",
    "memory": "MemoryError: no more",
}


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools("threads", weekly=("gevent",))
@pytest.mark.fault(
    "a task ends with `SystemExit` (also `sys.exit(0)`), `KeyboardInterrupt`, `GeneratorExit`, `CancelledError` or `MemoryError`"
)
def test_what_ends_processes_ends_a_task(faults):
    """SystemExit, KeyboardInterrupt, MemoryError and their like: a dead letter at once, with its traceback, after one attempt."""
    worker = faults.quick_worker()
    jobs = {how: tasks.end_by.enqueue(how, how) for how in ENDS}
    for how in ENDS:
        tasks.end_by.delay(f"plain {how}", how)
    faults.wait_for_all()
    wait_until(lambda: all(faults.happened(f"plain {how}", "start") for how in ENDS))
    after = tasks.work.enqueue("after")
    faults.wait_for_state(after, "succeeded")

    found = {how: Job.objects.get(pk=job.pk) for how, job in jobs.items()}
    assert {how: job.reason for how, job in found.items()} == ENDS
    assert {(job.state, job.attempt, job.crashes) for job in found.values()} == {("dead", 1, 0)}
    assert all("ENDS[how]()" in job.traceback for job in found.values())
    assert worker.is_running
    assert "Unrecoverable" not in worker.output
    stays(
        lambda: Effect.objects.filter(what="start").exclude(label="after").count() == 2 * len(ENDS), seconds=3
    )


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools("threads", weekly=("gevent",))
@pytest.mark.fault("a task forks a process that returns from the task")
@pytest.mark.parametrize("how", ["exit", "return"])
def test_a_process_that_a_task_forked(faults, how):
    """It comes back from the task like its parent, and ends there: one attempt, one answer, no worker beside the worker."""
    worker = faults.quick_worker()
    faults.wait_for_state(tasks.nothing.enqueue(), "succeeded")
    before = len(worker.children())
    job = tasks.fork.enqueue("fork", how)
    tasks.fork.delay("plain", how)

    faults.wait_for_state(job, "succeeded")
    wait_until(lambda: faults.happened("plain"))
    others = [tasks.work.enqueue(f"{number}") for number in range(20)]
    faults.wait_for_all()

    assert (
        Job.objects.filter(pk__in=[other.pk for other in others], state="succeeded", attempt=1).count() == 20
    )
    assert (faults.happened("fork"), faults.repeated()) == (1, [])
    wait_until(lambda: len([child for child in worker.children() if child.status() != "zombie"]) == before)


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("threads",))
@pytest.mark.fault("a task forks a process that returns from the task")
@pytest.mark.parametrize("how", ["exit", "return"])
@pytest.mark.parametrize(
    "task", [tasks.fork_in_a_transaction, tasks.fork_in_a_block], ids=["atomic", "block"]
)
def test_a_fork_in_a_transaction(faults, task, how):
    """The copy neither commits nor rolls back what its parent has begun: both effects are there, once."""
    faults.quick_worker()
    job = task.enqueue("fork", how)

    done = faults.wait_for_state(job, "succeeded")

    assert done.attempt == 1
    assert (faults.happened("fork", "first"), faults.happened("fork")) == (1, 1)


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools("threads", weekly=("gevent",))
@pytest.mark.fault("an `on_commit` function of an `atomic` task raises an error")
def test_an_error_after_the_commit(faults):
    """The job has succeeded, and says what failed afterwards; its log does not say that another attempt replaced it."""
    worker = faults.quick_worker()
    job = tasks.fail_after_commit.enqueue("late")

    faults.wait_for_state(job, "succeeded")
    wait_until(lambda: Job.objects.get(pk=job.pk).reason)

    found = Job.objects.get(pk=job.pk)
    assert found.reason == "succeeded, but after its commit: ValueError: too late"
    assert "ValueError: too late" in found.traceback
    assert (found.attempt, faults.happened("late")) == (1, 1)
    assert "no longer the current one" not in worker.output
    assert "on_commit_failed" in worker.output


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools("threads", weekly=("gevent",))
@pytest.mark.fault("a task does not close a transaction")
def test_a_transaction_that_is_left_open(faults):
    """The task's changes are rolled back, and the job says so; the next jobs of its process are well."""
    faults.quick_worker(WORKER_CONCURRENCY="1")
    job = tasks.leave_a_transaction_open.enqueue("open")

    dead = faults.wait_for_state(job, "dead")
    others = [tasks.work.enqueue(f"{number}") for number in range(3)]
    faults.wait_for_all()

    assert dead.reason.startswith("UnfinishedTransactionError: the task did not close a transaction")
    assert faults.happened("open") == 0
    assert (
        Job.objects.filter(pk__in=[other.pk for other in others], state="succeeded", attempt=1).count() == 3
    )
    wait_until(lambda: not idle_transactions())  # a worker's maintenance has short ones


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools("threads", weekly=("gevent",))
@pytest.mark.fault(
    "a task closes its connection inside a transaction, or goes on there after its soft time limit"
)
def test_a_connection_that_is_closed_inside(faults):
    """It looks like a lost one, and comes again in each attempt: a dead letter after the first."""
    faults.quick_worker("--concurrency", "3")
    jobs = [
        tasks.close_its_connection_atomically.enqueue("closed"),
        tasks.swallow_in_a_savepoint.enqueue("swallowed"),
    ]
    outside = tasks.close_its_connection.enqueue("outside")

    dead = [faults.wait_for_state(job, "dead") for job in jobs]

    assert {job.reason.partition(":")[0] for job in dead} == {"ClosedTransactionError"}
    assert {job.attempt for job in dead} == {1}
    assert faults.wait_for_state(outside, "succeeded").attempt == 1
    assert not Effect.objects.exclude(label="outside").exists()


def idle_transactions():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'")
        return cursor.fetchone()[0]


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools("threads", weekly=("gevent",))
@pytest.mark.fault("a task changes settings of its database session, or how it begins transactions")
@pytest.mark.parametrize("how", ["enqueue", "delay"])
def test_a_session_that_is_changed(faults, how):
    """Settings of the session do not reach the next task, be it a job or a plain one."""
    faults.quick_worker(WORKER_CONCURRENCY="1")
    getattr(tasks.change_the_session, how)("changed")
    wait_until(lambda: faults.happened("changed"))

    tasks.work.delay("plain")
    faults.wait_for_state(tasks.work.enqueue("job"), "succeeded")

    wait_until(lambda: faults.happened("plain"))


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools("threads", weekly=("gevent",))
@pytest.mark.fault("Redis restarts while jobs run")
def test_time_limits_outlive_a_reconnect(faults):
    """Redis restarts while jobs run: their own limits and the global one hold, and the log tells of no job being terminated."""
    worker = faults.worker(WORKER_CONCURRENCY="4", TESTS_TASK_TIME_LIMIT="9")
    whole = tasks.work.enqueue("global", 6000)  # none ends by itself
    hard = tasks.pass_the_hard_limit.using(key="hard").enqueue("hard", 6000)
    soft = tasks.pass_the_soft_limit.enqueue("soft", 6000)
    Job.objects.filter(pk=hard.pk).update(max_attempts=1)
    faults.wait_for_start("global")
    faults.wait_for_start("hard")
    faults.wait_for_start("soft")

    faults.carrier.restart()

    dead = [faults.wait_for_state(job, "dead", seconds=40) for job in (hard, soft, whole)]
    assert "hard time limit of 6 s exceeded" in dead[0].reason
    assert [job.reason.partition(":")[0] for job in dead[1:]] == 2 * ["SoftTimeLimitExceeded"]
    assert "Terminating" not in worker.output
    assert worker.is_running
    assert (faults.happened("hard"), faults.happened("soft")) == (0, 0)


def test_a_soft_limit_that_passes_between_two_jobs(faults):
    """It is sent to a child whose job has ended in that moment: the child goes on, and no later task is interrupted."""
    worker = faults.quick_worker(WORKER_CONCURRENCY="1")
    faults.wait_for_state(tasks.nothing.enqueue(), "succeeded")
    (child,) = worker.children()

    for label in ("plain", "job"):
        child.send_signal(signal.SIGUSR1)
        (tasks.work.delay if label == "plain" else tasks.work.enqueue)(label)
        wait_until(lambda label=label: faults.happened(label))
    faults.wait_for_all()

    assert set(Job.objects.values_list("state", "crashes")) == {("succeeded", 0)}
    assert (worker.children(), faults.repeated()) == ([child], [])


def prepare_rows(count):
    for number in range(count):
        Effect.objects.create(label=f"row {number}", what="row", pid=0)


@pytest.mark.long
@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools("threads", weekly=("gevent",))
@pytest.mark.fault("a deadlock, a serialization failure, a lock timeout, a lost connection inside a task")
def test_deadlocks(faults):
    """Jobs that lock the same rows the other way round: each is done, once, and none is charged for giving way."""
    prepare_rows(2)
    faults.quick_worker(WORKER_CONCURRENCY="4")
    for number in range(20):
        tasks.lock_in_turn.enqueue(f"{number}", number % 2, 1 - number % 2)

    faults.wait_for_all(120)

    jobs = Job.objects.values_list("state", "crashes").distinct()
    assert list(jobs) == [("succeeded", 0)]
    assert Job.objects.filter(excused__gt=0).exists()
    assert faults.repeated() == []
    assert Effect.objects.filter(what="done").count() == 20


def _enqueue_batch():
    """Enqueue it, and tell whether it is there: under that isolation everybody's transaction may have to be repeated."""
    try:
        with open_batch(
            "b", on_success=tasks.work.call("success"), on_failure=tasks.work.call("failure")
        ) as batch:
            tasks.work_atomically.using(batch=batch).enqueue_many(
                ((f"{number}",), {}) for number in range(100)
            )
    except OperationalError as error:
        if not is_conflict(error):
            raise
        return False
    return True


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("threads",))
@pytest.mark.fault("the jobs of a batch end at the same moment, in serializable transactions")
def test_serializable_transactions(faults):
    """A batch under PostgreSQL's strictest isolation: nobody is charged for a conflict, and what follows follows once."""
    with faults.postgres.connect() as server:
        server.execute("ALTER DATABASE stack SET default_transaction_isolation = 'serializable'")
    faults.quick_worker(WORKER_CONCURRENCY="4")
    wait_until(_enqueue_batch)
    with connection.cursor() as cursor:  # whoever only watches takes part in no conflict
        cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED")

    faults.wait_for_all(120)
    wait_until(lambda: Batch.objects.get().finished_at is not None)
    faults.wait_for_all()

    assert list(Job.objects.values_list("state", "crashes").distinct()) == [("succeeded", 0)]
    assert faults.repeated() == []
    assert (faults.happened("success"), faults.happened("failure")) == (1, 0)


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("threads",))
@pytest.mark.fault("hundreds of jobs of one `concurrency_key`")
def test_many_jobs_of_one_key(faults):
    """Hundreds that wait for one key: one at a time, handed on at once, without errors in PostgreSQL or rounds of waiting."""
    with faults.postgres.connect() as server:
        before = server.execute(
            "SELECT xact_rollback FROM pg_stat_database WHERE datname = 'stack'"
        ).fetchone()[0]
    faults.worker(WORKER_CONCURRENCY="4")
    tasks.work.using(concurrency_key="one").enqueue_many(((f"{number}",), {}) for number in range(200))

    faults.wait_for_all(120)

    with faults.postgres.connect() as server:
        after = server.execute(
            "SELECT xact_rollback FROM pg_stat_database WHERE datname = 'stack'"
        ).fetchone()[0]
    assert faults.repeated() == []
    assert list(Job.objects.values_list("state", "attempt").distinct()) == [("succeeded", 1)]
    assert after - before < 20  # a refusal by the index is a race that is lost, not the rule
