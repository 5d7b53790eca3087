"""Django's signals of tasks, where the ledger knows the same."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from offbeat.jobs import Job, attempts, decisions, recovery
from offbeat.jobs.tasks_backend import LedgerBackend, results
from offbeat.jobs.tasks_backend.interface import LOGGER, task_finished, task_started
from tests.offbeat.jobs import samples as celerys
from tests.offbeat.jobs.tasks_backend import samples
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


@pytest.fixture
def sent():
    """What was sent: the signal's name, the status and the attempts that it told."""
    received = []

    def start(sender, task_result, **_):
        received.append(("started", sender, task_result.status, task_result.attempts))

    def finish(sender, task_result, **_):
        received.append(("finished", sender, task_result.status, task_result.attempts))

    task_started.connect(start)
    task_finished.connect(finish)
    yield received
    task_started.disconnect(start)
    task_finished.disconnect(finish)


@pytest.mark.parametrize(("task", "end"), [(samples.add, "SUCCESSFUL"), (samples.fail, "FAILED")])
def test_an_attempt_is_told(sent, task, end):
    """Of its start, and of its end, with the result as it is by then."""
    task.enqueue(1)

    run_jobs()

    assert sent == [("started", LedgerBackend, "RUNNING", 1), ("finished", LedgerBackend, end, 1)]


def test_a_retry_is_no_end(sent):
    """Each attempt starts; the last one finishes."""
    samples.fail_and_again.enqueue("a")

    run_jobs()

    assert [(name, attempts) for name, _, _, attempts in sent] == [
        ("started", 1),
        ("started", 2),
        ("started", 3),
        ("finished", 3),
    ]


def test_a_crash_for_the_last_time_is_told(sent, worker):
    """By whoever recorded it: nobody else lives to tell."""
    result = samples.add.using(max_attempts=1).enqueue(1)
    attempt = attempts.begin(Job.objects.get(pk=result.id).pk, worker)

    recovery.recover_attempt(attempt.job_id, worker, None, "its process died")

    assert sent == [("finished", LedgerBackend, "FAILED", 1)]


def test_a_discarded_job_is_told_after_the_commit(sent):
    """A decision that is rolled back was none."""
    job = Job.objects.get(pk=samples.add.enqueue(1).id)
    with transaction.atomic():
        decisions.discard(job.pk)
        transaction.set_rollback(True)
    assert sent == []

    decisions.discard(job.pk)

    assert sent == [("finished", LedgerBackend, "FAILED", 0)]


def test_a_late_and_a_skipped_job_are_told(sent, worker):
    """Neither of them has been started."""
    late = samples.add.using(not_after=timezone.now() - timedelta(seconds=1)).enqueue(1)
    attempts.begin(Job.objects.get(pk=late.id).pk, worker)
    busy = samples.add.using(concurrency_key="a").enqueue(1)
    attempts.begin(Job.objects.get(pk=busy.id).pk, worker)
    samples.add.using(concurrency_key="a", when_busy="skip").enqueue(2)

    run_jobs()

    assert sent == [("finished", LedgerBackend, "FAILED", 0)] * 2


def test_a_receiver_that_fails_harms_nobody(sent):
    """It is logged; the job is what it was."""

    def break_down(**_):
        raise ZeroDivisionError

    for signal in (task_started, task_finished):
        signal.connect(break_down, weak=False, dispatch_uid="test")

    result = samples.add.enqueue(1)
    run_jobs()

    for signal in (task_started, task_finished):
        signal.disconnect(dispatch_uid="test")
    result.refresh()
    assert result.return_value == 1


def test_celerys_tasks_send_none_of_them(sent, django_assert_max_num_queries):
    """Nor do they pay for a look."""
    celerys.record.enqueue("a")

    run_jobs()

    assert sent == []


def test_what_nobody_receives_costs_nothing(monkeypatch):
    """Django's own receiver logs what our settings do not want: then no result is read for it."""
    samples.add.enqueue(1)
    monkeypatch.setattr(results, "find", lambda *_: pytest.fail("a result is read"))

    assert run_jobs() == 1


def test_djangos_logger_may_be_on(caplog):
    """A project that wants its lines has them."""
    samples.add.enqueue(1)

    with caplog.at_level("INFO", logger=LOGGER):
        run_jobs()

    assert [record.getMessage().rpartition("=")[2] for record in caplog.records if record.name == LOGGER] == [
        "RUNNING",
        "SUCCESSFUL",
    ]
