"""Tasks whose class derives from celery.Task, and no more, as Celery's manual writes it."""

import abc

import pytest
from celery import Task, current_app, shared_task

from offbeat.jobs.message import headers
from offbeat.jobs.task import DurableTask
from tests.offbeat.faults.effects.tasks import note
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


class Foreign(Task):
    """A base class with hooks and a call of its own."""

    def __call__(self, *args, **kwargs):
        note("foreign", "__call__")
        return super().__call__(*args, **kwargs)

    def on_success(self, retval, task_id, args, kwargs):
        note("foreign", f"on_success {args}")


class Direct(Foreign):
    def __call__(self, *args, **kwargs):
        return self.run(*args, **kwargs)


class Checked(Task, metaclass=abc.ABCMeta):
    """As of a library that checks its classes."""


class Shared(Foreign):
    max_retries = 7
    ignore_result = False
    abstract = True


@shared_task(base=Foreign)
def notes(label):
    note("foreign", label)


@shared_task(base=Direct)
def notes_directly(label):
    note("foreign", label)


@shared_task(base=Checked)
def is_checked():
    pass


@shared_task(base=Shared, bind=True)
def is_shared(self):
    note("foreign", str(self.max_retries))
    return "kept"


@shared_task(base=Task)
def is_celerys():
    pass


class Written(Foreign):
    """A task that is a class, as in Celery's older manuals."""

    name = "tests.written"

    def run(self, label):
        note("foreign", label)


written = Written()
current_app.register_task(written)


@pytest.mark.parametrize("task", [notes, written])
def test_a_job_of_such_a_class(task, effects, row):
    """It is executed in an attempt, its class' call and hooks are called."""
    job = task.enqueue("a")

    assert run_jobs() == 1
    assert (row(job).state, row(job).attempt) == ("succeeded", 1)
    assert effects("foreign") == ["__call__", "a", "on_success ['a']"]


def test_a_call_that_goes_past_celerys(effects, row):
    """It calls the function itself."""
    job = notes_directly.enqueue("a")

    run_jobs()

    assert (row(job).state, effects("foreign")) == ("succeeded", ["a", "on_success ['a']"])


def test_what_the_class_says_holds(effects, row):
    """Its attributes are those of the task."""
    job = is_shared.enqueue()

    run_jobs()

    assert effects("foreign")[:2] == ["__call__", "7"]
    assert row(job).result == "kept"


def test_a_class_of_classes(row):
    """Its metaclass stays."""
    job = is_checked.enqueue()

    run_jobs()

    assert row(job).state == "succeeded"
    assert type(is_checked.__class__) is abc.ABCMeta


def test_the_class_is_still_the_one_that_was_written():
    """For `isinstance`, and for whoever reads its name."""
    assert isinstance(notes, Foreign)
    assert isinstance(notes, DurableTask)
    assert isinstance(written, Written)
    assert type(written).__qualname__ == "Written"


def test_celerys_own_class_has_no_jobs():
    """Who asks for celery.Task itself gets that."""
    assert not hasattr(is_celerys, "enqueue")
    assert headers("1", is_celerys.name, 0)["job"] is True


def test_a_plain_call_is_what_it_was(effects):
    """Of the function, and eagerly."""
    notes("a")
    notes.apply(("b",))

    assert effects("foreign") == ["__call__", "a", "__call__", "b", "on_success ('b',)"]
