"""Django's own interface of tasks, on the ledger."""

import uuid

import pytest
from django.db import transaction

from offbeat.jobs.models import Job
from offbeat.jobs.tasks_backend import LedgerBackend
from offbeat.jobs.tasks_backend.interface import (
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_backends,
    task_enqueued,
)
from offbeat.jobs.testing import run_jobs
from tests.offbeat.jobs import samples as celerys
from tests.offbeat.jobs.tasks_backend import samples

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


@pytest.fixture
def enqueued():
    """The results that `task_enqueued` was sent with."""
    received = []

    def receive(sender, task_result, **_):
        received.append((sender, task_result))

    task_enqueued.connect(receive)
    yield received
    task_enqueued.disconnect(receive)


def test_a_task_is_a_job(enqueued, django_assert_num_queries):
    """What is enqueued is a row under the task's own path, and the result says so."""
    samples.add.enqueue(0)
    enqueued.clear()

    with django_assert_num_queries(1):
        result = samples.add.enqueue(1, two=2)

    job = Job.objects.get(pk=result.id)
    assert (job.task, job.args, job.kwargs) == (samples.add.module_path, [1], {"two": 2})
    assert (result.status, result.enqueued_at) == (TaskResultStatus.READY, job.created_at)
    assert enqueued == [(LedgerBackend, result)]
    with django_assert_num_queries(1):
        assert task_backends["default"].get_result(result.id) == result


@pytest.mark.parametrize("task", [samples.add, samples.add_async])
def test_a_job_runs_and_its_result_is_kept(task):
    """A worker's child runs it by its path, and what it returns is in the row."""
    result = task.enqueue(1, two=2)

    assert run_jobs() == 1

    result.refresh()
    assert (result.status, result.return_value, result.attempts) == (TaskResultStatus.SUCCESSFUL, 3, 1)


def test_what_is_rolled_back_was_not_enqueued():
    """The row belongs to the caller's transaction."""
    with transaction.atomic():
        result = samples.add.enqueue(1)
        transaction.set_rollback(True)

    with pytest.raises(TaskResultDoesNotExist):
        samples.add.get_result(result.id)


@pytest.mark.parametrize("name", ["123", str(uuid.uuid4()), "", None])
def test_an_unknown_id_has_no_result(name):
    """Whatever an id is, an answer is Django's own error."""
    with pytest.raises(TaskResultDoesNotExist):
        samples.add.get_result(name)


def test_a_job_of_celerys_has_no_result():
    """Its id is none of Django's tasks."""
    job = celerys.record.enqueue("a")

    with pytest.raises(TaskResultDoesNotExist):
        samples.add.get_result(str(job.pk))
