"""Retries as Celery's users know them, waiting in PostgreSQL."""

from datetime import UTC, timedelta

import pytest
from celery import shared_task
from django.utils import timezone

from offbeat.jobs import broker, relay
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects.tasks import fail_always, fail_until, note
from tests.offbeat.jobs.samples import ask_again
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")

LATER = timedelta(hours=1)


def wait_of(job):
    """How many seconds from now the job is due."""
    return (Job.objects.get(pk=job.pk).due_at - timezone.now()).total_seconds()


@shared_task(bind=True, max_retries=2)
def goes_on_after_asking(self, label):
    """Ask for a retry, and go on."""
    asked = self.retry(countdown=0, throw=False)
    note(label, f"{self.request.retries} {type(asked).__name__}")


@shared_task(bind=True, max_retries=2, default_retry_delay=40)
def asks_for_ever(self):
    self.retry()


@shared_task(bind=True, max_retries=None, default_retry_delay=0)
def asks_until(self, label, wanted):
    note(label, "start")
    if self.request.retries < wanted:
        self.retry()


@shared_task(bind=True, max_retries=1, atomic=True)
def notes_and_asks(self, label):
    note(label, "done")
    if self.request.retries == 0:
        self.retry(countdown=0)


@shared_task(bind=True, max_retries=4)
def asks_with_other_arguments(self, label, left=2):
    note(label, f"left {left}")
    if left:
        self.retry(args=[], kwargs={"label": label, "left": left - 1}, countdown=0)


@shared_task(
    autoretry_for=(ConnectionError,),
    dont_autoretry_for=(ConnectionRefusedError,),
    retry_kwargs={"max_retries": 2, "countdown": 5},
)
def retries_some(name):
    raise {"connection": ConnectionError, "refused": ConnectionRefusedError, "value": ValueError}[name](name)


@shared_task(
    autoretry_for=(ConnectionError,),
    retry_backoff=10,
    retry_backoff_max=25,
    retry_jitter=False,
    max_retries=5,
)
def backs_off():
    raise ConnectionError("no route")


@shared_task(
    autoretry_for=(ConnectionError,), retry_backoff=1000, retry_backoff_max=10_000, retry_jitter=True
)
def backs_off_with_jitter():
    raise ConnectionError("no route")


def test_a_countdown_is_kept():
    """In seconds."""
    job = ask_again.enqueue("a", countdown=100)

    run_jobs()

    assert 98 < wait_of(job) <= 100


def test_without_a_countdown_the_default_delay_holds():
    """The task's `default_retry_delay`, which Celery sets to three minutes."""
    job = ask_again.enqueue("a")

    run_jobs()

    assert 178 < wait_of(job) <= 180


def test_a_countdown_beyond_all_time_waits_ten_years():
    """PostgreSQL knows no such time; refused, it would leave a job that says it runs."""
    job = ask_again.enqueue("a", countdown=1e300)

    run_jobs()

    assert timedelta(days=3649) < timedelta(seconds=wait_of(job)) <= timedelta(days=3650)


class Asked:
    """What asks_for_an_eta asks for: a datetime is no argument of a job."""

    eta = None


@shared_task(bind=True)
def asks_for_an_eta(self):
    self.retry(eta=Asked.eta)


@pytest.mark.parametrize("zone", [UTC, None], ids=["aware", "naive"])
def test_an_eta_is_kept(zone):
    """As a time; one without a zone is in Celery's, as Celery takes it."""
    Asked.eta = (timezone.now() + timedelta(minutes=5)).replace(tzinfo=zone)
    job = asks_for_an_eta.enqueue()

    run_jobs()

    assert 298 < wait_of(job) <= 300


def test_an_eta_in_the_past_is_now():
    """It is due at once, until the retries are spent."""
    Asked.eta = timezone.now() - timedelta(days=1)
    job = asks_for_an_eta.enqueue()

    assert run_jobs() == 4
    assert Job.objects.get(pk=job.pk).retries == 3


def test_a_job_retries_until_it_succeeds(effects, row):
    """Each attempt begins anew with the same arguments, and the history tells those that failed."""
    job = fail_until.enqueue("a", 3)

    assert run_jobs(ahead=LATER) == 3

    assert effects("a") == ["start", "start", "start", "done"]
    found = row(job)
    assert (found.state, found.attempt, found.retries) == ("succeeded", 3, 2)
    assert [(entry["outcome"], entry["reason"]) for entry in found.history] == [
        ("retried", "ValueError: attempt 1"),
        ("retried", "ValueError: attempt 2"),
    ]


@pytest.mark.fault("`retry(countdown=0)` without end")
def test_a_long_history_keeps_its_ends(row):
    """The first attempt, and the last 49."""
    job = asks_until.enqueue("a", 60)

    assert run_jobs(ahead=LATER) == 61

    assert [entry["attempt"] for entry in row(job).history] == [1, *range(12, 61)]


def test_spent_retries_are_a_dead_letter_with_the_error(row):
    """`max_retries` more attempts than one; the last error is told."""
    job = fail_always.enqueue("a")

    assert run_jobs(ahead=LATER) == 3

    found = row(job)
    assert (found.state, found.reason) == ("dead", "ConnectionError: no route")
    assert [entry["outcome"] for entry in found.history] == ["retried", "retried", "failed"]


def test_spent_retries_without_an_error_say_so(row):
    """As Celery: MaxRetriesExceededError."""
    job = asks_for_ever.enqueue()

    run_jobs(ahead=LATER)

    assert row(job).reason == (
        f"MaxRetriesExceededError: Can't retry tests.offbeat.jobs.test_retries.asks_for_ever[{job.pk}] args:... kwargs:..."
    )


def test_a_limit_of_the_call_is_stronger(row):
    """`self.retry(max_retries=...)` holds instead of the task's."""
    job = ask_again.enqueue("a", max_retries=0)

    run_jobs()

    assert row(job).reason.startswith("MaxRetriesExceededError")


def test_no_limit_is_no_limit(row):
    """max_retries=None: as often as it asks."""
    job = asks_until.enqueue("a", 20)

    assert run_jobs() == 21
    assert row(job).state == "succeeded"


def test_retries_do_not_use_up_attempts(row):
    """What the task asks for is not charged as a crash."""
    job = asks_until.enqueue("a", 8)

    run_jobs()

    assert (row(job).crashes, row(job).max_attempts) == (0, 5)


def test_without_a_throw_the_task_goes_on(effects, row):
    """It ends normally, and runs again all the same."""
    job = goes_on_after_asking.enqueue("a")

    run_jobs()

    assert effects("a") == ["0 Retry", "1 Retry"]
    assert (row(job).state, row(job).attempt) == ("dead", 3)


def test_the_arguments_may_change(effects):
    """`self.retry(args=..., kwargs=...)` replaces them; an empty list means none."""
    asks_with_other_arguments.enqueue("a")

    run_jobs()

    assert effects("a") == ["left 2", "left 1", "left 0"]


def test_new_arguments_must_be_json(row):
    """Else the job is a dead letter that names the argument."""
    job = asks_with_an_object.enqueue()

    run_jobs()

    assert row(job).reason == (
        "ArgumentError: tests.offbeat.jobs.test_retries.asks_with_an_object: argument 1 is a object, "
        "which JSON does not have: pass a JSON value."
    )


@shared_task(bind=True)
def asks_with_an_object(self):
    self.retry(args=[object()])


def test_an_option_that_cannot_be_kept_is_refused(row):
    """A job's retry stays in its queue: `queue=` is told and not dropped."""
    job = ask_again.enqueue("a", queue="slow")

    run_jobs()

    assert row(job).state == "dead"
    assert row(job).reason == (
        "TypeError: tests.offbeat.jobs.samples.ask_again: a job's retry takes no queue: a retry keeps its queue, "
        "priority and not_after: enqueue another job to change them."
    )


def test_an_atomic_task_that_asks_again_leaves_nothing(effects):
    """Its effects are rolled back with the attempt, so that they happen once."""
    notes_and_asks.enqueue("a")

    assert run_jobs() == 2
    assert effects("a") == ["done"]


@pytest.mark.parametrize(("name", "attempts"), [("connection", 3), ("refused", 1), ("value", 1)])
def test_what_is_not_to_be_retried_is_not(name, attempts):
    """Errors that are not named, and those of `dont_autoretry_for`, are dead letters at once."""
    retries_some.enqueue(name)

    assert run_jobs(ahead=LATER) == attempts


def test_a_backoff_grows_to_its_maximum():
    """10, 20, then no more than 25 seconds."""
    job = backs_off.enqueue()
    waits = []
    for _ in range(4):
        run_jobs()
        waits.append(round(wait_of(job)))
        Job.objects.update(due_at=timezone.now())

    assert waits == [10, 20, 25, 25]


def test_a_backoff_with_jitter_is_drawn():
    """Between nothing and the delay, differently for each."""
    for _ in range(20):
        backs_off_with_jitter.enqueue()
    run_jobs()

    # One that draws no wait at all is tried again at once, and draws from twice as much.
    waits = {round(wait_of(job)) for job in Job.objects.filter(attempt=1)}
    assert len(waits) > 10
    assert all(-5 <= wait <= 1000 for wait in waits)


def test_the_retry_is_published_when_it_is_due(carrier):
    """The relay finds it by its due time, and its message is the job's."""
    job = ask_again.enqueue("a", countdown=3600)
    run_jobs()
    carrier.flushall()
    early = relay.relay()
    Job.objects.filter(pk=job.pk).update(
        publish_at=timezone.now() - timedelta(seconds=1), due_at=timezone.now()
    )

    assert (early, relay.relay()) == (0, 1)
    assert str(job.pk).encode() in carrier.rpop(broker.key("default"))
