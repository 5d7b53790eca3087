"""One attempt from its message to its record."""

import logging
import os
import signal
import uuid
from datetime import timedelta
from functools import partial

import psycopg
import pytest
from billiard.pool import soft_timeout_sighandler
from celery import current_app, shared_task
from celery.app.trace import build_tracer
from celery.exceptions import Ignore, Reject, Retry
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from psycopg.errors import (
    AdminShutdown,
    DeadlockDetected,
    DiskFull,
    LockNotAvailable,
    QueryCanceled,
    ReadOnlySqlTransaction,
    SerializationFailure,
)

from offbeat.jobs import attempts, conflicts, signals, tracer
from offbeat.jobs.message import headers
from offbeat.jobs.models import Job
from offbeat.jobs.task import DurableTask
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.faults.effects.tasks import divide, throw, work, work_atomically
from tests.offbeat.jobs import samples
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


def deadlock():
    error = OperationalError("deadlock detected")
    error.__cause__ = DeadlockDetected("deadlock detected")  # as Django does
    return error


@shared_task(bind=True)
def raises(self, name):
    raise {
        "ignore": Ignore(),
        "reject": Reject("not mine"),
        "requeue": Reject("not yet", requeue=True),
        "deadlock": deadlock(),
        "own": OperationalError("no such table"),
        "lines": ValueError("one\n  two"),
        "empty": KeyError(),
        "odd": ValueError("NUL \x00, half \ud800"),
        "mute": MuteError(),
    }[name]


class MuteError(Exception):
    """An error that cannot be shown."""

    def __str__(self):
        raise RuntimeError("no words")


@shared_task
def passes_its_soft_limit():
    os.kill(os.getpid(), signal.SIGUSR1)  # as the pool tells a child


@shared_task(bind=True)
def counts(self, total):
    for done in range(1, total + 1):
        self.progress(done, total)


@shared_task(bind=True, atomic=True)
def is_replaced(self, label):
    """What a machine sees that was stopped in the middle: meanwhile its job was started again."""
    samples.record.run(label)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE offbeat_jobs_job SET attempt = attempt + 1 WHERE id = %s", [self.request.id])


@shared_task(bind=True)
def is_replaced_and_deadlocks(self):
    Job.objects.filter(pk=self.request.id).update(attempt=2, worker=uuid.uuid4())
    raise deadlock()


@shared_task(bind=True)
def is_replaced_and_tells(self, label):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE offbeat_jobs_job SET attempt = attempt + 1 WHERE id = %s", [self.request.id])
    self.progress(1, 2)
    samples.record.run(label)


@shared_task(bind=True)
def looks_at_itself(self, **seen):
    request = self.request
    Effect.objects.create(
        label=f"{request.id} {request.kwargs} {request.retries} {request.called_directly}", what="seen", pid=1
    )


def test_a_job_succeeds(effects, row):
    """The task runs with the arguments of the row."""
    job = samples.record.enqueue("a", times=2)

    assert run_jobs() == 1
    assert effects("a") == ["done", "done"]
    assert (row(job).state, row(job).attempt) == ("succeeded", 1)


def test_an_error_is_a_dead_letter(row):
    """With its class, its message and the traceback down to the task's own line."""
    job = divide.enqueue(1, 0)

    run_jobs()

    found = row(job)
    assert (found.state, found.reason) == ("dead", "ZeroDivisionError: division by zero")
    assert "return a / b" in found.traceback


@pytest.mark.parametrize(
    ("name", "state", "reason"),
    [
        ("ignore", "succeeded", ""),
        ("reject", "dead", "rejected: not mine"),
        ("lines", "dead", "ValueError: one two"),
        ("empty", "dead", "KeyError"),
        ("odd", "dead", "ValueError: NUL \\x00, half \\ud800"),
        ("mute", "dead", "MuteError: its message cannot be shown"),
    ],
)
def test_how_a_task_may_end(name, state, reason, row, caplog):
    """Celery's Ignore means nothing to do, its Reject a dead letter; a reason is one line that PostgreSQL can store."""
    caplog.set_level(logging.CRITICAL, "celery.app.trace")  # a parallel run cannot report half characters
    job = raises.enqueue(name)

    run_jobs()

    assert (row(job).state, row(job).reason) == (state, reason)


def test_a_rejected_message_that_is_to_come_again(row):
    """As a retry: it waits, and there are as many as of those."""
    job = raises.enqueue("requeue")

    run_jobs()
    first = row(job)
    run_jobs(ahead=timedelta(days=1))

    assert (first.state, first.reason) == ("pending", "rejected: not yet")
    assert (row(job).state, row(job).attempt, row(job).reason) == ("dead", 4, "rejected: not yet")


@pytest.fixture
def soft_limits():
    """The handler that the pool installs in its children."""
    before = signal.signal(signal.SIGUSR1, soft_timeout_sighandler)
    yield
    assert signal.signal(signal.SIGUSR1, before) is soft_timeout_sighandler


def test_a_soft_time_limit_interrupts_the_task(soft_limits, row):
    """As in Celery; not handled, it is the job's error."""
    job = passes_its_soft_limit.enqueue()

    run_jobs()

    assert row(job).state == "dead"
    assert row(job).reason.startswith("SoftTimeLimitExceeded")


@pytest.fixture
def pass_it(soft_limits):
    """A receiver of a signal, in which the soft limit passes."""
    passed = []

    def receiver(**_):
        os.kill(os.getpid(), signal.SIGUSR1)
        passed.append(True)

    yield receiver
    assert passed


def test_a_soft_time_limit_interrupts_nothing_else(pass_it, row):
    """After the task it would leave a job that says it runs."""
    signals.job_succeeded.connect(pass_it)
    job, another = samples.record.enqueue("a"), samples.record.enqueue("b")
    run_jobs()

    assert {row(each).state for each in (job, another)} == {"succeeded"}


def test_a_soft_time_limit_before_the_task_ends_it_there(pass_it, row):
    """It comes only once. The task has had no time of its own: the attempt is excused, and the job runs again."""
    signals.job_started.connect(pass_it)
    job = samples.record.enqueue("a")
    run_jobs()
    signals.job_started.disconnect(pass_it)
    first = row(job)
    run_jobs(ahead=timedelta(hours=1))

    assert (first.state, first.crashes) == ("pending", 0)
    assert first.excused == first.attempt >= 1  # a pause may be so short that it is over at once
    assert first.reason.endswith(", before its task began")
    assert (row(job).state, row(job).attempt) == ("succeeded", first.attempt + 1)


def test_a_soft_time_limit_in_the_moment_of_the_end(pass_it, row, monkeypatch):
    """It is the task's. The next one, such as that of a cancel, interrupts nothing that follows."""
    change, changes = signal.signal, []

    def change_late(number, handler):
        found = signal.getsignal(number)
        if (getattr(found, "__name__", ""), getattr(handler, "__name__", "")) == ("_interrupt", "_note"):
            changes.append(number)
            if len(changes) == 2:  # the first is before the task
                os.kill(os.getpid(), number)
        return change(number, handler)

    signals.job_dead.connect(pass_it)
    job = samples.record.enqueue("a")
    with monkeypatch.context() as patched:
        patched.setattr(signal, "signal", change_late)
        run_jobs()
    signals.job_dead.disconnect(pass_it)

    assert row(job).reason.startswith("SoftTimeLimitExceeded")


def test_a_database_error_is_nobodys_decision(row, monkeypatch):
    """A deadlock's victim runs again, later and uncharged; after max_excused times it is a dead letter with its error."""
    monkeypatch.setattr(conflicts, "SHORTEST", conflicts.LONGEST)  # no pause is over before the test looks
    job = raises.enqueue("deadlock")

    assert (run_jobs(), row(job).state, row(job).crashes) == (1, "pending", 0)
    assert row(job).due_at > row(job).created_at
    assert run_jobs(ahead=timedelta(hours=1)) == 20

    found = row(job)
    assert (found.state, found.crashes, found.excused) == ("dead", 0, 20)
    assert found.reason == "OperationalError: deadlock detected"
    assert "in raises" in found.traceback
    assert [entry["outcome"] for entry in found.history] == [*(20 * ["excused"]), "failed"]


EXCUSABLE = [
    DeadlockDetected,
    SerializationFailure,
    LockNotAvailable,
    DiskFull,
    QueryCanceled,
    AdminShutdown,
    ReadOnlySqlTransaction,
    psycopg.OperationalError,
]


@pytest.mark.parametrize("cause", EXCUSABLE)
def test_what_is_nobodys_fault(cause):
    """Conflicts, locks, limits and outages of the server, and a connection that is gone."""
    error = OperationalError("no")
    error.__cause__ = cause("no")

    assert conflicts.is_excusable(error)


def test_what_followed_a_conflict_is_nobodys_fault_either():
    """The task went on after it, in a transaction that was broken."""
    error = transaction.TransactionManagementError("broken")
    error.__cause__ = deadlock()

    assert conflicts.is_excusable(error)


@pytest.mark.fault("an operational error of another database")
def test_an_error_that_is_not_postgresqls_is_the_tasks(row):
    """Another database has operational errors, too: the first attempt is the answer."""
    job = raises.enqueue("own")

    run_jobs(ahead=timedelta(hours=1))

    assert (row(job).state, row(job).attempt) == ("dead", 1)


def test_the_effects_of_an_atomic_task_are_taken_back(effects):
    """It failed after its effect: neither happened."""
    samples.record_then_fail_atomically.enqueue("a")
    samples.record_then_fail.enqueue("b")

    run_jobs()

    assert (effects("a"), effects("b")) == ([], ["done"])
    assert Job.objects.filter(state="dead").count() == 2


def test_an_atomic_task_commits_with_its_success(effects, row):
    """Both are there."""
    job = work_atomically.enqueue("a")

    run_jobs()

    assert effects("a") == ["start", "done"]
    assert row(job).state == "succeeded"


def test_a_fenced_atomic_task_leaves_no_effects(effects, row, caplog):
    """The late finisher is told, its effects are rolled back, and it is neither success nor failure."""
    job = is_replaced.enqueue("a")
    Job.objects.filter(pk=job.pk).update(attempt=4)

    run_jobs()

    assert effects("a") == []
    assert row(job).state == "running"
    assert "is no longer the current one" in caplog.text


def test_an_excused_attempt_that_is_not_current(row, caplog):
    """PostgreSQL has lost its start, and then the connection: to Celery that is no failure, which would make a dead letter."""
    job = is_replaced_and_deadlocks.enqueue()

    run_jobs()

    assert (row(job).state, row(job).attempt) == ("running", 2)
    assert "attempt 1 of job" in caplog.text
    assert "is no longer the current one" in caplog.text


def test_progress_stops_a_fenced_task(effects):
    """A long task notices by reporting that another has taken over."""
    is_replaced_and_tells.enqueue("a")

    run_jobs()

    assert effects("a") == []


def test_progress_is_written_once_a_second_and_at_the_end(row):
    """A task may report as often as it likes: of a thousand reports, two are written here."""
    job = counts.enqueue(1000)

    with CaptureQueriesContext(connection) as queries:
        run_jobs()

    assert sum("progress_done = " in query["sql"] for query in queries) <= 3
    assert (row(job).progress_done, row(job).progress_total) == (1000, 1000)


def test_progress_outside_a_job_is_nothing():
    """A task that is called as a function, or by .delay(), reports to nobody."""
    counts.run(3)

    assert Job.objects.count() == 0


@pytest.mark.parametrize("numbers", [(-1, 2), (0, -1)])
def test_progress_below_nothing(numbers):
    """It is refused where it is said, in a job or outside."""
    with pytest.raises(ValueError, match="both are counts, of 0 or more"):
        counts.progress(*numbers)


def test_the_request_is_what_celery_users_know(row):
    """`self.request` has the job's id, its arguments and retries."""
    job = looks_at_itself.enqueue(a=1)

    run_jobs()

    assert Effect.objects.get().label == f"{job.pk} {{'a': 1}} 0 False"


def test_a_duplicate_is_dropped(effects, worker, caplog):
    """The message of a job that runs elsewhere does nothing but a line in the log."""
    caplog.set_level(logging.INFO)
    job = samples.record.enqueue("a")
    attempts.begin(job.pk, worker)
    request = headers(str(job.pk), job.task, timezone.now()) | {"args": [], "kwargs": {}}
    celerys = build_tracer(job.task, samples.record, app=samples.record.app, eager=True)
    tracer.trace(samples.record, celerys, str(job.pk), (), {}, request)

    assert effects("a") == []
    assert f"{job.pk} does not need to run" in caplog.text


def test_called_as_a_function_it_is_a_function(effects):
    """Tests and shells may call a task: no job is made."""
    samples.record("a")

    assert effects("a") == ["done"]
    assert Job.objects.count() == 0


def test_celerys_apply_is_left_alone(effects):
    """`apply` and the eager mode run a task at once, without the ledger."""
    assert divide.apply((6, 3)).get() == 2
    assert Job.objects.count() == 0


# What monitoring is told


@pytest.fixture
def told():
    """The signals in their order: name, task, and what came along."""
    heard = []

    def listener(name):
        def listen(sender, signal, **values):
            heard.append((name, sender, {key: value for key, value in values.items() if key != "job_id"}))

        return listen

    listeners = {name: listener(name) for name in ("job_started", "job_succeeded", "job_retried", "job_dead")}
    for name, listen in listeners.items():
        getattr(signals, name).connect(listen)
    yield heard
    for name, listen in listeners.items():
        getattr(signals, name).disconnect(listen)


def test_success_is_told(told):
    """Start and success, with the number of the attempt."""
    work.enqueue("a")

    run_jobs()

    assert told == [
        ("job_started", work.name, {"attempt": 1, "context": {}}),
        ("job_succeeded", work.name, {"attempt": 1}),
    ]


def test_failure_is_told(told):
    """Start and death, with the reason."""
    divide.enqueue(1, 0)

    run_jobs()

    assert told[1:] == [("job_dead", divide.name, {"reason": "ZeroDivisionError: division by zero"})]


def test_a_retry_is_told(told):
    """With how long it waits and why."""
    samples.ask_again.enqueue("a", countdown=7, exc=None)

    run_jobs()

    assert told[1:] == [
        (
            "job_retried",
            samples.ask_again.name,
            {"attempt": 1, "countdown": 7.0, "reason": "requested a retry"},
        )
    ]


def test_a_listener_that_fails_does_no_harm(row):
    """Monitoring must not kill what it monitors."""

    def fail(**_):
        raise RuntimeError("monitoring is down")

    signals.job_succeeded.connect(fail)
    try:
        job = work.enqueue("a")
        run_jobs()
    finally:
        signals.job_succeeded.disconnect(fail)

    assert row(job).state == "succeeded"


def test_a_job_that_enqueues_another_in_its_transaction(effects):
    """Jobs beget jobs, which run_jobs runs too."""
    with transaction.atomic():
        samples.enqueue_another.enqueue("a")

    assert run_jobs() == 2
    assert effects("a") == ["done"]


@shared_task
def yields(label):
    samples.record.run(label)
    yield


@pytest.mark.fault("a task is a generator, also an async one, or returns a coroutine that nothing awaits")
def test_code_that_nobody_runs_is_no_success(row, effects):
    """The job would have succeeded without doing anything."""
    job = yields.enqueue("a")

    run_jobs()

    assert (row(job).state, effects("a")) == ("dead", [])
    assert "is a generator" in row(job).reason


class OddTextError(Exception):
    def __str__(self):
        raise SystemExit(3)


@shared_task
def fails_oddly():
    raise OddTextError


def test_an_error_whose_text_ends_the_process(row):
    """Its class has to do: the job is dead, and does not run for ever."""
    job = fails_oddly.enqueue()

    run_jobs()

    assert (row(job).state, row(job).reason) == ("dead", "OddTextError: its message cannot be shown")


class Largest(DurableTask):
    """A task as a class, of a function that cannot tell what it takes: some that are written in C."""

    name = "tests.offbeat.jobs.test_execution.largest"
    run = staticmethod(max)


def test_a_task_without_a_signature(row):
    """Whatever it is called with fits."""
    job = current_app.register_task(Largest()).enqueue(1, 2)

    run_jobs()

    assert row(job).state == "succeeded"


@shared_task(atomic=True)
def asks_for_a_retry_too_late():
    transaction.on_commit(partial(throw, Retry(when=5)))


def test_a_retry_after_the_commit_is_too_late(row):
    """What was committed has succeeded, whatever is raised afterwards."""
    job = asks_for_a_retry_too_late.enqueue()

    run_jobs()

    assert (row(job).state, row(job).reason.startswith("succeeded, but after its commit: Retry")) == (
        "succeeded",
        True,
    )


class Called(DurableTask):
    """A class with a `__call__` of its own, as Celery's manual shows."""

    def __call__(self, *args, **kwargs):
        samples.record.run("called")
        return super().__call__(*args, **kwargs)


class CalledOnly(DurableTask):
    def __call__(self, *args, **kwargs):
        samples.record.run("called")
        return self.run(*args, **kwargs)


@shared_task(base=Called)
def is_called(label):
    samples.record.run(label)


@shared_task(base=CalledOnly)
def is_called_only(label):
    samples.record.run(label)


@pytest.mark.parametrize("task", [is_called, is_called_only])
def test_a_call_of_the_class_runs_in_the_attempt(row, effects, task):
    """With the job's arguments, once, and through the ledger."""
    job = task.enqueue("a")

    run_jobs()

    assert (row(job).state, row(job).attempt) == ("succeeded", 1)
    assert (effects("called"), effects("a")) == (["done"], ["done"])
