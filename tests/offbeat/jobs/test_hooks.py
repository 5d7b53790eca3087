"""What Celery calls around a task, with what it says of the job: hooks, signals, `__call__`."""

import contextlib
from datetime import timedelta

import pytest
from billiard.einfo import ExceptionInfo
from celery import shared_task, signals
from celery.app.trace import build_tracer
from celery.exceptions import Ignore, Reject, Retry
from django.db import transaction
from django.utils import timezone

from offbeat.jobs import attempts, tracer
from offbeat.jobs.message import headers
from offbeat.jobs.models import Job
from offbeat.jobs.task import DurableTask
from tests.offbeat.faults.effects.tasks import note, throw
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")

ARGS, KWARGS = [1, "two"], {"three": [3]}
called = []


@pytest.fixture(autouse=True)
def calls():
    """Names of what was called, with its arguments, in order."""
    called.clear()
    return called


class Told(DurableTask):
    """Notes each of Celery's hooks."""

    def __call__(self, *args, **kwargs):
        called.append(("__call__", list(args), kwargs))
        return super().__call__(*args, **kwargs)

    def before_start(self, task_id, args, kwargs):
        called.append(("before_start", task_id, args, kwargs, self.request.args, self.request.kwargs))

    def on_success(self, retval, task_id, args, kwargs):
        called.append(("on_success", retval, task_id, args, kwargs))

    def on_retry(self, exc, task_id, args, kwargs, einfo):
        called.append(("on_retry", exc, task_id, args, kwargs, einfo))

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        called.append(("on_failure", exc, task_id, args, kwargs, einfo))

    def after_return(self, status, retval, task_id, args, kwargs, einfo):  # noqa: PLR0917  as in Celery
        called.append(("after_return", status, retval, task_id, args, kwargs, einfo))


@shared_task(base=Told, bind=True)
def acts(self, *args, how="return", **kwargs):
    if how == "retry" and not self.request.retries:
        raise self.retry(exc=ValueError("not yet"), countdown=0)
    if how == "raise":
        raise ValueError("no")
    if how == "ignore":
        raise Ignore
    return [*args, kwargs]


def names():
    return [call[0] for call in called]


def call(name):
    return next(each[1:] for each in called if each[0] == name)


def test_the_hooks_of_a_success():
    """In Celery's order, with the arguments that were enqueued, the job's id as task_id, and the result."""
    job = acts.enqueue(*ARGS, **KWARGS)

    run_jobs()

    told = (str(job.pk), ARGS, KWARGS)
    assert names() == ["before_start", "__call__", "on_success", "after_return"]
    assert call("before_start") == (*told, ARGS, KWARGS)
    assert call("__call__") == (ARGS, KWARGS)
    assert call("on_success") == ([*ARGS, KWARGS], *told)
    assert call("after_return") == ("SUCCESS", [*ARGS, KWARGS], *told, None)


def test_the_hooks_of_a_failure(row):
    """With the exception and its einfo; what they see in the ledger is the dead letter."""
    job = acts.enqueue(*ARGS, how="raise")

    run_jobs()

    assert names() == ["before_start", "__call__", "on_failure", "after_return"]
    error, task_id, args, kwargs, einfo = call("on_failure")
    assert (str(error), task_id, args, kwargs) == ("no", str(job.pk), ARGS, {"how": "raise"})
    assert isinstance(einfo, ExceptionInfo)
    assert "ValueError: no" in einfo.traceback
    assert call("after_return")[:2] == ("FAILURE", error)
    assert row(job).state == "dead"


def test_the_hooks_of_a_retry(row):
    """Each attempt has its own; on_retry has the error that the task gave."""
    job = acts.enqueue(*ARGS, how="retry")

    run_jobs(ahead=timedelta(minutes=1))

    assert names() == [
        "before_start",
        "__call__",
        "on_retry",
        "before_start",
        "__call__",
        "on_success",
        "after_return",
    ]
    error, *told, einfo = call("on_retry")
    assert (str(error), told) == ("not yet", [str(job.pk), ARGS, {"how": "retry"}])
    assert einfo.type is Retry
    assert row(job).attempt == 2


def test_a_failure_after_retries_ends_the_last_attempt():
    """Celery's on_failure is for the end, on_retry for what went before."""
    gives_up.enqueue()

    run_jobs(ahead=timedelta(minutes=1))

    assert [name for name in names() if name in {"on_retry", "on_failure"}] == [
        "on_retry",
        "on_retry",
        "on_failure",
    ]
    assert str(call("on_failure")[0]) == "never"


@shared_task(base=Told, autoretry_for=(ValueError,), max_retries=2, default_retry_delay=0)
def gives_up():
    raise ValueError("never")


def test_a_job_with_nothing_to_do_has_no_end_for_celery(row):
    """Ignore: neither success nor failure, as in Celery; to the ledger it has succeeded."""
    job = acts.enqueue(how="ignore")

    run_jobs()

    assert names() == ["before_start", "__call__"]
    assert row(job).state == "succeeded"


@pytest.fixture
def received():
    """What Celery's signals of tasks carried, by their names."""
    found, receivers = {}, []
    for name in (
        "task_prerun",
        "task_postrun",
        "task_success",
        "task_retry",
        "task_failure",
        "task_internal_error",
    ):

        def receive(name=name, **values):
            found.setdefault(name, []).append(values)

        getattr(signals, name).connect(receive, weak=False)
        receivers.append((getattr(signals, name), receive))
    yield found
    for sent, receive in receivers:
        sent.disconnect(receive)


def test_the_signals_of_a_success(received):
    """With the arguments, the task and the result."""
    job = acts.enqueue(*ARGS, **KWARGS)

    run_jobs()

    assert sorted(received) == ["task_postrun", "task_prerun", "task_success"]
    before, after, success = (received[name][0] for name in ("task_prerun", "task_postrun", "task_success"))
    told = {"task_id": str(job.pk), "task": acts, "args": ARGS, "kwargs": KWARGS}
    assert told.items() <= before.items()
    assert (told | {"retval": [*ARGS, KWARGS], "state": "SUCCESS"}).items() <= after.items()
    assert success["result"] == [*ARGS, KWARGS]


def test_the_signals_of_a_failure(received):
    """With the arguments, the exception and its einfo."""
    job = acts.enqueue(*ARGS, how="raise")

    run_jobs()

    assert sorted(received) == ["task_failure", "task_postrun", "task_prerun"]
    failure = received["task_failure"][0]
    assert (failure["task_id"], failure["args"], failure["kwargs"]) == (str(job.pk), ARGS, {"how": "raise"})
    assert str(failure["exception"]) == "no"
    assert "ValueError: no" in failure["einfo"].traceback
    assert received["task_postrun"][0]["state"] == "FAILURE"


def test_the_signals_of_a_retry(received):
    """With the request of the attempt, and what it was for."""
    job = acts.enqueue(*ARGS, how="retry")

    run_jobs()

    retry = received["task_retry"][0]
    assert (retry["request"].id, retry["request"].args) == (str(job.pk), ARGS)
    assert str(retry["reason"].exc) == "not yet"
    assert isinstance(retry["einfo"], ExceptionInfo)


def test_a_duplicate_calls_nothing(received, worker):
    """The job runs elsewhere: this message is none of Celery's business."""
    job = acts.enqueue()
    attempts.begin(job.pk, worker)
    request = headers(str(job.pk), job.task, timezone.now().timestamp()) | {"args": [], "kwargs": {}}

    traced = tracer.trace(
        acts, build_tracer(job.task, acts, app=acts.app, eager=True), str(job.pk), (), {}, request
    )

    assert (names(), received) == ([], {})
    assert traced.info.state == "IGNORED"


def test_a_job_that_this_code_cannot_run_calls_nothing(received, row):
    """It waits for a worker that knows its arguments."""
    job = acts.enqueue()
    Job.objects.update(task=takes_nothing.name, args=[1])

    run_jobs()

    assert (received, row(job).state, row(job).attempt) == ({}, "pending", 0)


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit("odd")])
def test_a_job_that_fails_before_celery_is_asked(error, row, monkeypatch):
    """Its attempt has begun, so it ends: the process lives, and nobody else would end it."""
    job = acts.enqueue()
    monkeypatch.setattr(Told, "_prepare", lambda *_: throw(error))

    with contextlib.suppress(Exception):
        run_jobs()

    assert (row(job).state, row(job).reason) == ("dead", f"{type(error).__name__}: odd")


@shared_task
def takes_nothing():
    pass


class Early(Told):
    def before_start(self, task_id, args, kwargs):
        note("early", "before_start")
        if args[0] == "retry" and not self.request.retries:
            self.retry(countdown=0, exc=ValueError("not yet"))
        raise {
            "value": ValueError("too early"),
            "exit": SystemExit(3),
            "ignore": Ignore(),
            "reject": Reject("not mine"),
        }[args[1 if args[0] == "retry" else 0]]


@shared_task(base=Early)
def is_never_called(*what):
    note("early", "called")


@pytest.mark.parametrize(
    ("what", "state", "reason"),
    [
        (["value"], "dead", "ValueError: too early"),
        (["exit"], "dead", "SystemExit: 3"),
        (["ignore"], "succeeded", ""),
        (["reject"], "dead", "rejected: not mine"),
        (["retry", "value"], "dead", "ValueError: too early"),
    ],
)
def test_what_before_start_raises_is_the_answer(what, state, reason, row, effects):
    """As if the task had raised it: recorded, with the retries that it asks for."""
    job = is_never_called.enqueue(*what)

    with contextlib.suppress(Exception):  # of SystemExit, what the pool is told instead
        run_jobs(ahead=timedelta(minutes=1))

    assert effects("early") == ["before_start"] * len(what)
    assert (row(job).state, row(job).reason, row(job).attempt) == (state, reason, len(what))


def test_a_failure_before_the_task_has_its_hooks():
    """on_failure and after_return follow, as in Celery."""
    is_never_called.enqueue("value")

    run_jobs()

    assert names() == ["on_failure", "after_return"]
    assert call("on_failure")[2] == ["value"]


def test_a_receiver_that_raises_stops_nothing(row):
    """Celery logs it; one that would end the process is the job's answer."""
    job = acts.enqueue()

    def receive(**_):
        raise RuntimeError("a receiver")

    signals.task_prerun.connect(receive)
    run_jobs()
    signals.task_prerun.disconnect(receive)

    assert row(job).state == "succeeded"


def test_a_receiver_that_exits_is_the_answer(row):
    """The process goes on, and the job is a dead letter."""
    job = acts.enqueue()

    def receive(**_):
        raise SystemExit(3)

    signals.task_prerun.connect(receive)
    with pytest.raises(Exception, match="SystemExit: 3"):
        run_jobs()
    signals.task_prerun.disconnect(receive)

    assert (row(job).state, row(job).reason) == ("dead", "SystemExit: 3")


class Late(DurableTask):
    def on_success(self, retval, task_id, args, kwargs):
        raise SystemExit(3)


@shared_task(base=Late)
def ends_well():
    pass


def test_a_hook_that_exits_afterwards_changes_no_answer(row):
    """The success is recorded before on_success is called."""
    job = ends_well.enqueue()

    with pytest.raises(Exception, match="SystemExit: 3"):
        run_jobs()

    assert (row(job).state, row(job).reason) == ("succeeded", "")


class Sees(DurableTask):
    def on_success(self, retval, task_id, args, kwargs):
        called.append((Job.objects.get(pk=task_id).state, transaction.get_connection().in_atomic_block))


@shared_task(base=Sees, atomic=True)
def is_seen():
    pass


def test_an_atomic_task_is_committed_when_its_hooks_are_called():
    """on_success may tell others of what is there."""
    is_seen.enqueue()

    run_jobs()

    assert called == [("succeeded", False)]


class Changes(DurableTask):
    def __call__(self, *args, **kwargs):
        return super().__call__(*args, more=True, **kwargs)


@shared_task(base=Changes, bind=True)
def is_changed(self, *args, **kwargs):
    called.append((list(args), kwargs, self.request.args, self.request.kwargs))


def test_a_call_may_pass_on_other_arguments():
    """What `__call__` passes on is what the task is called with; the request says what was enqueued."""
    is_changed.enqueue(1)

    run_jobs()

    assert called == [([1], {"more": True}, [1], {})]


@shared_task(bind=True)
def looks_at_its_request(self):
    request = self.request
    called.append({name: getattr(request, name) for name in REQUEST} | {"headers": request.headers})


REQUEST = {
    "args": [],
    "kwargs": {},
    "retries": 0,
    "is_eager": False,
    "called_directly": False,
    "parent_id": None,
    "group": None,
    "chord": None,
    "chain": None,
    "callbacks": None,
    "errbacks": None,
    "eta": None,
    "expires": None,
    "hostname": "run_jobs",
    "delivery_info": {"exchange": "", "routing_key": "default", "redelivered": False},
}


def test_the_request_of_a_job():
    """What it says of the job is as of a task without links; none of our headers go on to tasks that follow from it."""
    job = looks_at_its_request.enqueue()

    run_jobs()

    assert called == [REQUEST | {"headers": {}}]
    assert job.pk is not None
