"""Django's own interface of tasks, on the ledger."""

import subprocess
import sys

import pytest
from celery import current_app
from celery.app.routes import MapRoute
from django.db import transaction

from offbeat.deployment import queues
from offbeat.jobs import attempts
from offbeat.jobs import tasks as jobs_tasks
from offbeat.jobs.enqueuer import routed
from offbeat.jobs.message import RUNNER
from offbeat.jobs.models import Job
from offbeat.jobs.tasks_backend import LedgerBackend
from offbeat.jobs.tasks_backend.interface import (
    InvalidTask,
    Task,
    TaskException,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_backends,
    task_enqueued,
)
from tests.offbeat.jobs import samples as celerys
from tests.offbeat.jobs.tasks_backend import samples
from tests.offbeat.support.attempts import run_jobs
from tests.offbeat.support.running import CHECKOUT

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


@pytest.mark.parametrize("name", ["123", "0695b1b0-52d9-424e-818d-9cce6575c396", "", None])
def test_an_unknown_id_has_no_result(name):
    """Whatever an id is, an answer is Django's own error."""
    with pytest.raises(TaskResultDoesNotExist):
        samples.add.get_result(name)


def test_a_job_of_celerys_has_no_result():
    """Its id is none of Django's tasks."""
    job = celerys.record.enqueue("a")

    with pytest.raises(TaskResultDoesNotExist):
        samples.add.get_result(str(job.pk))


EARLY = """
from django.conf import settings
settings.configure(TASKS={"default": {"BACKEND": "offbeat.jobs.tasks_backend.LedgerBackend"}})
from offbeat.jobs.tasks_backend import Retry
from offbeat.jobs.tasks_backend.interface import task

@task(retry=Retry(on=(OSError,)), key=lambda: "a")
def early():
    pass

print(type(early).__name__)
"""


def test_a_task_may_be_imported_while_apps_are_loaded():
    """A models.py may import a module with tasks: nothing of the backend needs models by then."""
    done = subprocess.run(
        [sys.executable, "-c", EARLY], capture_output=True, text=True, check=False, cwd=CHECKOUT / "src"
    )

    assert (done.stdout, done.stderr) == ("LedgerTask\n", "")


def test_no_wake_up_pays_for_it():
    """Who only imports Celery's tasks does not import Django's interface."""
    code = "import offbeat.jobs.tasks_backend.bridge, sys; print([name for name in sys.modules if 'django.tasks' in name])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT / "src"
    )

    assert done.stdout == "[]\n"


def test_a_queue_that_nobody_consumes_is_reported(monkeypatch):
    """Its tasks would wait for ever: check_platform sees those of Django's, too."""
    monkeypatch.setattr(jobs_tasks, "lost", samples.by_mail.using(queue_name="nowhere"), raising=False)

    assert queues.routed_queues()["nowhere"] == f"the task {samples.by_mail.module_path}"


@pytest.fixture
def mail_route(monkeypatch):
    """CELERY_TASK_ROUTES with an entry for one task."""
    router = current_app.amqp.router
    route = MapRoute({samples.add.module_path: {"queue": "mail"}})
    with monkeypatch.context() as patch:
        patch.setattr(router, "routes", [*router.routes, route])
        routed.cache_clear()
        yield
    routed.cache_clear()


def test_the_default_queue_is_what_celery_routes_to(mail_route):
    """A task of Django's is routed by its path, where it names no queue itself."""
    result = samples.add.enqueue(1)

    assert Job.objects.get(pk=result.id).queue == "mail"
    assert samples.add.get_result(result.id).task == samples.add


@pytest.mark.parametrize("name", [None, "queue-1"])
def test_queues_may_be_bounded(settings, name):
    """QUEUES of TASKS bounds them, as with any backend; the template's empty list allows all."""
    settings.TASKS = {
        "default": {"BACKEND": "offbeat.jobs.tasks_backend.LedgerBackend", "QUEUES": ["default"]}
    }

    if name:
        with pytest.raises(InvalidTask, match="Queue 'queue-1' is not valid"):
            samples.add.using(queue_name=name)
    assert samples.add.enqueue(1).status == TaskResultStatus.READY


def test_a_plain_task_is_enqueued(settings):
    """A package may make its tasks of Django's own class: the options of ours are at their defaults."""
    plain = Task(func=samples.add.func, priority=3)

    result = task_backends["default"].enqueue(plain, [1], {"two": 1})
    run_jobs()

    result.refresh()
    assert (result.return_value, Job.objects.get(pk=result.id).priority) == (2, 3)


def test_the_result_of_another_task_is_refused():
    """A task gives its own results, as Django says."""
    result = samples.add.enqueue(1)

    with pytest.raises(TaskException, match="Task does not match"):
        samples.fail.get_result(result.id)


def test_a_message_that_names_another_task_starts_nothing(worker):
    """Neither by the path, nor by any task of Celery's but the runner."""
    job = Job.objects.get(pk=samples.add.enqueue(1).id)

    assert attempts.begin(job.pk, worker, samples.add.module_path) is None
    assert attempts.begin(job.pk, worker, celerys.record.name) is None
    assert attempts.begin(job.pk, worker, RUNNER).task == samples.add.module_path


def test_the_runner_runs_jobs_of_tasks_only():
    """A message of its own, as whoever can write to Redis may send, runs nothing."""
    with pytest.raises(TypeError, match="runs jobs of Django's tasks, and no others"):
        jobs_tasks.run_task("os.system", "true")


@pytest.mark.parametrize(
    ("setting", "ids"),
    [({}, []), ({"OPTIONS": {"queue": "mail"}}, ["offbeat_jobs.E014"])],
)
def test_the_setting_is_checked(setting, ids):
    """An option that nobody reads is reported."""
    backend = LedgerBackend("default", setting)

    assert [each.id for each in backend.check()] == ids


def test_a_project_without_the_ledger_is_reported(monkeypatch):
    """Its tasks would have no table."""
    monkeypatch.setattr("django.apps.apps.is_installed", lambda _: False)

    assert [each.id for each in LedgerBackend("default", {}).check()] == ["offbeat_jobs.E013"]
