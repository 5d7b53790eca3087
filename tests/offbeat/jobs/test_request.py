"""What the worker's main process does with a message, on requests made of what Redis carried."""

import os
import queue
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from billiard.einfo import ExceptionInfo
from billiard.exceptions import WorkerLostError
from celery.exceptions import TaskRevokedError
from django.db.models import F

from offbeat.jobs import attempts, workers
from offbeat.jobs.models import Job
from offbeat.jobs.request import JobRequest
from offbeat.jobs.worker.state import WorkerState, worker_state
from tests.offbeat.faults.effects.tasks import never_end, work

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


@pytest.fixture(autouse=True)
def inbox(monkeypatch):
    """What is submitted to the maintenance thread, to be done by the test."""
    monkeypatch.setattr(worker_state, "__dict__", vars(WorkerState()))
    return worker_state.records


def do_all(inbox):
    while True:
        try:
            inbox.get_nowait()()
        except queue.Empty:
            return


class Received:
    """Makes the request of the message that waits, and notes what is done with the message."""

    def __init__(self, task, *, redelivered=False):
        self.done = []
        with task.app.connection_for_read() as connection, connection.SimpleQueue("default") as messages:
            message = messages.get(timeout=5)
            message.ack()
        message.delivery_info["redelivered"] = redelivered
        self.request = JobRequest(
            message,
            on_ack=lambda *_: self.done.append("ack"),
            on_reject=lambda *_: self.done.append("reject"),
            app=task.app,
            task=task,
        )


@pytest.fixture
def job():
    """A job whose message has been received, and which runs in this process."""
    job = work.enqueue("a")
    received = Received(work)
    attempts.begin(job.pk, workers.current())
    received.request.worker_pid = os.getpid()
    return job, received


@pytest.fixture
def orphan(job):
    """The same of a process that has died."""
    child = subprocess.Popen(["true"])
    child.wait()
    Job.objects.update(pid=child.pid)
    job[1].request.worker_pid = child.pid
    return job


def died(how="Worker exited prematurely: signal 9 (SIGKILL) Job: 3."):
    try:
        raise WorkerLostError(how)  # noqa: TRY301  for its traceback
    except WorkerLostError:
        return ExceptionInfo(sys.exc_info())


def failed():
    try:
        raise ValueError("too early")  # noqa: TRY301  for its traceback
    except ValueError:
        return ExceptionInfo(sys.exc_info())


def test_it_knows_a_job_from_a_plain_message():
    """By its header."""
    work.enqueue("a")
    job = Received(work).request
    work.delay("a")
    plain = Received(work).request

    assert (job.is_job, plain.is_job) == (True, False)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("Worker exited prematurely: signal 9 (SIGKILL) Job: 3.", "its process died: signal 9 (SIGKILL)"),
        ("Worker exited prematurely: exitcode 75 Job: 3.", "its process died: exitcode 75"),
        ("something else", "its process died"),
    ],
)
def test_a_killed_child_is_told_to_the_ledger(orphan, inbox, row, how, reason):
    """At once, with what killed it; the message is acknowledged, because the ledger publishes the next one."""
    job, received = orphan

    received.request.on_failure(died(how))
    do_all(inbox)

    assert received.done == ["ack"]
    assert (row(job).state, row(job).reason, row(job).crashes) == ("pending", reason, 1)


@pytest.mark.fault("a task raises `WorkerLostError` of its own process pool")
def test_a_lost_worker_that_a_task_raises_is_its_error(job, inbox, row):
    """A task with a pool of its own may meet that one's loss: its process lives, and what runs there next is left alone."""
    job, received = job

    received.request.on_failure(died(), return_ok=True)
    do_all(inbox)

    assert received.done == ["ack"]
    assert row(job).state == "running"


@pytest.mark.fault("a message is popped from Redis and lost, or its worker dies before it starts the job")
@pytest.mark.parametrize(("how", "state"), [("signal 9 (SIGKILL)", "pending"), ("exitcode 75", "published")])
def test_a_process_that_dies_before_the_attempt(inbox, row, how, state):
    """Nobody else has the message, so the job is due at once; but not where PostgreSQL has refused its begin, and would again."""
    job = work.enqueue("a")
    received = Received(work)
    received.request.worker_pid = 0

    received.request.on_failure(died(f"Worker exited prematurely: {how} Job: 3."))
    do_all(inbox)

    assert (row(job).state, row(job).attempt, row(job).crashes, row(job).history) == (state, 0, 0, [])


def test_a_message_that_fails_before_its_attempt(inbox, row):
    """As in the task's `before_start`: nobody else would tell the ledger, and it would come again for ever."""
    job = work.enqueue("a")
    received = Received(work)

    received.request.on_failure(failed(), return_ok=True)
    do_all(inbox)

    assert (row(job).state, row(job).attempt, row(job).reason) == ("dead", 0, "ValueError: too early")


def test_a_message_that_was_replaced_meanwhile(inbox, row):
    """The job has begun and is published anew: what its old message met is not its end."""
    job = work.enqueue("a")
    received = Received(work)
    Job.objects.update(published_at=F("published_at") + timedelta(seconds=1))

    received.request.on_failure(failed(), return_ok=True)
    do_all(inbox)

    assert row(job).state == "published"


def test_a_child_that_the_worker_killed_is_not_charged(orphan, inbox, row):
    """Its job is handed back by who killed it."""
    job, received = orphan
    worker_state.is_killing_children = True

    received.request.on_failure(died())
    do_all(inbox)

    assert row(job).state == "running"


def test_a_plain_task_is_celerys(job, inbox, monkeypatch):
    """A killed child's plain message goes back into its queue."""
    work.delay("a")
    received = Received(work)

    received.request.on_failure(died())

    assert received.done == ["reject"]
    assert inbox.empty()


def test_a_hard_time_limit_is_told(inbox, row):
    """With the limit; the child is killed by the pool."""
    job = never_end.enqueue("a")
    received = Received(never_end)
    attempts.begin(job.pk, workers.current())
    received.request.worker_pid = os.getpid()

    received.request.on_timeout(soft=False, timeout=2)
    do_all(inbox)

    assert (row(job).state, row(job).reason) == ("pending", "hard time limit of 2 s exceeded")


def test_a_soft_time_limit_is_the_tasks(job, inbox, row):
    """It is raised in the child, which tells how the attempt ended."""
    job, received = job

    received.request.on_timeout(soft=True, timeout=2)
    do_all(inbox)

    assert row(job).state == "running"


class Pool:
    """Notes whom it was told to end."""

    def __init__(self):
        self.ended = []

    def terminate_job(self, pid, signal):
        self.ended.append((pid, signal))


@pytest.mark.parametrize(("kind", "ended"), [("job", []), ("plain", [(7, signal.SIGQUIT)])])
def test_on_a_lost_connection_a_job_goes_on(kind, ended):
    """The guard drops the second copy of its message; a plain task has no guard, and is ended."""
    work.enqueue("a") if kind == "job" else work.delay("a")
    received = Received(work)
    received.request.time_start, received.request.worker_pid = 1.0, 7
    received.request._already_cancelled = False  # noqa: SLF001
    pool = Pool()

    received.request.cancel(pool, emit_retry=False)

    assert pool.ended == ended


def test_a_plain_message_that_comes_too_often_is_a_dead_letter(settings, inbox):
    """It is acknowledged and not run."""
    settings.OFFBEAT_JOBS = {"delivery_cap": 0}
    work.delay("a", seconds=0)
    received = Received(work, redelivered=True)

    with pytest.raises(TaskRevokedError):
        received.request.execute_using_pool(None)
    do_all(inbox)

    assert received.done == ["ack"]
    assert (Job.objects.get().state, Job.objects.get().args) == ("dead", ["a"])


class RunningPool:
    """Notes what it was asked to apply."""

    putlocks = True

    def __init__(self):
        self.applied = []

    def apply_async(self, *_, **options):
        self.applied.append(options["correlation_id"])


def test_a_jobs_message_is_not_counted(settings):
    """The guard bounds a job's attempts: its messages may come as often as they like."""
    settings.OFFBEAT_JOBS = {"delivery_cap": 0}
    job = work.enqueue("a")
    received = Received(work, redelivered=True)
    pool = RunningPool()

    received.request.execute_using_pool(pool)

    assert pool.applied == [str(job.pk)]


def test_a_start_is_noted(monkeypatch):
    """So that the maintenance thread sees that the consumer is not stuck."""
    monkeypatch.setattr(worker_state, "task_started_at", 0.0)
    work.enqueue("a")

    Received(work).request.execute_using_pool(RunningPool())

    assert worker_state.task_started_at > 0


class Eventer:
    """Keeps the events that would go to Redis."""

    enabled = True

    def __init__(self):
        self.sent = []

    def send(self, kind, **fields):
        self.sent.append((kind, fields))


def test_events_have_no_password(job, monkeypatch):
    """Where events are on, for Flower, they tell of a failure without the secrets in it."""
    _, received = job
    eventer = Eventer()
    monkeypatch.setattr(received.request, "_eventer", eventer)

    received.request.on_failure(failed_with("no answer of postgres://app:hunter2@db"))

    ((kind, fields),) = eventer.sent
    assert kind == "task-failed"
    assert "postgres://***@db" in fields["traceback"]
    assert "hunter2" not in str(fields)


def failed_with(message):
    try:
        raise_error(message)
    except ValueError:
        return ExceptionInfo()


def raise_error(message):
    raise ValueError(message)
