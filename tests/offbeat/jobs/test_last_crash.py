"""What Celery's hooks are told of a job whose process was killed for the last time."""

import pytest
from billiard.exceptions import WorkerLostError
from celery import shared_task, signals
from django.db import connection

from offbeat.jobs import attempts, recovery
from offbeat.jobs.task import DurableTask

pytestmark = pytest.mark.usefixtures("ledger", "carrier")

told = []


class Tells(DurableTask):
    def on_failure(self, exc, task_id, args, kwargs, einfo):
        told.append(("on_failure", type(exc), str(exc), task_id, args, kwargs, self.request.id))
        assert "WorkerLostError" in einfo.traceback

    def after_return(self, status, retval, task_id, args, kwargs, einfo):  # noqa: PLR0917  as in Celery
        told.append(("after_return", status, args))
        if how := kwargs.get("broken"):
            connection.set_autocommit(False)
            raise {"value": ValueError, "exit": SystemExit}[how]("a hook")


@shared_task(base=Tells, max_attempts=2)
def is_killed(*args, **kwargs):
    pass


@pytest.fixture(autouse=True)
def failures():
    """What task_failure carried."""
    told.clear()
    found = []

    def receive(**values):
        found.append(values)

    signals.task_failure.connect(receive)
    yield found
    signals.task_failure.disconnect(receive)


def crash(job, worker):
    attempts.begin(job.pk, worker)
    recovery.recover_attempt(job.pk, worker, None, "its process died")


def test_a_job_that_is_tried_again_has_not_failed(worker, failures):
    """Celery's hooks are for the end."""
    job = is_killed.enqueue(1)

    crash(job, worker)

    assert (told, failures) == ([], [])


def test_the_last_crash_is_a_failure(worker, failures, row):
    """With the arguments of the job, and what became of it as a WorkerLostError."""
    job = is_killed.enqueue(1, two=2)

    for _ in range(2):
        crash(job, worker)
        job.refresh_from_db()
        type(job).objects.update(state="published") if job.state == "pending" else None

    reason = "2 of 2 attempts ended without an answer; the last: its process died"
    assert told == [
        ("on_failure", WorkerLostError, reason, str(job.pk), [1], {"two": 2}, str(job.pk)),
        ("after_return", "FAILURE", [1]),
    ]
    assert [(each["task_id"], each["args"], each["kwargs"]) for each in failures] == [
        (str(job.pk), [1], {"two": 2})
    ]
    assert row(job).state == "dead"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["value", "exit"])
def test_a_hook_that_fails_stops_nothing(how, worker, failures, row, caplog):
    """It is logged: the end is recorded. Nor does it leave anything in the connection of whoever calls it."""
    job = is_killed.enqueue(broken=how)

    for _ in range(2):
        type(job).objects.update(state="published")
        crash(job, worker)

    assert row(job).state == "dead"
    assert "a hook for its failure failed" in caplog.text
    assert connection.get_autocommit()
