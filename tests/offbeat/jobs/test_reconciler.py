"""Messages that were lost one by one, and jobs that are too late."""

import json
import time
from datetime import timedelta

import pytest
import redis as client
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from offbeat.jobs import attempts, broker, reconciler, relay
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects.tasks import nothing
from tests.offbeat.jobs.samples import record_slowly

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


@pytest.fixture
def published(let_time_pass, carrier):
    """Makes a job whose message was published so many seconds ago, in the row and in the message alike."""

    def publish(seconds, task=nothing, args=()):
        job = task.enqueue(*args)
        old = Job.objects.get(pk=job.pk).published_at - timedelta(seconds=seconds)
        Job.objects.filter(pk=job.pk).update(published_at=old)
        message = json.loads(carrier.lpop(broker.key(job.queue)))
        message["headers"]["published_at"] = old.timestamp()
        carrier.lpush(broker.key(job.queue), json.dumps(message))
        return job

    return publish


def pop(carrier, queue="default"):
    """Lose the oldest message: popped by a worker that died before it wrote that down."""
    return carrier.rpop(broker.key(queue))


def test_a_lost_message_is_published_again(published, carrier, row):
    """Its job is older than the oldest message that waits."""
    lost = published(100)
    published(10)
    pop(carrier)

    assert reconciler.republish_lost_messages() == 1

    assert (row(lost).state, row(lost).reason) == ("pending", "published again: its message was lost")
    assert relay.relay() == 1
    assert carrier.llen(broker.key("default")) == 2


@pytest.mark.fault("a long backlog")
def test_behind_a_long_backlog_nothing_is_published_twice(published):
    """Hours old, but so is the oldest message: they wait for their turn."""
    for age in (7200, 7199, 3600, 100):
        published(age)

    assert reconciler.republish_lost_messages() == 0


def test_an_empty_queue_has_lost_what_was_published_long_ago(published, carrier):
    """Nothing waits, and the job was not started for 30 seconds."""
    published(31)
    pop(carrier)

    assert reconciler.republish_lost_messages() == 1


def test_a_message_that_was_just_popped_is_not_lost(published, carrier):
    """A worker has it and is about to begin."""
    published(29)
    pop(carrier)

    assert reconciler.republish_lost_messages() == 0


def test_little_older_than_the_oldest_is_not_lost(published, carrier):
    """Messages that workers have in their hands are a bit older than those that wait."""
    published(120)
    published(100)
    pop(carrier)

    assert reconciler.republish_lost_messages() == 0


def test_a_running_job_is_not_lost(published, carrier, worker, row):
    """It was started."""
    job = published(100)
    pop(carrier)
    attempts.begin(job.pk, worker)

    assert reconciler.republish_lost_messages() == 0
    assert row(job).state == "running"


def test_a_redelivered_message_in_front_hides_nobody(published, carrier):
    """It is pushed back to the end that is popped next, before older ones: the oldest of a few is what counts."""
    published(200)
    young = published(10)
    messages = [carrier.rpop(broker.key("default")), carrier.rpop(broker.key("default"))]
    carrier.rpush(broker.key("default"), messages[0], messages[1])

    assert reconciler.republish_lost_messages() == 0
    assert young.pk


def test_plain_messages_in_front_hide_nobody(published, carrier):
    """All that waits has been looked at, and no job's message is among it."""
    published(100)
    pop(carrier)
    for _ in range(30):
        nothing.delay()

    assert reconciler.republish_lost_messages() == 1


@pytest.mark.fault("clocks differ between machines", "plain messages with wrong or odd times")
def test_the_clock_of_another_machine_proves_nothing(published, carrier):
    """Plain messages of a machine five minutes ahead do not make lost what waits behind them."""
    for _ in range(25):
        nothing.apply_async(headers={"published_at": time.time() + 300})
    for _ in range(3):
        published(100)

    assert reconciler.republish_lost_messages() == 0
    assert carrier.llen(broker.key("default")) == 28


def test_a_message_from_the_future_proves_nothing(published):
    """PostgreSQL's clock was set back: jobs that came since are younger than they look."""
    for _ in range(25):
        published(-300)
    published(100)

    assert reconciler.republish_lost_messages() == 0


@pytest.mark.fault("plain messages with wrong or odd times")
@pytest.mark.parametrize("time", [1e300, float("nan"), float("inf"), -1e18, "x", None, [], 10**30])
def test_an_odd_time_does_not_end_the_search(published, carrier, time):
    """Neither in its own queue nor in another."""
    published(100)
    pop(carrier)
    published(100, record_slowly, ["a"])
    pop(carrier, "mail")
    for queue in ("default", "mail"):
        carrier.lpush(broker.key(queue), json.dumps({"headers": {"job": True, "published_at": time}}))

    assert reconciler.republish_lost_messages() == 2


@pytest.mark.fault("the key of a queue in Redis is not a list")
def test_a_queue_that_redis_refuses_does_not_end_the_search(published, carrier, caplog):
    """Its key is no list: that is logged, and the others are looked at."""
    published(100)
    pop(carrier)
    carrier.set(broker.key("default"), "no list")
    published(100, record_slowly, ["a"])
    pop(carrier, "mail")

    assert reconciler.republish_lost_messages() == 1
    assert "queue_refused" in {getattr(line, "action", "") for line in caplog.records}


def test_queues_are_looked_at_one_by_one(published, carrier):
    """A long backlog in one does not hide the loss in another."""
    published(1000)
    lost = published(100, record_slowly, ["a"])
    pop(carrier, "mail")

    assert reconciler.republish_lost_messages() == 1
    assert Job.objects.get(state="pending") == lost


def test_redis_away_is_told_to_the_keeper(published, redis):
    """While it is away nobody can know what is lost."""
    published(100)
    redis.stop()

    with pytest.raises(client.RedisError):
        reconciler.republish_lost_messages()
    assert Job.objects.get().state == "published"
    redis.start()
    broker.breaker.close()


def test_late_jobs_expire(row):
    """Whether or not their message ever arrives."""
    late = nothing.using(not_after=timezone.now() - timedelta(seconds=1)).enqueue()
    in_time = nothing.using(not_after=timezone.now() + timedelta(hours=1)).enqueue()

    assert reconciler.expire_late_jobs() == 1
    assert (row(late).state, row(in_time).state) == ("expired", "published")


def test_a_queue_that_is_gone_is_published_again_in_portions(published, carrier, monkeypatch):
    """A whole backlog has lost its messages: no statement takes all of it, and none reads again what another has changed."""
    monkeypatch.setattr(reconciler, "MOST", 10)
    for _ in range(35):
        published(60)
    carrier.flushall()

    with CaptureQueriesContext(connection) as asked:
        assert reconciler.republish_lost_messages() == 35

    portions = [each["sql"] for each in asked if "its message was lost" in each["sql"]]
    assert (len(portions), Job.objects.filter(state="pending").count()) == (4, 35)


def test_what_is_left_of_it_has_its_next_turn(published, carrier, settings, monkeypatch):
    """The thread has other tasks, too."""
    monkeypatch.setattr(reconciler, "MOST", 10)
    for _ in range(25):
        published(60)
    carrier.flushall()
    settings.OFFBEAT_JOBS = {"heartbeat_interval": 0.000001}

    assert [reconciler.republish_lost_messages() for _ in range(4)] == [10, 10, 5, 0]
