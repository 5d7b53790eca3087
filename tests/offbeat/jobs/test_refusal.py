"""A job that the code of this worker cannot run waits for one that can."""

import functools
import uuid
from datetime import timedelta

import pytest
from celery import shared_task
from django.db.models import F
from django.utils import timezone

from offbeat.jobs import attempts, code, refusal, signals
from offbeat.jobs.batches import open_batch
from offbeat.jobs.models import Batch, Job, Worker
from offbeat.jobs.producer import Call, enqueue
from offbeat.jobs.worker.state import worker_state
from tests.offbeat.faults.effects.tasks import divide, nothing
from tests.offbeat.jobs.samples import record
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")

GONE = "shop.gone"
REASON = "waits for a worker that knows it: none here has the task shop.gone"


def gone(**options):
    return enqueue(Call(GONE, "default", 5, **options))


@pytest.fixture
def refused():
    job = gone()
    refusal.refuse([job.pk], GONE)
    return job


def other_worker(*, tasks=(GONE,), own_code="other", age=0, queues=("default",)):
    """A worker with other code; `age` in seconds since its last beat."""
    return Worker.objects.create(
        hostname="h",
        pid=1,
        queues=list(queues),
        concurrency=1,
        code=own_code,
        tasks=list(tasks),
        heartbeat_at=timezone.now() - timedelta(seconds=age),
    )


def let_time_pass(seconds):
    Job.objects.update(refused_at=F("refused_at") - timedelta(seconds=seconds))


def test_it_counts_as_a_start(monkeypatch):
    """A worker that only refuses does consume, and does not take itself for stuck."""
    monkeypatch.setattr(worker_state, "task_started_at", 0.0)

    refusal.collect(gone().pk, GONE)

    assert worker_state.task_started_at > 0


def test_it_waits_and_says_for_what(refused, row):
    """Uncharged, and published again only much later: a worker that knows it takes it from the ledger."""
    found = row(refused)

    assert (found.state, found.attempt, found.crashes, found.reason) == ("pending", 0, 0, REASON)
    assert found.refused_by == [code.fingerprint()]
    assert found.publish_at > timezone.now() + timedelta(seconds=5)


def test_the_same_code_refuses_it_once(refused, row):
    """However often its message comes; it is published ever more seldom."""
    let_time_pass(100)
    refusal.refuse([refused.pk], GONE)

    refusal.refuse([refused.pk], GONE)

    assert row(refused).refused_by == [code.fingerprint()]
    assert row(refused).publish_at > timezone.now() + timedelta(seconds=90)


def test_a_running_job_is_left_alone(row, worker):
    """A newer worker knows the task and executes it: an older one has no say."""
    job = gone()
    attempts.begin(job.pk, worker)

    refusal.refuse([job.pk], GONE)

    assert row(job).state == "running"


def test_a_call_that_does_not_fit(row):
    """Enqueued by code with another signature: no attempt is counted, and the reason names both."""
    job = enqueue(Call(divide.name, "default", 5, args=[1], kwargs={"c": 2}))

    assert run_jobs() == 0

    found = row(job)
    assert (found.state, found.attempt, found.history) == ("pending", 0, [])
    assert found.reason == (
        "waits for a worker that knows it: tests.offbeat.faults.effects.tasks.divide(a, b) does not take its arguments: "
        "missing a required argument: 'b'"
    )


def test_a_type_error_of_the_task_is_its_answer(row):
    """Only the call is the other version's matter."""
    job = divide.enqueue("a", "b")

    run_jobs()

    assert (row(job).state, row(job).reason.startswith("TypeError: unsupported operand")) == ("dead", True)


def test_a_worker_with_other_code_takes_it(refused, row, monkeypatch):
    """It announces the task; the one that has refused it does not see it again."""
    refused_here = refusal.claim(["default"], 10)
    monkeypatch.setattr(code, "fingerprint", lambda: "newer")
    monkeypatch.setattr(code, "tasks", lambda: [GONE])

    elsewhere = [refusal.claim(queues, 10) for queues in (["mail"], ["default"], ["default"])]

    assert refused_here == []
    assert [[claim.id for claim in claims] for claims in elsewhere] == [[], [refused.pk], []]
    assert row(refused).state == "published"


def test_what_is_taken_begins(refused, worker, monkeypatch):
    """It is an ordinary job again."""
    monkeypatch.setattr(code, "fingerprint", lambda: "newer")
    monkeypatch.setattr(code, "tasks", lambda: [GONE])
    refusal.claim(["default"], 1)

    assert attempts.begin(refused.pk, worker, GONE).number == 1


def test_it_is_buried_when_nobody_has_known_it_for_long(refused, row):
    """A dead letter that says why and since when; not before."""
    let_time_pass(3500)
    before = refusal.bury_unknown_jobs(timezone.now())
    let_time_pass(200)

    assert (before, refusal.bury_unknown_jobs(timezone.now()), refusal.bury_unknown_jobs(timezone.now())) == (
        0,
        1,
        0,
    )
    assert (row(refused).state, row(refused).reason) == (
        "dead",
        f"{REASON}; no living worker has known it for 3600 s",
    )
    assert row(refused).finished_at is not None


KNOWING = {
    "it knows the task": ({}, "pending"),
    "it is silent": ({"age": 100}, "dead"),
    "it consumes another queue": ({"queues": ["mail"]}, "dead"),
    "it has no such task": ({"tasks": ["shop.other"]}, "dead"),
}


@pytest.mark.parametrize("which", KNOWING)
def test_a_living_worker_that_knows_it_keeps_it(refused, row, which):
    """However long it takes: that one is busy."""
    options, state = KNOWING[which]
    other_worker(**options)
    let_time_pass(4000)

    refusal.bury_unknown_jobs(timezone.now())

    assert row(refused).state == state


def test_a_worker_that_has_refused_it_does_not_know_it(row):
    """It has the task, with another signature."""
    job = enqueue(Call(divide.name, "default", 5, args=[1]))
    run_jobs()
    other_worker(tasks=[divide.name], own_code=code.fingerprint())
    let_time_pass(4000)

    refusal.bury_unknown_jobs(timezone.now())

    assert row(job).state == "dead"


def test_the_hour_begins_when_the_last_that_knew_it_is_gone(refused, row):
    """Not when it was refused for the first time."""
    knowing = other_worker()
    let_time_pass(4000)
    refusal.bury_unknown_jobs(timezone.now())
    knowing.delete()
    let_time_pass(1000)

    assert refusal.bury_unknown_jobs(timezone.now()) == 0
    assert row(refused).state == "pending"


def test_the_version_that_enqueued_it_is_named(monkeypatch, row):
    """Whoever finds the dead letter sees which code to look at."""
    monkeypatch.setenv("VERSION", "2026.11.2")
    job = gone()
    refusal.refuse([job.pk], GONE)
    let_time_pass(4000)

    refusal.bury_unknown_jobs(timezone.now())

    assert (row(job).version, row(job).reason.endswith("(enqueued by version 2026.11.2)")) == (
        "2026.11.2",
        True,
    )


def test_monitoring_is_told():
    """Like of every dead letter."""
    heard = []

    def hear(sender, job_id, reason, **_):
        heard.append((sender, job_id))

    signals.job_dead.connect(hear)
    job = gone()
    refusal.refuse([job.pk], GONE)
    let_time_pass(4000)
    refusal.bury_unknown_jobs(timezone.now())
    signals.job_dead.disconnect(hear)

    assert heard == [(GONE, job.pk)]


def test_its_batch_waits_with_it_and_then_fails():
    """The follow-up of the failure is not enqueued before."""
    with open_batch("b", on_failure=record.call("failure")) as batch:
        job = gone(batch_id=batch.pk)
    refusal.refuse([job.pk], GONE)
    waiting = Batch.objects.get().finished_at
    let_time_pass(4000)

    refusal.bury_unknown_jobs(timezone.now())

    assert waiting is None
    assert (Batch.objects.get().failed, Batch.objects.get().failure_job.task) == (1, record.name)


def test_a_message_of_another_task_starts_nothing(row, worker):
    """The worker would run that one's code with this job's arguments."""
    job = nothing.enqueue()

    assert attempts.begin(job.pk, worker, divide.name) is None
    assert (row(job).state, row(job).attempt) == ("published", 0)
    assert attempts.begin(job.pk, uuid.uuid4(), nothing.name) is not None


def test_a_message_with_another_jobs_id_refuses_nothing(row):
    """Whoever made it up: the job's task is known here."""
    job = nothing.enqueue()

    refusal.refuse([job.pk], GONE)

    assert (row(job).state, row(job).refused_at) == ("published", None)


def test_what_has_begun_is_asked_anew(refused, row, worker, monkeypatch):
    """It waits for its own retry now, and for nobody who knows it."""
    monkeypatch.setattr(code, "fingerprint", lambda: "newer")
    monkeypatch.setattr(code, "tasks", lambda: [GONE])
    refusal.claim(["default"], 1)
    attempts.retry(attempts.begin(refused.pk, worker), attempts.Again(100_000), "again", "")
    let_time_pass(100_000)

    assert refusal.bury_unknown_jobs(timezone.now()) == 0
    assert (row(refused).refused_at, row(refused).refused_by) == (None, [])


def test_a_clock_that_was_set_buries_nothing(refused, row):
    """The time is the one that the worker has counted; and the waiting is counted anew."""
    let_time_pass(4000)
    early = refusal.bury_unknown_jobs(timezone.now() - timedelta(hours=2))

    refusal.begin_waiting_again()

    assert (early, refusal.bury_unknown_jobs(timezone.now())) == (0, 0)
    assert row(refused).refused_at > timezone.now() - timedelta(minutes=1)


def with_client(function):
    @functools.wraps(function)
    def inner(*args, timeout=3, **kwargs):
        return function("client", *args, **kwargs)

    return inner


@shared_task(autoretry_for=(OSError,))
@with_client
def injected(client, label):
    record.run(f"{client} {label}")


@pytest.mark.parametrize("kwargs", [{}, {"timeout": 5}])
def test_a_decorator_that_gives_or_takes_arguments(kwargs, row, effects):
    """What the decorator takes fits; what the function below it takes is its own matter."""
    job = injected.enqueue("a", **kwargs)

    run_jobs()

    assert (row(job).state, row(job).reason, effects("client a")) == ("succeeded", "", ["done"])


def test_the_fingerprint_is_of_names():
    """Another process of the same code has the same, whatever the address of a default is."""

    @shared_task(name="tests.offbeat.jobs.test_refusal.marked")
    def marked(label, *, marker=object()):  # noqa: B008
        pass

    outlines = [code._outline(task) for task in (marked, marked)]  # noqa: SLF001
    assert outlines[0] == outlines[1]
    assert "0x" not in outlines[0]
