"""Writing jobs into the ledger."""

import gc
import json
import threading
import tracemalloc
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from offbeat.jobs import broker, relay
from offbeat.jobs.arguments import ArgumentError
from offbeat.jobs.ledger import identity
from offbeat.jobs.models import Job
from offbeat.jobs.producer import CHUNK, KeyBusyError
from offbeat.jobs.relay import ClaimedJob
from tests.offbeat.faults.effects.tasks import divide, nothing, work
from tests.offbeat.jobs import samples
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


def test_outside_a_transaction_a_job_is_published_at_once(carrier, row):
    """The row is there and says so, and its message waits in the task's queue."""
    job = work.enqueue("a", seconds=2)

    found = row(job)
    assert (found.task, found.args, found.kwargs) == (
        "tests.offbeat.faults.effects.tasks.work",
        ["a"],
        {"seconds": 2},
    )
    assert (found.state, found.queue, found.attempt) == ("published", "default", 0)
    assert carrier.llen(broker.key("default")) == 1


def test_inside_a_transaction_it_is_published_after_the_commit(carrier, row):
    """Until the commit no message is sent: a worker would find no row."""
    with transaction.atomic():
        job = nothing.enqueue()
        sent_before = carrier.llen(broker.key("default"))

    assert sent_before == 0
    assert carrier.llen(broker.key("default")) == 1
    assert row(job).state == "published"


def test_a_rollback_takes_the_job_with_it(carrier):
    """What did not happen enqueues nothing."""
    with transaction.atomic():
        nothing.enqueue()
        transaction.set_rollback(True)

    assert Job.objects.count() == 0
    assert carrier.llen(broker.key("default")) == 0


def test_a_rolled_back_savepoint_takes_only_its_own_jobs(carrier):
    """The job of the outer transaction stays and is published."""
    with transaction.atomic():
        kept = nothing.enqueue()
        with transaction.atomic():
            nothing.enqueue()
            transaction.set_rollback(True)

    assert Job.objects.get().pk == kept.pk
    assert carrier.llen(broker.key("default")) == 1


def test_the_returned_job_knows_itself():
    """Its id, task and queue are there without another query, the rest is read when asked for."""
    job = samples.record_slowly.enqueue("a")

    assert (job.task, job.queue) == ("tests.offbeat.jobs.samples.record_slowly", "mail")
    assert job.max_attempts == 5
    assert job == Job.objects.get()


def test_the_queue_is_the_tasks_unless_told(carrier):
    """A task's own queue is used, and `using(queue=...)` is stronger."""
    samples.record_slowly.enqueue("a")
    samples.record_slowly.using(queue="default").enqueue("a")

    assert (
        carrier.llen(broker.key("mail")),
        carrier.llen(broker.key("default")),
    ) == (1, 1)


def test_an_argument_that_is_not_json_is_refused_here():
    """Nothing is written, and the message names task and argument."""
    with pytest.raises(
        ArgumentError, match=r'^tests.offbeat.faults.effects.tasks.work: argument "seconds" is a timedelta'
    ):
        work.enqueue("a", seconds=timedelta(1))

    assert Job.objects.count() == 0


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((1, 2, 3), {}), ((1,), {"c": 2})])
def test_a_call_that_does_not_fit_is_refused_here(args, kwargs):
    """As a call of the function would: TypeError, and no job."""
    with pytest.raises(TypeError):
        divide.enqueue(*args, **kwargs)

    assert Job.objects.count() == 0


def test_a_bound_tasks_self_is_not_an_argument():
    """A bound task is called without it."""
    assert samples.ask_again.enqueue("a").task == "tests.offbeat.jobs.samples.ask_again"
    with pytest.raises(TypeError):
        samples.ask_again.enqueue()


# Options


def test_a_key_gives_the_job_that_exists(carrier):
    """Enqueued twice, there is one job, whatever the second call's arguments."""
    first = work.using(key="k").enqueue("a")
    second = work.using(key="k").enqueue("b")

    assert second == first
    assert second.args == ["a"]
    assert carrier.llen(broker.key("default")) == 1


def test_a_key_holds_after_the_job_has_ended(row):
    """A finished job keeps its key until it is pruned."""
    first = work.using(key="k").enqueue("a")
    Job.objects.filter(pk=first.pk).update(state="succeeded")

    assert work.using(key="k").enqueue("a") == first


def test_many_without_a_key_are_many():
    """No key is equal to no other."""
    assert nothing.enqueue() != nothing.enqueue()


def in_another_connection(act):
    """Run it in a thread, which has a connection of its own; return the thread, started, and where its answer will be."""
    answers = []

    def run():
        answers.append(act())
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, answers


def waits_for_a_lock():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] == 1


def test_a_key_is_unique_between_connections():
    """The second waits for the first's transaction, and gets its job."""
    with transaction.atomic():
        first = work.using(key="k").enqueue("a")
        thread, answers = in_another_connection(lambda: work.using(key="k").enqueue("b"))
        wait_until(waits_for_a_lock)
    thread.join()

    assert answers == [first]
    assert Job.objects.count() == 1


def test_a_key_is_free_again_after_a_rollback():
    """The second waits for the first's transaction, and when that is rolled back makes the job itself."""
    with transaction.atomic():
        first = work.using(key="k").enqueue("a")
        thread, answers = in_another_connection(lambda: work.using(key="k").enqueue("b"))
        wait_until(waits_for_a_lock)
        transaction.set_rollback(True)
    thread.join()

    (second,) = answers
    assert second != first
    assert Job.objects.get().args == ["b"]


def test_many_threads_with_one_key_make_one_job(carrier):
    """Whoever loses the race returns the winner's job."""
    threads, answers = zip(
        *[in_another_connection(lambda: work.using(key="k").enqueue("a")) for _ in range(8)], strict=True
    )
    for thread in threads:
        thread.join()

    assert {answer.pk for (answer,) in answers} == {Job.objects.get().pk}
    assert carrier.llen(broker.key("default")) == 1


def test_a_job_with_run_at_waits_in_postgresql(carrier, row):
    """It is pending with a due time, and no message carries it."""
    tomorrow = timezone.now() + timedelta(days=1)

    found = row(nothing.using(run_at=tomorrow).enqueue())

    assert (found.state, found.due_at, found.publish_at) == ("pending", tomorrow, tomorrow)
    assert carrier.llen(broker.key("default")) == 0


def test_a_run_at_in_the_past_is_now(carrier):
    """It is published at once."""
    nothing.using(run_at=timezone.now() - timedelta(days=1)).enqueue()

    assert carrier.llen(broker.key("default")) == 1


EAST = timezone.get_fixed_timezone(60)


@pytest.mark.parametrize("option", ["run_at", "not_after"])
@pytest.mark.parametrize(
    "moment", [datetime(1, 1, 1, tzinfo=EAST), datetime(9999, 12, 31, 23, tzinfo=EAST)], ids=["1", "9999"]
)
def test_a_time_that_nobody_can_read_is_refused(carrier, option, moment):
    """PostgreSQL knows years that Python does not: a row with one would break every page that shows it."""
    with pytest.raises(ValueError, match=f"nothing: {option} is .*, and years go from 1 to 9999"):
        nothing.using(**{option: moment}).enqueue()


@pytest.mark.parametrize("option", ["key", "concurrency_key"])
@pytest.mark.parametrize(
    ("text", "words"),
    [("a" * 256, "is 256 characters long"), ("a\0", "contains a NUL"), (5, "should be a text, got 5")],
    ids=["long", "nul", "number"],
)
def test_a_text_that_no_column_holds_is_refused(option, text, words):
    """With its name, which PostgreSQL would not say."""
    with pytest.raises((TypeError, ValueError), match=f"nothing: {option} {words}"):
        nothing.using(**{option: text}).enqueue()


@pytest.mark.parametrize("option", ["run_at", "not_after"])
def test_a_time_without_a_zone_is_refused(option):
    """It would be taken for UTC, and be hours off."""
    naive = timezone.now().replace(tzinfo=None)

    with pytest.raises(ValueError, match=f"tasks.nothing: {option} has no time zone"):
        nothing.using(**{option: naive}).enqueue()


def test_what_a_busy_key_means_is_wait_or_skip():
    """A word that the ledger does not know is refused, and would otherwise mean wait."""
    with pytest.raises(ValueError, match=r'tasks.nothing: when_busy should be "wait" or "skip", got "drop"'):
        nothing.using(concurrency_key="a", when_busy="drop").enqueue()


def test_an_unknown_option_is_refused():
    """A slip of the pen is told where it is made."""
    with pytest.raises(TypeError, match="countdown"):
        nothing.using(countdown=3)


def test_max_attempts_is_the_tasks_or_the_setting(settings, monkeypatch):
    """A task that says nothing follows the setting."""
    settings.OFFBEAT_JOBS = {"max_attempts": 9}
    first = nothing.enqueue()
    monkeypatch.setattr(nothing, "max_attempts", 2)
    second = nothing.enqueue()

    assert (first.max_attempts, second.max_attempts) == (9, 2)


# Many


def test_many_are_one_statement_and_one_round_trip(carrier, django_assert_num_queries):
    """A chunk costs one INSERT, however many jobs it holds, once the process knows which ledger it works on."""
    identity()

    with django_assert_num_queries(1):
        made = divide.enqueue_many(((n, 1), {}) for n in range(100))

    assert made == 100
    assert carrier.llen(broker.key("default")) == 100
    assert Job.objects.filter(state="published").count() == 100
    assert sorted(job.args[0] for job in Job.objects.all()) == list(range(100))


def test_many_are_streamed():
    """No more than a chunk of the calls is taken at a time: the first rows are there before the last call is made."""
    seen = []

    def calls():
        for n in range(CHUNK + 1):
            if n == CHUNK:
                seen.append(Job.objects.count())
            yield (n, 1), {}

    assert divide.enqueue_many(calls()) == CHUNK + 1
    assert seen == [CHUNK]


def test_many_need_no_more_memory_than_a_chunk(monkeypatch):
    """Twenty chunks take about as much as one."""
    monkeypatch.setattr("offbeat.jobs.producer.CHUNK", 50)

    def peak(count):
        tracemalloc.start()
        nothing.enqueue_many(((), {}) for _ in range(count))
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(1_000) < 1.5 * peak(50)


def test_many_in_a_transaction_appear_together(carrier):
    """All or none: an argument that is refused takes the others back."""
    with pytest.raises(ArgumentError), transaction.atomic():
        work.enqueue_many([(("a",), {}), ((object(),), {})])

    assert Job.objects.count() == 0
    assert carrier.llen(broker.key("default")) == 0


def test_none_are_none(django_assert_num_queries):
    """An empty list costs nothing."""
    with django_assert_num_queries(0):
        assert nothing.enqueue_many([]) == 0


def test_many_with_options():
    """Options hold for each of them; a key that exists makes no new job."""
    made = nothing.using(key="k", queue="mail").enqueue_many([((), {}), ((), {})])

    assert made == 1
    assert Job.objects.get().queue == "mail"


# Redis away


def test_redis_away_is_no_error(redis_away, row):
    """The job waits in PostgreSQL, and is told of in the log; the caller's request goes on."""
    job = nothing.enqueue()

    assert row(job).state == "pending"


def test_what_was_enqueued_meanwhile_is_published_when_redis_is_back(redis_away, carrier, row):
    """The relay finds it due at once."""
    job = nothing.enqueue()
    redis_away.start()
    broker.breaker.close()

    assert relay.relay() == 1
    assert row(job).state == "published"
    assert carrier.llen(broker.key("default")) == 1


def test_a_transaction_holds_no_jobs_in_memory(monkeypatch, carrier):
    """Of a stream of any length: what is to be published after the commit is packed until then, and nothing of it is lost."""
    monkeypatch.setattr("offbeat.jobs.producer.CHUNK", 20)

    with transaction.atomic():
        nothing.enqueue_many(((), {}) for _ in range(70))
        held = sum(isinstance(each, ClaimedJob) for each in gc.get_objects())

    sent = [json.loads(each)["headers"] for each in reversed(carrier.lrange(broker.key("default"), 0, -1))]
    jobs = Job.objects.order_by("pk")
    assert held < 20  # others' remains, and no chunk
    assert [each["id"] for each in sent] == [str(job.pk) for job in jobs]
    assert [each["published_at"] for each in sent] == [job.published_at.timestamp() for job in jobs]


@pytest.mark.fault("another transaction has enqueued the same `key`, and does not end")
def test_a_key_that_another_transaction_enqueues(settings):
    """It is waited for, but not for ever; whoever waited knows why, and the session's own lock_timeout is kept."""
    settings.OFFBEAT_JOBS = {"key_wait": 0.2}
    opened, seen = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            nothing.using(key="k").enqueue()
            opened.set()
            seen.wait(20)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    opened.wait(20)
    for calls in ([((), {})], [((), {}), ((), {})]):
        with pytest.raises(
            KeyBusyError, match=r"waited 0.2 s for another transaction that enqueues the same key"
        ):
            nothing.using(key="k").enqueue_many(calls)
    seen.set()
    holder.join()

    assert nothing.using(key="k").enqueue() == Job.objects.get()


@pytest.mark.parametrize("key", ["new", "taken"])
def test_the_lock_timeout_is_the_callers(key):
    """A transaction that enqueues a key has its own setting again afterwards, whether the key was new or not."""
    nothing.using(key="taken").enqueue()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '7s'")
        nothing.using(key=key).enqueue()
        nothing.using(key=key).enqueue_many([((), {}), ((), {})])
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone()[0] == "7s"
