"""Workers whose pool is threads or greenlets: what a thread cannot do by itself, the process of all of them does."""

from __future__ import annotations

import signal

import pytest
from django.db import connection

from offbeat.jobs import broker, ledger, recovery
from offbeat.jobs.message import job_message
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.support.polling import stays, wait_until
from tests.offbeat.support.stack import POOL, worker_service

pytestmark = [pytest.mark.faults, pytest.mark.pools("threads", "gevent", only=True)]

# What a coroutine may wait in while a soft limit interrupts it; a thread is interrupted in Python code only.
COROUTINES = ["await", "gather", "query"] + ["sleep", "thread"] * (POOL == "gevent")


def lanes_process(worker):
    wait_until(lambda: len(worker.children()) == 1)  # one that was replaced may be about to end
    (process,) = worker.children()
    return process


@pytest.mark.fault(
    "a task passes its hard time limit",
    "a task catches the soft time limit and cleans up",
    "an [`async def` task](async-tasks.md) reaches its soft time limit",
)
def test_what_one_worker_does(faults):
    """Many at a time in one process: soft limits, clean-ups and a hang; nothing is lost, and nothing is done twice."""
    worker = faults.quick_worker("--concurrency", "20")
    first = lanes_process(worker).pid
    companions = [tasks.work.enqueue(f"beside {number}", 1) for number in range(10)]
    long = tasks.work.enqueue("long", gate=faults.gate)
    hung = tasks.never_end.using(key="hung").enqueue("hung")
    Job.objects.filter(pk=hung.pk).update(max_attempts=1)
    asleep = tasks.pass_the_soft_limit.enqueue("soft", 60)
    cleaned = tasks.clean_up.enqueue("clean")
    busy = [
        task.enqueue(f"busy {number}")
        for number in range(3)
        for task in (tasks.write_until_interrupted, tasks.read_until_interrupted)
    ]

    assert "hard time limit of 2 s exceeded" in faults.wait_for_state(hung, "dead", 60).reason
    faults.open_gate()
    found = [faults.wait_for_state(job, "dead", 60).reason for job in (asleep, cleaned, *busy)]
    assert [reason.partition(":")[0] for reason in found] == 8 * ["SoftTimeLimitExceeded"]
    assert Effect.objects.filter(what="cleaned").count() == 4
    faults.wait_for_all(90)
    for job in companions:
        job.refresh_from_db()
    assert {(job.state, job.attempt) for job in companions} == {("succeeded", 1)}
    long.refresh_from_db()
    assert (long.state, long.crashes, {entry["outcome"] for entry in long.history}) == (
        "succeeded",
        0,
        {"handed back"},
    )
    coroutines = {how: tasks.wait_async.enqueue(how, how) for how in COROUTINES}
    for how, job in coroutines.items():
        assert faults.wait_for_state(job, "dead", 60).reason.startswith("SoftTimeLimitExceeded"), how
        assert faults.happened(how, "interrupted False") == 1
    assert worker.is_running
    assert lanes_process(worker).pid != first
    assert faults.repeated() == []


@pytest.mark.fault(
    "a worker's process of threads or greenlets dies with several jobs", "a pool child is killed"
)
def test_a_killed_process_of_many(faults):
    """Its jobs run again: one that kills its process does so alone the next time, and the others are counted once."""
    worker = faults.quick_worker("--concurrency", "10")
    others = [tasks.work.enqueue(f"beside {number}", gate=faults.gate) for number in range(5)]
    for number in range(len(others)):
        faults.wait_for_start(f"beside {number}")
    poison = tasks.kill_itself.enqueue("poison")
    wait_until(lambda: Job.objects.get(pk=poison.pk).crashes)
    faults.open_gate()

    assert faults.wait_for_state(poison, "dead", 90).crashes == 5
    faults.wait_for_all(60)

    assert faults.happened("poison", "start") == 5
    assert max(Job.objects.filter(state="succeeded").values_list("crashes", flat=True)) == 1
    assert Job.objects.filter(state="succeeded").count() == len(others)
    assert faults.repeated() == []
    tasks.work.enqueue("afterwards")
    faults.wait_for_all()
    wait_until(lambda: len(worker.children()) == 1)  # none is kept for one that is dead


@pytest.mark.fault("a thread or a greenlet is gone, and its job is not")
def test_a_job_that_nobody_runs(faults):
    """A job that the ledger knows as running here, and the pool does not, is due again: the worker's own books say so."""
    faults.quick_worker()
    job = tasks.work.enqueue("known", gate=faults.gate)
    running = faults.wait_for_state(job, "running")
    faults.open_gate()
    faults.wait_for_state(job, "succeeded")
    lost = tasks.work.using(run_at=running.created_at.replace(year=2199)).enqueue("lost")

    Job.objects.filter(pk=lost.pk).update(
        state="running", worker=running.worker, pid=running.pid, attempt=1, started_at=running.started_at
    )

    assert faults.wait_for_state(lost, "succeeded", 60).history[0]["reason"] == recovery.END_LOST


def successor_of(worker, first):
    """Stop the process that takes the place of another one as soon as there is one, and give it."""
    wait_until(lambda: [each for each in worker.children() if each.pid != first], pause=0.001)
    (process,) = [each for each in worker.children() if each.pid != first]
    process.suspend()
    return process


@pytest.mark.fault("a task passes its hard time limit")
def test_limits_begin_with_the_task(faults):
    """Jobs do not wait for a process that starts, which takes greenlets seconds: who has done enough goes on meanwhile."""
    worker = faults.quick_worker("--concurrency", "1", "--max-tasks-per-child", "1")
    first = lanes_process(worker)
    faults.wait_for_state(tasks.work.enqueue("the first"), "succeeded")

    meanwhile = tasks.work_briefly.enqueue("meanwhile")
    successor = successor_of(worker, first.pid)
    assert faults.wait_for_state(meanwhile, "succeeded").attempt == 1
    first.kill()
    waits = tasks.work_briefly.enqueue("waits")
    stays(lambda: successor in worker.children(), seconds=4)  # longer than its limits
    successor.resume()

    assert faults.wait_for_state(waits, "succeeded").attempt == 1
    assert worker.stop(30) == 0


@pytest.mark.fault("a message is delivered twice, even at the same moment")
def test_a_duplicate_message(faults):
    """A second message of a job that another thread of the same worker runs starts nothing."""
    faults.quick_worker()
    job = tasks.work.enqueue("once", gate=faults.gate)
    faults.wait_for_start("once")
    job.refresh_from_db()
    copy = job_message(str(job.pk), job.task, "default", job.published_at, ledger.identity())
    broker.publish({broker.list_name("default", 0): [copy, copy]})
    wait_until(lambda: broker.waiting("default") == 0)
    faults.open_gate()

    faults.wait_for_state(job, "succeeded")

    stays(lambda: faults.happened("once", "start") == 1, seconds=2)


@pytest.mark.fault("a greenlet computes for long, so no other greenlet of its process runs")
def test_a_task_that_lets_nobody_else_run(faults):
    """A greenlet that computes keeps the others waiting, and not the worker: it beats, and nobody takes its jobs."""
    worker = faults.quick_worker()
    job = tasks.compute.enqueue("compute", 8)  # longer than a heartbeat may be late
    faults.wait_for_start("compute")
    faults.quick_worker()

    assert faults.wait_for_state(job, "succeeded", 60).attempt == 1
    assert "is lost" not in worker.output


@pytest.mark.fault("a task activates a language, a time zone or another context variable")
def test_connections_are_bounded_and_returned(faults):
    """One session a thread at most, and none of those that have had nothing to do for a while."""
    faults.quick_worker("--concurrency", "20")
    tasks.query_for_a_second.enqueue_many(((f"{number}",), {}) for number in range(40))
    faults.wait_for_all()
    tasks.speak_german.enqueue_many(((f"{number}",), {}) for number in range(40))
    faults.wait_for_all()

    with faults.postgres.connect() as server:
        ask = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^offbeat [0-9a-f-]+ 1[0-9]{7}$'"
        )
        assert server.execute(ask).fetchone()[0] <= 20
        wait_until(lambda: server.execute(ask).fetchone()[0] == 0)
    waits = Effect.objects.filter(what="done").count()
    assert waits == 40
    assert (
        Effect.objects.filter(what__startswith="en").count() == 40
    )  # none has got the language of another one


REFUSE = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON offbeat_jobs_job FOR EACH ROW
        WHEN (NEW.state = 'succeeded' AND NEW.attempt = 1 AND NEW.task LIKE '%.rest') EXECUTE FUNCTION refuse();
"""


@pytest.mark.fault(
    "PostgreSQL refuses the end of an attempt, or its answer is lost",
    "a child is killed while its statement waits for a lock",
)
def test_what_one_job_costs_the_others(faults, held):
    """An end that PostgreSQL refuses counts, and ends nothing else; a process that is killed leaves no statement behind."""
    with connection.cursor() as cursor:
        cursor.execute(REFUSE)
    Effect.objects.create(label="row", what="row", pid=0)
    worker = faults.quick_worker("--concurrency", "10", OFFBEAT_JOBS_PATIENCE="0")
    first = lanes_process(worker).pid
    others = [tasks.work.enqueue(f"beside {number}", gate=faults.gate).pk for number in range(5)]
    for number in range(len(others)):
        faults.wait_for_start(f"beside {number}")

    refused = faults.wait_for_state(tasks.rest.enqueue(0), "succeeded")
    faults.open_gate()
    faults.wait_for_all()
    same = lanes_process(worker).pid
    with held("SELECT 1 FROM effects_effect WHERE label = %s FOR UPDATE", "row"):
        thread = tasks.touch_in_a_thread.enqueue("thread", "row")
        faults.wait_for_start("thread")
        hog = tasks.hold_the_interpreter.enqueue("hog")
        for job in (thread, hog):
            assert faults.wait_for_state(job, "dead").reason.endswith("hard time limit of 2 s exceeded")

    assert (refused.attempt, refused.crashes) == (2, 1)
    assert refused.history[0]["reason"].startswith("its start or its end is not recorded: ")
    assert set(Job.objects.filter(pk__in=others).values_list("state", "attempt")) == {("succeeded", 1)}
    assert same == first
    stays(lambda: Effect.objects.get(label="row").pid == 0, seconds=1)


@pytest.mark.pools("gevent", only=True)
@pytest.mark.fault("SIGTERM to the worker, or to all its processes")
def test_signals_while_a_process_starts(faults):
    """Greenlets need seconds for that: signals to every process end none that is about to run jobs."""
    worker = faults.stack.start("worker", [*worker_service().argv, "--pool", POOL, "--concurrency", "2"])
    wait_until(worker.children)

    for process in worker.children():
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)

    faults.wait_for_state(tasks.work.enqueue("after"), "succeeded")
    assert worker.is_running
