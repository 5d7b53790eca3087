"""Redis loses what it held, goes away, goes silent, fills up, or comes back with yesterday's data."""

from __future__ import annotations

import re
import time

import pytest

from offbeat.jobs import broker
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.faults.load import Load
from tests.offbeat.faults.proxy import Proxy
from tests.offbeat.support.polling import stays, wait_until

pytestmark = pytest.mark.faults
BACKLOG = 2_000


def published():
    return Job.objects.filter(state="published").count()


@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("Redis is emptied, or restarts without its data")
def test_an_emptied_redis(faults):
    """FLUSHALL with hundreds of jobs published and four running: all are done, none twice, published again at once."""
    faults.worker(
        WORKER_CONCURRENCY="4", OFFBEAT_JOBS_LOST_MESSAGE_AFTER="600"
    )  # nor found as single lost ones
    for number in range(4):
        tasks.work.enqueue(f"running-{number}", gate=faults.gate)
    faults.wait_for_start("running-3")
    tasks.work.enqueue_many(((f"{number}",), {}) for number in range(300))

    with faults.redis.connect() as client:
        client.flushall()
        wait_until(lambda: client.llen(broker.key("default")) > 240)
    faults.open_gate()
    faults.wait_for_all()
    assert faults.repeated() == []
    assert Job.objects.filter(state="succeeded", attempt=1).count() == 304


@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("Redis is restored from an old backup")
def test_a_restored_backup(faults):
    """Messages of an old backup start nothing twice, and jobs that the backup does not know of are published again."""
    old = [tasks.work.enqueue(f"old-{number}") for number in range(30)]
    with faults.redis.connect() as client:
        backup = {name: client.dump(name) for name in client.keys("*")}
    first = faults.worker()
    faults.wait_for_all()
    first.stop()
    tasks.work.enqueue_many(((f"new-{number}",), {}) for number in range(20))

    with faults.redis.connect() as client:
        client.flushall()
        for name, value in backup.items():
            client.restore(name, 0, value)
        assert client.llen(broker.key("default")) == len(old)

    faults.worker()
    faults.wait_for_all()
    with faults.redis.connect() as client:
        wait_until(lambda: client.llen(broker.key("default")) == 0)
    assert faults.repeated() == []
    assert Job.objects.filter(state="succeeded", attempt=1).count() == 50


@pytest.mark.pools(weekly=("threads",))
@pytest.mark.fault("a message is delivered twice, even at the same moment")
def test_a_message_delivered_twice(faults):
    """Two copies of one message, taken by two slots at once, make one execution."""
    job = tasks.work.enqueue("twice", gate=faults.gate)
    with faults.redis.connect() as client:
        client.lpush(broker.key("default"), client.lindex(broker.key("default"), 0))
        assert client.llen(broker.key("default")) == 2

    worker = faults.worker()
    worker.wait_for("does not need to run")
    faults.open_gate()

    assert faults.wait_for_state(job, "succeeded").attempt == 1
    assert faults.happened("twice", "start") == 1


@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault(
    "a message is popped from Redis and lost, or its worker dies before it starts the job", "a long backlog"
)
def test_a_lost_message(faults):
    """A published job whose message is gone is published again, while what waits in a long queue is not."""
    tasks.work.enqueue("lost")
    with faults.redis.connect() as client:
        client.delete(broker.key("default"))
    for number in range(60):
        tasks.work.enqueue(f"kept-{number}", 0.2)

    worker = faults.quick_worker()

    worker.wait_for("messages of queue default were lost")
    faults.wait_for_all()
    assert faults.happened("lost") == 1
    # Those that waited last are in hand, and no longer in the queue, in the moment before they begin.
    counts = re.findall(r"(\d+) messages of queue default were lost", worker.output)
    assert sum(map(int, counts)) <= 1 + 2


@pytest.mark.brokers(weekly=("rabbitmq",))
@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("a publish that timed out but arrived")
def test_a_publish_that_timed_out_and_landed(faults):
    """A publish that timed out, and yet arrives when Redis goes on, makes one effect."""
    faults.quick_worker()
    faults.carrier.pause()

    job = tasks.work.enqueue("landed")
    # At once, but for the worker's relay, which may have taken it for a publish of its own that times out too.
    faults.wait_for_state(job, "pending")
    faults.carrier.resume()

    faults.wait_for_state(job, "succeeded")
    wait_until(lambda: broker.waiting("default") == 0)
    assert faults.happened("landed", "start") == 1


@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("a connection is closed, or half open, while a job runs")
def test_a_silent_connection(faults):
    """A worker on a half-open connection consumes again by itself; what the socket swallowed is not lost."""
    proxy = Proxy(faults.redis.url)
    faults.worker(REDIS_URL=proxy.url)
    faults.wait_for_state(tasks.work.enqueue("before"), "succeeded")

    proxy.go_silent()
    jobs = []

    def one_succeeds():
        jobs.append(tasks.work.enqueue(f"after-{len(jobs)}").pk)
        return Job.objects.filter(pk__in=jobs, state="succeeded").exists()

    wait_until(one_succeeds, seconds=30, pause=0.5)
    faults.wait_for_all()
    assert faults.repeated() == []


@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("a connection is closed, or half open, while a job runs")
@pytest.mark.parametrize("durable", [True, False], ids=["job", "plain"])
def test_a_cut_connection(faults, durable):
    """A connection that closes in the middle of a task never makes two live copies of it."""
    proxy = Proxy(faults.redis.url)
    faults.worker(REDIS_URL=proxy.url, VISIBILITY_TIMEOUT="6")
    faults.worker(VISIBILITY_TIMEOUT="6")
    tasks.work.using(queue="default").enqueue("cut", 10) if durable else tasks.work.delay("cut", 10)
    faults.wait_for_start("cut")

    proxy.cut()

    wait_until(lambda: faults.happened("cut") == 1, seconds=40)
    stays(lambda: faults.happened("cut") == 1, seconds=3)
    if durable:
        assert faults.happened("cut", "start") == 1
    assert not overlap("cut")


def overlap(label):
    """Tell whether one run started while another, that finished, was under way."""
    done = Effect.objects.get(label=label, what="done")
    begun = Effect.objects.filter(label=label, what="start", pid=done.pid).latest("id")
    return Effect.objects.filter(label=label, what="start", at__gt=begun.at).exists()


@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("Redis is full (`noeviction`)")
def test_a_full_redis(faults):
    """Redis at maxmemory with noeviction: the worker stays, enqueueing answers, and all is done when there is room."""
    worker = faults.quick_worker()
    with faults.redis.connect() as client:
        client.config_set("maxmemory", "1")  # byte: an empty Redis uses about a megabyte

    jobs = [tasks.work.enqueue(f"{number}") for number in range(10)]
    wait_until(lambda: Job.objects.filter(pk__in=[job.pk for job in jobs], state="pending").exists())
    stays(lambda: worker.is_running, seconds=5)
    with faults.redis.connect() as client:
        client.config_set("maxmemory", "0")

    faults.wait_for_all()
    assert worker.is_running
    assert faults.happened("0") == 1
    assert faults.repeated() == []


@pytest.mark.brokers(weekly=("rabbitmq",))
@pytest.mark.long
@pytest.mark.pools(weekly=("threads", "gevent"))
@pytest.mark.fault("Redis is down, or accepts connections and never answers")
@pytest.mark.parametrize("silent", [False, True], ids=["killed", "silent"])
def test_redis_away_under_load(faults, silent):
    """While Redis is away every request is answered and every job kept; then all are done once, without a restart."""
    web = faults.stack.web()
    worker = faults.worker()
    load = Load(web.browser.address, rate=8)
    load.start()
    wait_until(lambda: load.answered > 16)

    faults.carrier.pause() if silent else faults.carrier.kill()
    load.run_for(10 if silent else 30)
    faults.carrier.resume() if silent else faults.carrier.start()
    done = Job.objects.filter(state="succeeded").count()
    wait_until(lambda: Job.objects.filter(state="succeeded").count() > done, seconds=20)
    load.stop()

    faults.wait_for_all(seconds=90)
    assert worker.is_running
    assert load.failures == []
    assert load.slowest < 20  # as long as a client waits
    assert Job.objects.filter(state="succeeded").count() == load.answered
    assert faults.repeated() == []
    assert Effect.objects.filter(what="done").count() == load.answered


@pytest.mark.brokers(weekly=("rabbitmq",))
@pytest.mark.brokers(weekly=("rabbitmq",), only=True)
@pytest.mark.fault("Redis restarts while jobs run", "a long backlog")
def test_a_backlog_outlives_its_broker(faults):
    """Thousands of messages wait in a broker that is killed and started again: each job runs once, and the worker goes on."""
    tasks.work.enqueue_many(((f"{number}",), {}) for number in range(BACKLOG))
    wait_until(lambda: broker.waiting("default") >= BACKLOG)
    worker = faults.worker()
    wait_until(lambda: Job.objects.filter(state="succeeded").count() > BACKLOG / 4, seconds=60)

    faults.carrier.kill()
    faults.carrier.start()

    faults.wait_for_all(seconds=120)
    assert Effect.objects.filter(what="done").count() == BACKLOG
    assert faults.repeated() == []
    assert "were lost" not in worker.output  # nor is a backlog published again
    assert worker.is_running


@pytest.mark.fault("Redis goes down while every child of a worker ends its job")
@pytest.mark.parametrize("silent", [False, True], ids=["killed", "silent"])
def test_redis_away_while_every_slot_ends(faults, silent):
    """No message can be acknowledged: the worker, whose hands are full, reconnects all the same and takes the next job."""
    faults.worker()
    jobs = [tasks.work.enqueue(f"{number}", gate=faults.gate) for number in range(2)]
    for number in range(2):
        faults.wait_for_start(f"{number}")

    faults.carrier.pause() if silent else faults.carrier.kill()
    faults.open_gate()
    for job in jobs:
        faults.wait_for_state(job, "succeeded")
    stays(lambda: faults.unfinished() == 0, seconds=8)  # every attempt to acknowledge has failed
    faults.carrier.resume() if silent else faults.carrier.start()

    faults.wait_for_state(tasks.work.enqueue("after"), "succeeded", seconds=40)
    assert faults.repeated() == []


@pytest.mark.brokers(weekly=("rabbitmq",))
@pytest.mark.fault("Redis is down, or accepts connections and never answers")
def test_enqueueing_is_bounded_while_redis_is_silent(faults):
    """The first enqueue that meets a silent Redis waits for a bounded time, the next ones not at all."""
    faults.carrier.pause()

    begun = time.monotonic()
    tasks.work.enqueue("first")
    first = time.monotonic() - begun
    begun = time.monotonic()
    for number in range(20):
        tasks.work.enqueue(f"{number}")
    rest = time.monotonic() - begun

    assert broker.breaker.is_open
    assert first < 10
    assert rest < max(20 * 0.4, first * 10)  # what the twenty would cost that wait
    faults.carrier.resume()
