"""What the ledger can do, as options of Django's tasks."""

import json
import pickle
from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from offbeat.jobs import Job, open_batch
from offbeat.jobs.tasks_backend import LedgerTask, Retry
from offbeat.jobs.tasks_backend.interface import InvalidTask, task, task_enqueued
from tests.offbeat.jobs.tasks_backend import samples
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


def job_of(result):
    return Job.objects.get(pk=result.id)


def test_options_of_the_decorator_are_in_the_row():
    """A job has them without anybody naming them again; a timedelta counts from the enqueueing on."""
    before = timezone.now()

    job = job_of(samples.by_mail.enqueue())

    assert (job.queue, job.priority) == ("mail", 7)
    assert timedelta(0) <= job.not_after - before - timedelta(minutes=1) < timedelta(seconds=30)


def test_a_key_is_made_of_the_arguments():
    """A constant key in a decorator would mean once for ever; the function has the arguments of the call."""
    first, second = samples.record_once.enqueue("a"), samples.record_once.enqueue(label="a")
    other = samples.record_once.enqueue("b")

    assert first.id == second.id != other.id
    job = job_of(first)
    assert (job.key, job.concurrency_key, job.max_attempts) == ("once:a", "one at a time", 2)


def test_what_exists_is_not_enqueued_again():
    """The result of a key that exists is that of its job as it is now, and no signal says that it was enqueued."""
    received = []
    samples.add.using(key="one").enqueue(1)
    run_jobs()
    task_enqueued.connect(lambda **values: received.append(values), weak=False, dispatch_uid="test")

    again = samples.add.using(key="one").enqueue(5)

    task_enqueued.disconnect(dispatch_uid="test")
    assert (again.return_value, received) == (1, [])


def test_a_key_of_another_task_is_refused():
    """A result that is another task's would be a surprise."""
    samples.add.using(key="one").enqueue(1)

    with pytest.raises(ValueError, match=r'the key "one" is that of a job of .*add'):
        samples.record.using(key="one").enqueue("a")


def test_using_takes_what_the_ledger_can():
    """Each option lands in its column, or where the worker finds it."""
    due = timezone.now() + timedelta(hours=1)
    with open_batch("sums") as batch:
        result = samples.add.using(
            key="k",
            concurrency_key="c",
            when_busy="skip",
            not_after=due + timedelta(hours=1),
            run_after=due,
            priority=-3,
            queue_name="mail",
            max_attempts=2,
            time_limit=60,
            soft_time_limit=30,
            atomic=True,
            statement_timeout=5,
            retry=Retry(on=(OSError,), max_retries=None),
            batch=batch,
        ).enqueue(1)

    job = job_of(result)
    assert (job.key, job.concurrency_key, job.when_busy, job.queue) == ("k", "c", "skip", "mail")
    assert (job.due_at, job.priority, job.max_attempts, job.batch_id) == (due, -3, 2, batch.id)
    assert job.options["timelimit"] == [60, 30]
    assert (job.options["atomic"], job.options["statement_timeout"]) == (True, 5)
    assert job.options["retry"]["on"] == ["builtins.OSError"]
    found = samples.add.get_result(result.id).task
    assert (found.run_after, found.priority, found.queue_name) == (due, -3, "mail")


def test_what_using_says_holds_in_the_worker(effects):
    """The worker has the task's own code, and from the row what was said otherwise."""
    samples.record.using(atomic=True).enqueue("a")
    result = samples.fail.using(retry=Retry(on=(ValueError,), max_retries=1, backoff=0)).enqueue("b")

    run_jobs()

    assert effects("a") == ["done"]
    job = Job.objects.get(task=samples.record.module_path)
    assert job.result is True
    result.refresh()
    assert (result.attempts, len(result.errors)) == (2, 2)


def test_time_limits_go_with_the_message(carrier):
    """The worker's main process enforces them: it knows nothing of a job but its message."""
    samples.sleep.enqueue(0, "a")
    samples.add.enqueue(1)

    messages = [
        json.loads(each) for each in reversed(carrier.lrange(next(carrier.scan_iter("*default")), 0, -1))
    ]

    assert [each["headers"]["timelimit"] for each in messages] == [[60, 2], [None, None]]
    assert {each["headers"]["task"] for each in messages} == {"offbeat.jobs.tasks.run_task"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"when_busy": "later"}, 'should be "wait" or "skip"'),
        ({"not_after": datetime(2030, 1, 1)}, "no time zone"),  # noqa: DTZ001  what it is about
        ({"not_after": 5}, "a datetime or a timedelta"),
        ({"retry": 3}, "should be a Retry"),
        ({"time_limit": 10, "soft_time_limit": 10}, "below time_limit"),
        ({"time_limit": -1}, "time_limit should be a number"),
        ({"max_attempts": 0}, "max_attempts should be a number"),
        ({"max_attempts": 1.5}, "max_attempts should be a whole number"),
        ({"time_limit": float("inf")}, "time_limit should be a number"),
        ({"atomic": "yes"}, "atomic should be True or False"),
        ({"key": 5}, "key should be a text"),
        ({"run_after": timedelta(1)}, "run_after should be a datetime"),
        ({"priority": "high"}, "priority should be a whole number from -100 to 100"),
        ({"priority": True}, "priority should be a whole number from -100 to 100"),
        ({"queue_name": ""}, "queue_name should be the name of a queue"),
        ({"queue_name": 5}, "queue_name should be the name of a queue"),
    ],
)
def test_an_option_that_is_none_is_refused(options, words):
    """Where it is said, not when it is enqueued."""
    with pytest.raises(InvalidTask, match=words):
        samples.add.using(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"on": ValueError},
        {"on": (3,)},
        {"max_retries": -1},
        {"backoff": "3"},
        {"backoff": -1},
        {"backoff_max": float("inf")},
    ],
)
def test_a_policy_that_is_none_is_refused(options):
    """Where it is written, and not at the first error in a worker."""
    with pytest.raises(TypeError, match=f"Retry\\({next(iter(options))}=...\\) should"):
        Retry(**{"on": (ValueError,)} | options)


def test_a_time_after_the_last_one_is_refused():
    """A duration from now on that no calendar has."""
    with pytest.raises(InvalidTask, match="years go to 9999"):
        samples.add.using(not_after=timedelta.max).enqueue(1)


@pytest.mark.parametrize("name", ["countdown", "func", "takes_context"])
def test_an_unknown_option_is_refused(name):
    """With those that there are."""
    with pytest.raises(TypeError, match=f"takes no {name}. It takes priority, .*key"):
        samples.add.using(**{name: 1})


def test_a_key_that_is_no_text_is_refused():
    """A function of the arguments may return anything."""
    with pytest.raises(TypeError, match="should return a text or None, got 1"):
        samples.add.using(key=lambda one: one).enqueue(1)


def test_a_task_is_a_value():
    """It is copied, pickled and compared as Django's own."""
    keyed = samples.add.using(key="a", retry=Retry(on=(OSError,)))

    assert isinstance(samples.add, LedgerTask)
    assert pickle.loads(pickle.dumps(keyed)) == keyed == deepcopy(keyed)  # noqa: S301  just made
    assert pickle.loads(pickle.dumps(samples.record_once)) == samples.record_once  # noqa: S301
    assert keyed != samples.add
    with pytest.raises(AttributeError):
        keyed.key = "b"


def test_a_batch_is_followed_by_a_task():
    """Its follow-up is a task of Django's, too."""
    with open_batch("sums", on_success=samples.add.follow_up(40, 2)) as batch:
        assert samples.add.using(batch=batch).enqueue_many([((1,), {}), ((2,), {"two": 3})]) == 2
    with pytest.raises(ValueError, match="is sealed"):
        samples.add.using(batch=batch).enqueue(1)

    run_jobs()

    results = list(Job.objects.order_by("id").values_list("result", flat=True))
    assert results == [1, 5, 42]


def _elsewhere(one):
    return one


renamed = task(_elsewhere)


def test_a_task_that_no_worker_would_find_is_refused():
    """A worker looks under the function's own name, where there is the bare function."""
    with pytest.raises(InvalidTask, match=r"a worker would not find it .*use @task as a decorator"):
        renamed.enqueue(1)


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {}, "missing a required argument: 'one'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {"three": 3}, "unexpected keyword argument 'three'"),
        (({1},), {}, "argument 1 is a set, which JSON does not have.*Unsupported type"),
        (([datetime(2030, 1, 1, tzinfo=UTC)],), {}, r"argument 1\[0\] is a datetime.*isoformat"),
        (("\0",), {}, "NUL"),
        ((float("nan"),), {}, "nan, which JSON does not have"),
    ],
)
def test_arguments_are_checked_where_they_are_given(args, kwargs, words):
    """Not an hour later in a worker."""
    with pytest.raises(TypeError, match=words):
        samples.add.enqueue(*args, **kwargs)


def test_arguments_are_as_json_has_them():
    """Tuples are lists and bytes are text, by Django's rules; before the run as after it."""
    result = samples.add.enqueue((1, 2), two=(b"a",))

    assert (result.args, result.kwargs) == ([[1, 2]], {"two": ["a"]})
    assert samples.add.get_result(result.id).args == [[1, 2]]
