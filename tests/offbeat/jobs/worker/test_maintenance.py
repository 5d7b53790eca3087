"""What a worker maintains: real tasks, on a worker of Celery that is made and not started."""

import collections
import os
import signal
import time
import uuid
from datetime import UTC, datetime

import pytest
from billiard.process import current_process
from celery import current_app
from celery.result import allow_join_result
from celery.worker import state

from offbeat.jobs import attempts, broker, cancellation, child_books, recovery, workers
from offbeat.jobs.models import Job, Worker
from offbeat.jobs.worker.clock import ClockStep
from offbeat.jobs.worker.maintenance import WorkerMaintenance, heartbeat_tasks, maintenance_tasks
from offbeat.jobs.worker.maintenance_thread import MaintenanceThread
from offbeat.jobs.worker.state import worker_state
from tests.offbeat.faults.effects.tasks import nothing

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


@pytest.fixture(scope="module")
def controller():
    # A worker forbids in its process what tests after these need.
    with allow_join_result():
        yield current_app.WorkController(queues="default,mail", concurrency=2)
    del current_app.amqp.queues  # narrowed to those two


@pytest.fixture
def maintenance(controller, monkeypatch, tmp_path):
    monkeypatch.setenv("OFFBEAT_JOBS_HEARTBEAT_FILE", str(tmp_path / "beat"))
    monkeypatch.setenv("VERSION", "1.2")
    now = time.monotonic()
    quiet = {
        "broker_lost_at": None,
        "is_stopping": False,
        "has_left_ledger": False,
        "is_killing_children": False,
    }
    for name, value in quiet.items():
        monkeypatch.setattr(worker_state, name, value)
    for name in ("task_started_at", "loop_turned_at", "maintained_at"):
        monkeypatch.setattr(worker_state, name, now)
    return WorkerMaintenance(controller)


def test_it_beats_in_the_ledger_and_in_the_file(maintenance, tmp_path):
    """Who it is, what it consumes, and that it is not busy."""
    maintenance.write_heartbeat_file()
    maintenance.beat()

    row = Worker.objects.get()
    assert (row.queues, row.concurrency, row.version, row.busy) == (["default", "mail"], 2, "1.2", 0)
    assert (tmp_path / "beat").exists()


def test_a_hanging_event_loop_looks_dead_to_the_probe_only(maintenance, monkeypatch, tmp_path):
    """Its running jobs are fine, so the ledger keeps them; the platform should restart it."""
    monkeypatch.setattr(worker_state, "loop_turned_at", time.monotonic() - 61)

    maintenance.write_heartbeat_file()
    maintenance.beat()

    assert Worker.objects.count() == 1
    assert not (tmp_path / "beat").exists()


def test_an_event_loop_that_waits_for_redis_does_not_hang(maintenance, monkeypatch, tmp_path):
    """It stands still because the broker is away: that is told, and no reason to restart."""
    monkeypatch.setattr(worker_state, "loop_turned_at", time.monotonic() - 61)
    monkeypatch.setattr(worker_state, "broker_lost_at", time.monotonic() - 61)

    maintenance.write_heartbeat_file()
    maintenance.beat()

    assert (tmp_path / "beat").exists()
    assert Worker.objects.get().broker_away_since is not None


def test_a_worker_that_has_left_beats_no_more(maintenance, monkeypatch, tmp_path):
    """It would appear again, and be buried as lost."""
    monkeypatch.setattr(worker_state, "has_left_ledger", True)

    maintenance.write_heartbeat_file()
    maintenance.beat()

    assert Worker.objects.count() == 0
    assert not (tmp_path / "beat").exists()


@pytest.mark.fault("a worker cannot write its heartbeat file (a full disk)")
@pytest.mark.parametrize("problem", ["no folder", "a folder"])
def test_a_file_that_cannot_be_written_does_not_silence_the_worker(
    maintenance, monkeypatch, tmp_path, caplog, problem
):
    """A full disk, or somebody else's file: the ledger hears of the worker all the same, and the log says why once."""
    file = tmp_path / "none" / "beat" if problem == "no folder" else tmp_path
    monkeypatch.setenv("OFFBEAT_JOBS_HEARTBEAT_FILE", str(file))
    thread = MaintenanceThread(heartbeat_tasks(maintenance))

    for _ in range(2):
        for task in thread.tasks:
            thread.try_once(task.name, task.act)

    assert Worker.objects.count() == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(file) in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_step_of_the_clock_is_told(maintenance, monkeypatch, caplog):
    """Whoever is silent since is not lost before everybody had the time for two beats; the log says how far, once."""
    maintenance.beat()
    maintenance.steady_since -= 3600
    maintenance.clock.ahead = tuple(each - 300 for each in maintenance.clock.ahead)

    for _ in range(2):
        maintenance.beat()

    assert [record.getMessage() for record in caplog.records] == [
        "PostgreSQL's clock has been set 300 s forward"
    ]
    assert time.monotonic() - maintenance.steady_since < 60


def test_after_a_step_no_message_is_taken_for_lost(maintenance, carrier):
    """Which one is older is told by the clock; after a step back for as long as the clock shows times that were shown before."""
    job = nothing.enqueue()
    carrier.flushall()
    maintenance.note_step(ClockStep(-100.0, datetime.now(UTC)))
    moment = maintenance.forged_until - time.monotonic()

    maintenance.republish_lost_messages()

    assert Job.objects.get(pk=job.pk).state == "published"
    assert 129 < moment < 131


def test_a_maintenance_thread_that_hangs_looks_dead_to_the_probe_only(maintenance, monkeypatch, tmp_path):
    """Nothing relays and nothing recovers in this worker: the platform should restart it; others leave its jobs alone."""
    monkeypatch.setattr(worker_state, "maintained_at", time.monotonic() - 301)

    maintenance.write_heartbeat_file()
    maintenance.beat()

    assert Worker.objects.count() == 1
    assert not (tmp_path / "beat").exists()


@pytest.fixture
def silent_worker(let_time_pass):
    """A worker whose last beat is a minute old."""
    Worker.objects.create(hostname="h", pid=1, queues=[], concurrency=1)
    let_time_pass(60, "heartbeat_at", table="offbeat_jobs_worker")


def test_who_beats_steadily_buries_the_lost(maintenance, silent_worker):
    """Two beats' time is enough for everybody who lives to say so."""
    maintenance.beat()
    maintenance.steady_since -= 21

    maintenance.recover_lost_workers()

    assert Worker.objects.get().pk == workers.current()


@pytest.mark.parametrize(("steady", "beaten"), [(19, 0), (3600, 21)], ids=["just begun", "late itself"])
def test_who_does_not_beat_steadily_buries_nobody(maintenance, silent_worker, steady, beaten):
    """PostgreSQL may have been away for everybody: those who live get the time to say so."""
    maintenance.beat()
    maintenance.steady_since -= steady
    maintenance.beaten_at -= beaten

    maintenance.recover_lost_workers()

    assert Worker.objects.count() == 2


def test_a_late_beat_is_a_new_beginning(maintenance, silent_worker):
    """After a minute without a beat, its own was not to be had either."""
    maintenance.beat()
    maintenance.steady_since -= 3600
    maintenance.beaten_at -= 60

    maintenance.beat()
    maintenance.recover_lost_workers()

    assert Worker.objects.count() == 2


class Process:
    """A child of the pool, as billiard lists it."""

    def __init__(self, pid):
        self.pid = pid


class Pool:
    def __init__(self, *pids):
        self._pool = self
        self._pool = type("Inner", (), {"_pool": [Process(pid) for pid in pids]})()


@pytest.fixture
def running():
    job = nothing.enqueue()
    attempts.begin(job.pk, workers.current())
    return job


@pytest.fixture
def books(monkeypatch):
    """Those of a worker with two children, of which this process is one."""
    monkeypatch.setattr(child_books, "_memory", None)
    monkeypatch.setattr(child_books, "_done", collections.deque())
    child_books.open_books(2)
    monkeypatch.setattr(current_process(), "index", 1, raising=False)


def believe_it(maintenance):
    """Let the worker have missed them for as long as it takes."""
    maintenance.missing_since = {each: since - 11 for each, since in maintenance.missing_since.items()}


def test_the_job_of_a_child_that_is_gone_is_due_again(maintenance, running, row, monkeypatch):
    """The pool lists other children now; one that has just been forked is given the benefit of the doubt."""
    monkeypatch.setattr(maintenance.worker, "pool", Pool(1))
    maintenance.recover_dead_children()
    young = row(running).state
    believe_it(maintenance)

    maintenance.recover_dead_children()

    assert (young, row(running).state, row(running).reason) == (
        "running",
        "pending",
        "its process no longer exists",
    )


def test_a_child_that_is_in_the_list_again_was_never_gone(maintenance, running, row, monkeypatch):
    """What was noted about it is forgotten."""
    monkeypatch.setattr(maintenance.worker, "pool", Pool(1))
    maintenance.recover_dead_children()
    believe_it(maintenance)
    monkeypatch.setattr(maintenance.worker, "pool", Pool(os.getpid()))
    maintenance.recover_dead_children()
    monkeypatch.setattr(maintenance.worker, "pool", Pool(1))
    maintenance.recover_dead_children()

    assert row(running).state == "running"


def test_the_job_of_a_child_that_the_worker_killed_is_not_charged(maintenance, running, row, monkeypatch):
    """The worker is about to hand it back."""
    monkeypatch.setattr(maintenance.worker, "pool", Pool(1))
    maintenance.recover_dead_children()
    believe_it(maintenance)
    monkeypatch.setattr(worker_state, "is_killing_children", True)

    maintenance.recover_dead_children()

    assert row(running).state == "running"


def test_the_job_of_a_child_that_lives_runs_on(maintenance, running, row, let_time_pass, monkeypatch):
    """However long."""
    monkeypatch.setattr(maintenance.worker, "pool", Pool(os.getpid()))
    let_time_pass(36_000, "started_at")

    maintenance.recover_dead_children()

    assert row(running).state == "running"


def test_the_job_of_a_child_that_has_gone_on_is_due_again(maintenance, running, row, books, monkeypatch):
    """PostgreSQL has lost its end. The child is at another job, so its session stays, and the attempt is not counted."""
    monkeypatch.setattr(maintenance.worker, "pool", Pool(os.getpid()))
    with child_books.note_job(running.pk):
        maintenance.recover_dead_children()
    at_work = dict(maintenance.missing_since)

    with child_books.note_job(uuid.uuid4()):
        maintenance.recover_dead_children()
        believe_it(maintenance)
        maintenance.recover_dead_children()

    found = row(running)
    assert at_work == {}
    assert (found.state, found.crashes, found.reason) == ("pending", 0, recovery.END_LOST)


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize("is_idle", [True, False])
def test_the_job_of_a_child_that_died_after_it_is_not_counted(
    maintenance, running, row, monkeypatch, is_idle
):
    """It had done its share, `--max-tasks-per-child`, before PostgreSQL lost the end; one that died in its job has crashed."""
    monkeypatch.setattr(maintenance.worker, "pool", Pool(1))
    with child_books.note_job(uuid.uuid4() if is_idle else running.pk):
        if not is_idle:
            child_books.note_death(1, os.getpid())
    if is_idle:
        child_books.note_death(1, os.getpid())
    maintenance.recover_dead_children()
    believe_it(maintenance)

    maintenance.recover_dead_children()

    assert (row(running).state, row(running).crashes) == ("pending", int(not is_idle))


def test_a_cancel_of_it_ends_no_other_job(maintenance, running, books, monkeypatch):
    """The row names a child that is at another job by now."""
    sent = []
    monkeypatch.setattr(os, "kill", lambda *signal: sent.append(signal))
    cancellation.cancel(running.pk, "not wanted")

    with child_books.note_job(uuid.uuid4()):
        maintenance.cancellations.end_attempts()
    others = list(sent)
    with child_books.note_job(running.pk):
        maintenance.cancellations.end_attempts()

    assert others == []
    assert sent == [(os.getpid(), signal.SIGUSR1)]


def test_a_pool_without_processes_has_no_dead_ones(maintenance, running, row, let_time_pass, monkeypatch):
    """A pool of threads tells nothing about them."""
    monkeypatch.setattr(maintenance.worker, "pool", None)
    let_time_pass(36_000, "started_at")

    maintenance.recover_dead_children()

    assert row(running).state == "running"


@pytest.fixture
def stuck(maintenance, monkeypatch):
    """A worker that has been idle for six minutes while a message waits; gives the reasons for which it left."""
    nothing.enqueue()
    monkeypatch.setattr(worker_state, "task_started_at", time.monotonic() - 360)
    return []


def test_a_stuck_consumer_leaves(maintenance, stuck):
    """Messages wait, processes are free, nothing starts at the second look either: the platform restarts what has left."""
    maintenance.stop_if_stuck(stuck.append)
    first = list(stuck)
    maintenance.stop_if_stuck(stuck.append)

    assert first == []
    assert stuck == ["messages wait in default, processes are free, and nothing has started for 360 s"]


def test_a_message_that_has_just_come_is_not_stuck(maintenance, stuck):
    """At the next look it has been taken; another one that has just come begins anew."""
    maintenance.stop_if_stuck(stuck.append)
    broker.client().flushall()
    maintenance.stop_if_stuck(stuck.append)
    nothing.enqueue()
    maintenance.stop_if_stuck(stuck.append)

    assert stuck == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("broker_lost_at", 1.0), ("is_stopping", True), ("task_started_at", None)],
    ids=["broker away", "stopping", "started lately"],
)
def test_it_stays_for_good_reason(maintenance, stuck, monkeypatch, name, value):
    """While Redis is away, while it stops, and when something has started lately."""
    monkeypatch.setattr(worker_state, name, value or time.monotonic() - 200)

    maintenance.stop_if_stuck(stuck.append)
    maintenance.stop_if_stuck(stuck.append)

    assert stuck == []


def test_it_stays_when_nothing_waits(maintenance, stuck):
    """Idle is not stuck."""
    broker.client().flushall()

    maintenance.stop_if_stuck(stuck.append)
    maintenance.stop_if_stuck(stuck.append)

    assert stuck == []


def test_it_stays_when_it_is_busy(maintenance, stuck, monkeypatch):
    """Two long jobs in two slots."""
    monkeypatch.setattr(state, "reserved_requests", {1, 2})

    maintenance.stop_if_stuck(stuck.append)
    maintenance.stop_if_stuck(stuck.append)

    assert stuck == []


def test_every_task_can_be_done(maintenance):
    """On an idle worker each of them passes; those of other apps have a thread of their own."""
    thread = MaintenanceThread([*heartbeat_tasks(maintenance), *maintenance_tasks(maintenance, pytest.fail)])

    assert [task.name for task in thread.tasks] == [
        "heartbeat file", "heartbeat", "relay", "refused jobs", "pauses", "cancels", "dead children",
        "lost workers", "loss token", "lost messages", "late jobs", "unknown jobs", "batches",
        "known code", "free keys", "stuck consumer",
    ]  # fmt: skip
    for task in thread.tasks:
        task.act()


def test_the_intervals_are_settings(settings, maintenance):
    """Seconds, as in OFFBEAT_JOBS."""
    settings.OFFBEAT_JOBS = {"relay_interval": 0.5, "heartbeat_interval": 3, "reconcile_interval": 2}

    intervals = {
        task.name: task.interval
        for task in [*heartbeat_tasks(maintenance), *maintenance_tasks(maintenance, print)]
    }

    assert (intervals["relay"], intervals["heartbeat"], intervals["loss token"]) == (0.5, 3, 2)
