"""What of an error is kept: no secret, in no place where it is shown later, and a bounded length."""

import json

import pytest
from celery import shared_task
from celery.app.trace import ExceptionInfo
from celery.exceptions import Reject
from django.core.management import call_command
from django.db import connection, transaction

from offbeat.jobs import error_text, history, signals, unreadable_store
from offbeat.jobs.execution import EndedError
from offbeat.jobs.models import Job
from offbeat.redaction import LONGEST_TRACEBACK
from tests.offbeat.faults.effects.tasks import raise_at_length
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")

ADDRESS = "postgres://app:hunter2@db:5432/app"


def fail_inside():
    cause = ConnectionError(f"{ADDRESS} does not answer")
    raise ValueError(f"host=db password='hun ter2' {ADDRESS}") from cause


@shared_task(bind=True, max_retries=5)
def leaks(self, how):
    if how == "retry":
        raise self.retry(exc=ValueError(f"no answer of {ADDRESS}"), countdown=0)
    if how == "reject":
        raise Reject(f"not from {ADDRESS}")
    if how == "exit":
        raise SystemExit(f"no answer of {ADDRESS}")
    if how == "group":
        raise ExceptionGroup(f"two of {ADDRESS}", [ValueError(ADDRESS), KeyError(ADDRESS)])
    fail_inside()


@shared_task(atomic=True)
def leaks_after_its_commit():
    transaction.on_commit(fail_inside)


@pytest.fixture
def told():
    """What receivers of the signals of jobs are told."""
    found = []

    def hear(**values):
        found.append(values["reason"])

    for signal in (signals.job_dead, signals.job_retried):
        signal.connect(hear, weak=False)
    yield found
    for signal in (signals.job_dead, signals.job_retried):
        signal.disconnect(hear)


def everything_in_the_ledger():
    """Give each row of the jobs' table as text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(job)::text FROM offbeat_jobs_job AS job")
        return "\n".join(row for (row,) in cursor.fetchall())


@pytest.mark.parametrize("how", ["fail", "retry", "reject", "exit", "group"])
def test_no_password_of_an_error_is_kept(how, told, row, capsys):
    """Not in the reason, the traceback, the history, nor in what pings and alerts are told; the rest of the error is."""
    job = leaks.enqueue(how)

    run_jobs()
    call_command("jobs", "show", str(job.pk))

    found = row(job)
    everywhere = [everything_in_the_ledger(), *told, *capsys.readouterr()]
    assert not [text for text in everywhere if "hunter2" in text or "ter2'" in text]
    assert "postgres://***@db:5432/app" in found.reason
    assert "postgres://***@db:5432/app" in found.traceback
    assert found.history
    assert told


def test_no_password_is_kept_of_what_failed_after_the_commit(row):
    """The job has succeeded, and says what its on_commit function raised."""
    job = leaks_after_its_commit.enqueue()

    run_jobs()

    assert row(job).state == "succeeded"
    assert "succeeded, but after its commit: ValueError: host=db password=***" in row(job).reason
    assert "hunter2" not in everything_in_the_ledger()


def test_repeated_errors_stay_the_same(row):
    """Attempts that fail alike have the same reason: what counts them by it goes on to."""
    job = leaks.enqueue("retry")

    run_jobs()

    assert row(job).attempt == 6
    assert len({entry["reason"] for entry in row(job).history}) == 1


def test_no_password_is_kept_of_a_message_that_cannot_be_read():
    """The reason is an exception's text; the message itself is kept as it is, to be sent back."""
    unreadable_store.put_aside(b"{}", f"no connection to {ADDRESS}", "default")

    (found,) = unreadable_store.kept()
    assert found.reason == "no connection to postgres://***@db:5432/app"


@pytest.mark.parametrize("characters", [150_000, 50_000_000])
def test_a_long_error_is_kept_in_part(characters, row):
    """The ledger has the beginning and the end of its text, and the line in one breath."""
    job = raise_at_length.enqueue("a", characters)

    run_jobs()

    found = row(job)
    assert found.reason.startswith("ValueError: aaa")
    assert len(found.reason) <= error_text.LONGEST_LINE
    assert len(found.traceback) < LONGEST_TRACEBACK + 100
    assert found.traceback.endswith("the end\n")
    assert "in raise_at_length" in found.traceback
    assert len(json.dumps(found.history)) < 2 * error_text.LONGEST_LINE + history.LONGEST_PAST + 100


@shared_task(bind=True, max_retries=0)
def retries_at_length(self):
    raise self.retry(exc=ValueError("a" * 5_000_000), max_retries=1)


def test_what_celery_gets_is_bounded(monkeypatch):
    """A long error does not go through the pipe to the worker's main process, nor its words to Celery's records."""
    sizes = []
    original = ExceptionInfo.__init__

    def measure(self, *arguments, **values):
        original(self, *arguments, **values)
        sizes.append(len(str(self.traceback)) + len(repr(self.exception)))

    monkeypatch.setattr(ExceptionInfo, "__init__", measure)
    raise_at_length.enqueue("a", 50_000_000)
    retries_at_length.enqueue()

    run_jobs()

    assert sizes
    assert max(sizes) < 10_000


def test_an_error_of_usual_length_is_celerys_too():
    """Whoever listens to Celery's signals gets the task's own exception."""
    assert not error_text.is_large(ValueError("a" * 100_000))
    assert error_text.is_large(ValueError("a" * 2_000_000))
    assert issubclass(EndedError, Exception)
    assert Job.objects.count() == 0
