"""Celery's interface of tasks, name by name: a name that a new Celery brings is missed here, and what is said of one is tried."""

import inspect
from datetime import timedelta
from pathlib import Path

import pytest
from celery import Celery, Task, current_app, exceptions, shared_task, signals
from celery.app.task import Context
from celery.exceptions import Ignore, MaxRetriesExceededError, Reject, Retry, SoftTimeLimitExceeded
from django.db import transaction
from django.utils import timezone

from offbeat.jobs import broker, checks
from offbeat.jobs.celery_options import INSTEAD
from offbeat.jobs.enqueuer import OPTIONS as OURS
from offbeat.jobs.models import Job
from offbeat.jobs.task import DurableTask
from tests.offbeat.jobs import celery_interface as interface
from tests.offbeat.jobs.celery_interface import IGNORED, REFUSED, WORKS
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")

PAGE = Path(__file__).parents[3] / "docs" / "offbeat" / "celery-names.md"
PUBLISH = {
    "retry",
    "retry_policy",
    "headers",
    "serializer",
    "compression",
    "delivery_mode",
    "exchange",
    "routing_key",
    "priority",
    "queue",
    "immediate",
    "mandatory",
    "ignore_result",
    "stamped_headers",
}  # fmt: skip  of kombu, and of headers
LATER = timedelta(days=1)


def public(cls):
    return {name for name in dir(cls) if not name.startswith("_")}


def methods():
    return {name for name in public(Task) if inspect.isroutine(inspect.getattr_static(Task, name))} - {
        "AsyncResult"
    }


def options():
    given = {
        name
        for function in (Task.apply_async, Celery.send_task)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    return given - {"self", "name", "task_type", "options"} | PUBLISH


def task_signals():
    return {name for name in dir(signals) if name.startswith("task_") or name.endswith("_publish")}


def test_every_attribute_and_method():
    """Of Celery's class, and of its class for Django."""
    told = interface.ATTRIBUTES.keys() | interface.METHODS.keys()

    assert told == public(Task) | {"delay_on_commit", "apply_async_on_commit"}


def test_every_option():
    """Of apply_async, of send_task, and of what they publish with."""
    assert options() == interface.OPTIONS.keys()


def test_every_attribute_of_the_request():
    """Of Celery's Context."""
    assert interface.REQUEST.keys() == public(Context)


def test_every_signal():
    """Of tasks."""
    assert interface.SIGNALS.keys() == task_signals()


def test_every_exception_that_a_task_may_raise():
    """Those by which it says what shall become of it, and those that it may be ended by."""
    said = {
        name
        for name, each in vars(exceptions).items()
        if inspect.isclass(each) and issubclass(each, exceptions.TaskPredicate)
    }

    assert said - {"TaskPredicate", "RetryTaskError"} < interface.EXCEPTIONS.keys()
    assert all(hasattr(exceptions, name) for name in interface.EXCEPTIONS)


def test_the_page_has_these_tables():
    """docs/offbeat/celery-names.md ends with them, word by word."""
    assert PAGE.read_text().partition("\n## ")[2] == interface.as_markdown().removeprefix("## ")


def made(**options):
    """Return a new task with these options, which returns what it is called with."""
    made.count += 1

    def function(*args, **kwargs):
        return [*args, kwargs]

    return current_app.task(name=f"tests.made.{made.count}", **options)(function)


made.count = 0


def job_of(*args, **options):
    job = made(**options).enqueue(*args)
    run_jobs()
    return Job.objects.get(pk=job.pk)


@pytest.mark.parametrize(
    "name", sorted(name for name, row in interface.ATTRIBUTES.items() if row[0] == IGNORED)
)
def test_an_attribute_that_is_ignored(name):
    """Whatever it says, the job is executed once, and says how it ended."""
    values = [True, False] if name != "serializer" else ["pickle"]
    for value in [None] if name == "backend" else values:
        job = job_of(1, **{name: value} if name != "backend" else {})

        assert (job.state, job.attempt) == ("succeeded", 1)


@pytest.mark.parametrize("name", sorted(name for name, row in interface.OPTIONS.items() if row[0] == REFUSED))
def test_an_option_that_is_refused(name):
    """Where it is written, with what to write instead."""
    with pytest.raises(TypeError) as refused:
        made().using(**{name: 1})

    assert str(refused.value).endswith(f": a job takes no {name}: {INSTEAD[name]}.")


@pytest.mark.parametrize("name", sorted(name for name, row in interface.OPTIONS.items() if row[0] == WORKS))
def test_an_option_that_works(name):
    """It is one of ours."""
    assert name in OURS


def test_an_option_that_nobody_has():
    """A slip of the keyboard is told what there is."""
    with pytest.raises(TypeError, match="a job takes no qeue: its options are batch, "):
        made().using(qeue="mail")


def test_the_request_says_what_is_told():
    """What the table calls None is None, and the rest is there."""
    seen = {}

    @current_app.task(name="tests.looks", bind=True)
    def looks(self, *args):
        seen.update({name: getattr(self.request, name) for name in interface.REQUEST})

    job = looks.enqueue(1)
    run_jobs()

    assert {name for name, (_, says) in interface.REQUEST.items() if says.startswith("`None`")} == {
        name for name, value in seen.items() if value is None
    } - {"correlation_id", "properties"}
    assert (seen["id"], seen["root_id"], seen["args"], seen["headers"]) == (str(job.pk), str(job.pk), [1], {})
    assert (seen["origin"], seen["stamps"], seen["ignore_result"]) == ("jobs", {}, True)


def test_a_default_delay_of_retries():
    """And how many there are."""

    @current_app.task(name="tests.asks", bind=True, max_retries=1, default_retry_delay=100)
    def asks(self):
        self.retry()

    job = asks.enqueue()
    run_jobs()
    job.refresh_from_db()
    waits = (job.due_at - timezone.now()).total_seconds()
    run_jobs(ahead=LATER)

    assert 50 < waits <= 100
    assert (Job.objects.get(pk=job.pk).state, Job.objects.get(pk=job.pk).attempt) == ("dead", 2)


def test_an_expected_error(caplog):
    """A line, and no traceback; the dead letter has it."""

    @current_app.task(name="tests.throws", throws=(LookupError,))
    def throws():
        raise KeyError("expected")

    caplog.set_level("INFO")
    job = throws.enqueue()
    run_jobs()

    (line,) = [each for each in caplog.records if each.name == "celery.app.trace"]
    assert (line.levelname, line.exc_info) == ("INFO", None)
    assert "KeyError: 'expected'" in Job.objects.get(pk=job.pk).traceback


@pytest.mark.parametrize(
    "expires", [lambda: 60, lambda: 60.0, lambda: timezone.now() + timedelta(seconds=60)]
)
def test_a_task_that_expires(expires):
    """Its jobs have a not_after, unless they say another."""
    task, later = made(expires=expires()), timezone.now() + LATER

    job, other = task.enqueue(), task.using(not_after=later).enqueue()

    job.refresh_from_db()
    other.refresh_from_db()
    assert 0 < (job.not_after - timezone.now()).total_seconds() <= 60
    assert other.not_after == later


def test_a_call_that_is_not_checked():
    """typing=False: the job waits for code that takes it."""

    @current_app.task(name="tests.untyped", typing=False)
    def untyped():
        pass

    job = untyped.enqueue(1)
    run_jobs()

    assert Job.objects.get(pk=job.pk).reason.startswith("waits for a worker that knows it: tests.untyped()")


def test_a_rate_limit_is_refused():
    """By enqueue, with what to use."""
    with pytest.raises(
        TypeError, match=r"has rate_limit='10/m', which jobs do not support: write using\(concurrency_key"
    ):
        made(rate_limit="10/m").enqueue()


def found_by(check, name):
    return [message.id for message in check() if name in message.msg]


def test_a_request_of_its_own_is_refused():
    """By the check; one that derives from ours is not."""
    foreign = made(Request="celery.worker.request:Request")
    ours = made(Request="offbeat.jobs.request:JobRequest")

    assert found_by(checks.check_tasks, f"{foreign.name}:") == ["offbeat_jobs.E012"]
    assert found_by(checks.check_tasks, f"{ours.name}:") == []
    del current_app.tasks[foreign.name]


def test_options_of_retries_are_refused():
    """By the check, before the first retry fails at them."""
    task = made(autoretry_for=(ValueError,), max_retries=1, retry_kwargs={"queue": "slow"})

    assert found_by(checks.check_tasks, f"{task.name}:") == ["offbeat_jobs.E011"]
    del current_app.tasks[task.name]


def test_models_of_pydantic(monkeypatch):
    """What Celery's own apply_async would dump, enqueue dumps: asked by the same function."""
    task = made()
    monkeypatch.setattr(
        type(task), "_dump_pydantic_arguments", staticmethod(lambda _, kwargs: (["dumped"], kwargs))
    )
    job = task.enqueue(object())

    job.refresh_from_db()
    assert job.args == ["dumped"]


def test_an_error_that_is_not_retried():
    """dont_autoretry_for."""

    @current_app.task(
        name="tests.picky",
        autoretry_for=(OSError,),
        dont_autoretry_for=(FileNotFoundError,),
        retry_backoff=True,
    )
    def picky():
        raise FileNotFoundError("gone")

    job = picky.enqueue()
    run_jobs(ahead=LATER)

    assert Job.objects.get(pk=job.pk).attempt == 1


@shared_task(bind=True, autoretry_for=(ValueError,), max_retries=3)
def limits_itself(self):
    self.retry(exc=ValueError("no"), max_retries=1, countdown=0)


def test_a_limit_that_the_call_says_holds_for_autoretry_too():
    """As in Celery; and it is forgotten with the attempt."""
    job = limits_itself.enqueue()
    run_jobs(ahead=LATER)

    assert Job.objects.get(pk=job.pk).attempt == 2


@shared_task(bind=True)
def changes_its_call(self, name, *, times=0):
    if not self.request.retries:
        self.retry(args=["other"], countdown=0)


def test_a_retry_with_arguments_that_replace_others():
    """As in Celery: an argument that was given by name is not given twice."""
    job = changes_its_call.enqueue(name="a", times=2)
    run_jobs(ahead=LATER)

    found = Job.objects.get(pk=job.pk)
    assert (found.state, found.args, found.kwargs) == ("succeeded", ["other"], {"times": 2})


@shared_task(bind=True)
def does(self, what):
    if what == "replace":
        return self.replace(changes_its_call.s("b"))
    if what == "add_to_chord":
        return self.add_to_chord(changes_its_call.s("b"))
    if what == "update_state":
        self.update_state(state="PROGRESS", meta={"done": 1})
    if what == "AsyncResult":
        return self.AsyncResult(self.request.id).state
    if what == "send_event":
        self.send_event("task-own", done=1)
    if what == "signature_from_request":
        return str(self.signature_from_request(self.request, [1], {}))
    return None


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("replace", "TypeError: tests.offbeat.jobs.test_celery_interface.does: a job cannot be replaced"),
        ("add_to_chord", "ValueError: Current task is not member of any chord"),
        ("AsyncResult", "AttributeError: 'DisabledBackend'"),
        ("update_state", ""),
        ("send_event", ""),
        ("signature_from_request", ""),
    ],
)
def test_what_a_task_calls_on_itself(what, reason):
    """Refused with a reason, or done."""
    job = does.enqueue(what)
    run_jobs()

    found = Job.objects.get(pk=job.pk)
    assert found.state == ("dead" if reason else "succeeded")
    assert found.reason.startswith(reason)


RAISED = {
    "Ignore": (Ignore(), "succeeded"),
    "Reject": (Reject("no"), "dead"),
    "Retry": (Retry(when=1), "pending"),
    "MaxRetriesExceededError": (MaxRetriesExceededError("no"), "dead"),
    "SoftTimeLimitExceeded": (SoftTimeLimitExceeded(), "dead"),
}


@pytest.mark.parametrize("name", RAISED)
def test_what_a_task_may_raise(name):
    """As the table says."""

    @current_app.task(name=f"tests.raises.{name}")
    def raises():
        raise RAISED[name][0]

    job = raises.enqueue()
    run_jobs()

    assert Job.objects.get(pk=job.pk).state == RAISED[name][1]


def test_what_is_sent_after_the_commit():
    """delay_on_commit and apply_async_on_commit: a plain message, and none if the transaction is rolled back."""
    task = made()
    with transaction.atomic():
        task.delay_on_commit(1)
        transaction.set_rollback(True)
    with transaction.atomic():
        task.delay_on_commit(1)
        task.apply_async_on_commit((1,), queue="mail")
        before = [broker.waiting(queue) for queue in ("default", "mail")]

    assert (before, [broker.waiting(queue) for queue in ("default", "mail")]) == ([0, 0], [1, 1])


def test_the_class_is_celerys_for_django():
    """Whoever checks for it finds it."""
    from celery.contrib.django.task import DjangoTask  # noqa: PLC0415

    assert issubclass(DurableTask, DjangoTask)


def test_eager_tasks_are_told_of(monkeypatch):
    """CELERY_TASK_ALWAYS_EAGER: a job waits in the ledger all the same, and the check says what to call in tests."""
    monkeypatch.setitem(current_app.conf, "task_always_eager", True)
    task = made()
    result, job = task.delay(1), task.enqueue(1)

    assert [message.id for message in checks.check_eager()] == ["offbeat_jobs.W002"]
    assert result.get() == [1, {}]
    assert Job.objects.get(pk=job.pk).state == "published"
    assert run_jobs() == 1
