"""`aenqueue`: what `enqueue` does, from async code, whose event loop goes on meanwhile."""

import asyncio

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from celery import shared_task
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection, transaction

from offbeat.jobs import open_batch
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.jobs import samples
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")

TICKS = 20


@shared_task(atomic=True)
async def enqueues_another(label, ends):
    await samples.record.aenqueue(label)
    if ends == "badly":
        raise ValueError("after the enqueue")


async def tick_until(task):
    """Return how often the loop came round before a task was done."""
    ticks = 0
    while not task.done():
        await asyncio.sleep(0.001)
        ticks += 1
    return ticks


def test_it_gives_the_job(effects, carrier):
    """Written, published, and to be read without a query behind one's back."""

    async def view():
        job = await samples.record.aenqueue("a", times=2)
        await job.arefresh_from_db()
        return job.pk, job.state, job.args

    pk, *seen = async_to_sync(view)()

    assert seen == ["published", ["a"]]
    assert carrier.llen("offbeat:default") == 1
    run_jobs()
    assert (effects("a"), Job.objects.get().pk) == (["done", "done"], pk)


def test_it_takes_the_options_of_using():
    """The same key is the same job."""

    async def view():
        once = samples.record.using(key="once")
        return [(await once.aenqueue("a")).pk for _ in range(2)]

    first, second = async_to_sync(view)()

    assert first == second
    assert Job.objects.get().key == "once"


def test_many_may_come_from_a_query():
    """The iterable is gone through where queries may run."""
    Effect.objects.bulk_create(Effect(label=f"{number}", what="made", pid=1) for number in range(7))
    labels = Effect.objects.values_list("label", flat=True)
    calls = (((label,), {}) for label in labels.iterator())

    assert async_to_sync(samples.record.aenqueue_many)(calls) == 7
    assert async_to_sync(samples.record.using(queue="mail").aenqueue_many)([(("a",), {})]) == 1
    assert Job.objects.filter(queue="mail").count() == 1


def test_it_is_part_of_the_callers_transaction(carrier):
    """Rolled back with it, and published after its commit only."""
    with transaction.atomic():
        async_to_sync(samples.record.aenqueue)("a")
        transaction.set_rollback(True)
    assert Job.objects.count() == 0

    with transaction.atomic():
        async_to_sync(samples.record.aenqueue)("a")
        assert carrier.llen("offbeat:default") == 0
    assert carrier.llen("offbeat:default") == 1


@pytest.mark.parametrize(("ends", "jobs"), [("well", 2), ("badly", 1)])
def test_an_atomic_async_task_enqueues_in_its_transaction(ends, jobs, row):
    """The job that it enqueues is there if it has succeeded."""
    enqueues_another.enqueue("a", ends)

    run_jobs()

    assert Job.objects.count() == jobs


def test_what_does_not_fit_is_an_error_at_once():
    """As with `enqueue`."""
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        async_to_sync(samples.record.aenqueue)()


def test_the_loop_goes_on_while_redis_is_silent(redis):
    """The message waits for its bounded time, and nothing else does; the row is there."""
    redis.pause()

    async def view():
        task = asyncio.create_task(samples.record.aenqueue("a"))
        return await tick_until(task), (await task).pk

    ticks, pk = async_to_sync(view)()

    assert ticks >= TICKS
    assert Job.objects.get(pk=pk).state == "pending"


def test_the_loop_goes_on_while_postgresql_waits_for_a_lock(postgres):
    """The row waits for whoever has locked the ledger, and nothing else does."""
    samples.record.enqueue("before")  # connected, and the ledger's identity is known
    other = postgres.connect(connection.settings_dict["NAME"])
    other.autocommit = False
    other.execute("LOCK TABLE offbeat_jobs_job")

    async def view():
        task = asyncio.create_task(samples.record.aenqueue("a"))
        for _ in range(TICKS):
            await asyncio.sleep(0.001)
        waited = not task.done()
        await asyncio.to_thread(other.rollback)
        await task
        return waited

    try:
        assert async_to_sync(view)()
    finally:
        other.close()
    assert Job.objects.count() == 2


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda: samples.record.enqueue("a"), r"samples.record: .* write `await record.aenqueue\(...\)`"),
        (lambda: samples.record.enqueue_many([(("a",), {})]), "aenqueue_many"),
        (lambda: open_batch("all").__enter__(), r'open_batch\("all"\) is a transaction'),
    ],
    ids=["enqueue", "enqueue_many", "open_batch"],
)
def test_what_would_keep_the_loop_waiting_says_what_to_write(call, hint):
    """Django's own error knows no name of the task."""

    async def view():
        call()

    with pytest.raises(SynchronousOnlyOperation, match=hint):
        async_to_sync(view)()
    assert Job.objects.count() == 0


def test_a_batch_in_a_function_of_its_own():
    """What the error says is what works."""

    def make():
        with open_batch("all") as batch:
            samples.record.using(batch=batch).enqueue("a")
        return batch

    async def view():
        return await sync_to_async(make)()

    assert async_to_sync(view)().jobs.count() == 1
