"""`async def` tasks: run in the task's own thread, with its connection, its request and its limits."""

import asyncio
import contextvars
import os
import signal
import threading

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from billiard.pool import soft_timeout_sighandler
from celery import current_app, current_task, shared_task
from celery.app.trace import build_tracer
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from offbeat.jobs.execution import attempt_of
from offbeat.jobs.models import Job
from offbeat.jobs.task import DurableTask
from offbeat.jobs.tasks_backend import Retry
from offbeat.jobs.tasks_backend.interface import task
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.jobs import samples
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")

place = contextvars.ContextVar("place", default="nowhere")
seen = {}


@pytest.fixture(autouse=True)
def nothing_seen():
    seen.clear()


async def anote(label, what="done"):
    await Effect.objects.acreate(label=label, what=what, pid=1)


@shared_task
async def records(label, *, times=1):
    for _ in range(times):
        await anote(label)
    return times


@shared_task(atomic=True)
async def records_atomically(label, ends="well"):
    await anote(label)
    await asyncio.gather(anote(label), sync_to_async(samples.note)(label, "done"))
    if ends == "badly":
        raise ValueError("after the effects")
    if ends == "fenced":
        await Job.objects.filter(task=records_atomically.name).aupdate(attempt=5)


@shared_task
async def divides(a, b):
    await asyncio.sleep(0)
    return a / b


@shared_task
async def is_cancelled():
    asyncio.current_task().cancel("away")
    await asyncio.sleep(60)


@shared_task
async def exits():
    await asyncio.sleep(0)
    raise SystemExit("broken")


@shared_task
async def yields():
    await asyncio.sleep(0)
    yield 1


@shared_task
async def forgets_to_await():
    return records.run("never")


def unaware(function):
    """As decorators are that know no coroutines."""

    def call(*args, **kwargs):
        return function(*args, **kwargs)

    return call


@shared_task(name="tests.returns_a_coroutine")
@unaware
async def returns_a_coroutine(label):
    await anote(label)


class Class(DurableTask):
    name = "tests.a_class_with_async_run"

    async def run(self, label):
        await anote(label, self.request.id[:8])


class Calling(Class):
    name = "tests.a_class_with_call"

    def __call__(self, label):
        seen["called"] = label
        return super().__call__(label)


class_task = current_app.register_task(Class())
calling_task = current_app.register_task(Calling())


@shared_task(bind=True)
async def looks_around(self):
    def look():
        return {
            "attempt": attempt_of(self).number,
            "current": current_task.name,
            "place": place.get(),
            "thread": threading.current_thread(),
        }

    def look_at_connection():
        return connection.connection

    seen["coroutine"] = look()
    seen["call"] = await sync_to_async(look)()
    seen["child"] = await asyncio.create_task(sync_to_async(look)())
    seen["connection"] = await sync_to_async(look_at_connection)()
    await sync_to_async(place.set)("changed")
    seen["place"] = place.get()


@shared_task(bind=True, max_retries=3)
async def asks_again(self, label):
    await anote(label, f"attempt {self.request.retries}")
    if self.request.retries == 0:
        raise self.retry(countdown=0)


@shared_task(autoretry_for=(ConnectionError,), default_retry_delay=0, max_retries=2)
async def fails_always(label):
    await anote(label)
    raise ConnectionError("no route")


@shared_task(bind=True)
async def counts(self, total, how="well"):
    for done in range(1, total + 1):
        self.progress(done, total)
        if how == "fenced":
            await Job.objects.filter(pk=self.request.id).aupdate(attempt=7)
            attempt_of(self).progress_told_at = 0
            self.progress(done, total + 1)
        await asyncio.sleep(0)
    if how == "fenced":
        await anote("fenced")


@shared_task
async def leaves_things_behind():
    async def linger():
        try:
            await asyncio.sleep(3600)
        finally:
            await anote("linger", "cancelled")

    async def generate():
        try:
            yield 1
            yield 2
        finally:
            await anote("generator", "closed")

    seen["tasks"] = [asyncio.create_task(linger()) for _ in range(3)]
    seen["loop"] = asyncio.get_running_loop()
    await asyncio.sleep(0)  # they have begun
    async for _ in (generator := generate()):
        seen["generator"] = generator
        break


@shared_task
async def calls_async_from_sync():
    """As a receiver of a signal that is async does, where a coroutine saves a row."""

    async def inner():
        await anote("inner", "in" if await sync_to_async(lambda: connection.in_atomic_block)() else "out")

    with_transaction = transaction.atomic(async_to_sync(inner))
    await sync_to_async(with_transaction)()
    await asyncio.to_thread(async_to_sync(asyncio.sleep), 0)


def ring(_=None):
    os.kill(os.getpid(), signal.SIGUSR1)  # as the pool tells a child


async def ring_soon(seconds=0.02):
    await asyncio.to_thread(lambda: (threading.Event().wait(seconds), ring()))


async def ring_then_wait():
    ring()
    await asyncio.sleep(60)


async def wait_in_group():
    async with asyncio.TaskGroup() as group:
        seen["members"] = [group.create_task(asyncio.sleep(60)) for _ in range(2)]


INTERRUPTED = {
    "own code": lambda: sync_to_async(id)(ring()),
    "await": lambda: asyncio.sleep(60),
    "gather": lambda: asyncio.gather(asyncio.sleep(60), asyncio.sleep(60)),
    "group": wait_in_group,
    "shield": lambda: asyncio.shield(asyncio.sleep(60)),
    "timeout": lambda: asyncio.wait_for(asyncio.sleep(60), 50),
    "call": sync_to_async(ring),
    "child": lambda: asyncio.create_task(ring_then_wait()),
    "thread": lambda: asyncio.to_thread(threading.Event().wait, 1),
}
RING_THEMSELVES = ("own code", "call", "child")


@shared_task
async def is_interrupted(how, handles):
    if how not in RING_THEMSELVES:
        seen["bell"] = asyncio.create_task(ring_soon())
    try:
        await INTERRUPTED[how]()
    except SoftTimeLimitExceeded:
        await anote(how, "interrupted")
        if not handles:
            raise


@task(atomic=True, retry=Retry(on=(OSError,), max_retries=1, backoff=0), takes_context=True)
async def serve_as_djangos(context, label, ends="well"):
    await anote(label)
    if ends == "late":
        seen["bell"] = asyncio.create_task(ring_soon())
        await asyncio.sleep(60)
    if ends == "badly" and context.attempt == 1:
        raise ConnectionError("no route")
    return await sync_to_async(lambda: connection.in_atomic_block)()


@pytest.fixture
def soft_limits():
    """The handler that the pool installs in its children."""
    before = signal.signal(signal.SIGUSR1, soft_timeout_sighandler)
    yield
    assert signal.signal(signal.SIGUSR1, before) is soft_timeout_sighandler


def deliver(plain, *args):
    """Run a plain message as a worker's child does."""
    request = {"id": "1", "task": plain.name, "delivery_info": {}, "args": args, "kwargs": {}}
    return build_tracer(plain.name, plain, app=plain.app)("1", args, {}, request)


def test_an_async_task_runs_as_a_job(effects, row):
    """Its queries, too, and the job succeeds when its coroutine has ended."""
    job = records.enqueue("a", times=2)

    assert run_jobs() == 1

    assert (effects("a"), row(job).state) == (["done", "done"], "succeeded")


def test_an_async_task_runs_as_a_plain_message(effects):
    """What `.delay()` sends is run as well."""
    result = deliver(records, "a")

    assert (effects("a"), result.retval, result.info) == (["done"], 1, None)


@pytest.mark.fault("a task is a generator, also an async one, or returns a coroutine that nothing awaits")
@pytest.mark.parametrize(
    ("asynchronous", "args", "reason"),
    [
        (divides, (1, 0), "ZeroDivisionError: division by zero"),
        (is_cancelled, (), "CancelledError: away"),
        (exits, (), "SystemExit: broken"),
        (yields, (), "TypeError: tests.offbeat.jobs.test_event_loop.yields is a generator"),
        (forgets_to_await, (), "TypeError: tests.offbeat.jobs.test_event_loop.forgets_to_await has returned"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_how_an_async_task_may_end(asynchronous, args, reason, row):
    """Whatever ends it is its answer, with the traceback down to its own line."""
    job = asynchronous.enqueue(*args)

    run_jobs()

    assert row(job).state == "dead"
    assert row(job).reason.startswith(reason)
    if asynchronous is divides:
        assert "return a / b" in row(job).traceback


def test_a_coroutine_is_run_whoever_made_it(effects, row):
    """A decorator that knows no coroutines returns one; and a class may have an async `run`."""
    jobs = [each.enqueue("a") for each in (returns_a_coroutine, class_task, calling_task)]

    run_jobs()

    assert effects("a") == ["done", str(jobs[1].pk)[:8], str(jobs[2].pk)[:8]]
    assert [row(job).state for job in jobs] == ["succeeded"] * 3
    assert seen["called"] == "a"


@pytest.mark.parametrize(
    ("ends", "state", "count"), [("well", "succeeded", 3), ("badly", "dead", 0), ("fenced", "running", 0)]
)
def test_an_atomic_async_task(ends, state, count, effects, row):
    """Its queries are in the transaction of its finish: all of them are there, or none."""
    job = records_atomically.enqueue("a", ends)

    run_jobs()

    assert (len(effects("a")), row(job).state) == (count, state)


def test_what_a_coroutine_sees(row):
    """The attempt, Celery's current task, context variables and the connection: the same in its calls as in itself."""
    token = place.set("the worker")
    connection.ensure_connection()
    job = looks_around.enqueue()

    run_jobs()

    assert row(job).state == "succeeded"
    assert seen["coroutine"] == seen["call"] == seen["child"]
    assert seen["coroutine"] == {
        "attempt": 1,
        "current": looks_around.name,
        "place": "the worker",
        "thread": threading.current_thread(),
    }
    assert seen["connection"] is connection.connection
    assert (seen["place"], place.get()) == ("changed", "the worker")
    place.reset(token)


def test_retries_of_async_tasks(effects, row):
    """`self.retry` and `autoretry_for` are Celery's own, and wait in PostgreSQL."""
    asked, failed = asks_again.enqueue("asked"), fails_always.enqueue("failed")

    run_jobs()

    assert (effects("asked"), row(asked).state) == (["attempt 0", "attempt 1"], "succeeded")
    assert (len(effects("failed")), row(failed).state, row(failed).retries) == (3, "dead", 2)
    assert row(failed).reason == "ConnectionError: no route"


def test_progress_of_an_async_task(row):
    """It is called as in any other, and written at most once a second, without an await."""
    job = counts.enqueue(1000)

    with CaptureQueriesContext(connection) as queries:
        run_jobs()

    assert sum("progress_done = " in query["sql"] for query in queries) <= 3
    assert (row(job).progress_done, row(job).progress_total) == (1000, 1000)


def test_progress_stops_a_fenced_async_task(effects, caplog):
    """It ends where it waits next."""
    counts.enqueue(1, "fenced")

    run_jobs()

    assert effects("fenced") == []
    assert "is no longer the current one" in caplog.text


def test_nothing_outlives_the_coroutine(effects):
    """Tasks are cancelled, generators closed, both with their queries; the loop is closed."""
    leaves_things_behind.enqueue()

    run_jobs()

    assert [each.cancelled() for each in seen["tasks"]] == [True] * 3
    assert (effects("linger"), effects("generator")) == (["cancelled"] * 3, ["closed"])
    assert seen["loop"].is_closed()
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_async_code_in_a_synchronous_call(effects, row):
    """`async_to_sync` below a coroutine does not wait for a loop that waits for it, and stays in the transaction."""
    job = calls_async_from_sync.enqueue()

    run_jobs()

    assert (row(job).state, row(job).reason) == ("succeeded", "")
    assert effects("inner") == ["in"]


@pytest.mark.parametrize("handles", [True, False], ids=["handled", "not handled"])
@pytest.mark.parametrize("how", INTERRUPTED)
def test_a_soft_time_limit_interrupts_a_coroutine(how, handles, soft_limits, effects, row):
    """Where it waits and where it works; it may clean up with awaits, and what it was waiting for is cancelled."""
    job = is_interrupted.enqueue(how, handles)

    run_jobs()

    assert effects(how) == ["interrupted"]
    assert row(job).state == ("succeeded" if handles else "dead")
    assert handles or row(job).reason.startswith("SoftTimeLimitExceeded")
    assert all(member.cancelled() for member in seen.get("members", ()))


@pytest.mark.parametrize(
    ("ends", "state", "effect"),
    [("well", ("succeeded", 1), ["done"]), ("badly", ("succeeded", 2), ["done"]), ("late", ("dead", 1), [])],
)
def test_async_tasks_of_djangos(ends, state, effect, soft_limits, effects):
    """The same for those of `@task`: transaction, retry, context, limit and result."""
    job = Job.objects.get(pk=serve_as_djangos.enqueue("a", ends).id)

    run_jobs()

    job.refresh_from_db()
    assert ((job.state, job.attempt), effects("a")) == (state, effect)
    assert job.result is (None if ends == "late" else True)


def test_called_as_a_function_it_gives_a_coroutine(effects):
    """`await task(...)` in a test or in another task, as with the plain function."""
    assert asyncio.run(divides(6, 3)) == 2
    assert async_to_sync(divides.run)(6, 3) == 2


def test_the_eager_mode_of_async_tasks():
    """`apply` gives the result; in a thread with an event loop it says what to write."""
    assert divides.apply((6, 3)).get() == 2
    assert fails_always.apply(("a",)).state == "FAILURE"

    async def call_it():
        return await sync_to_async(divides.apply)((6, 3)), divides.apply((6, 3))

    good, bad = asyncio.run(call_it())
    assert good.get() == 2
    with pytest.raises(RuntimeError, match=r"await the task itself, as in `await task\(\.\.\.\)`"):
        bad.get()
