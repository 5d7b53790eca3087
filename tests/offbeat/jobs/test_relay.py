"""The relay: claim, publish, or take back."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from offbeat.jobs import attempts, broker, decisions, reconciler, relay
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects.tasks import nothing
from tests.offbeat.jobs.test_producer import in_another_connection
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


@pytest.fixture
def pending(let_time_pass):
    """Makes so many pending jobs that are due, as when Redis was away."""

    def make(count=1):
        nothing.enqueue_many(((), {}) for _ in range(count))
        Job.objects.update(state="pending", published_at=None)
        let_time_pass(60, "publish_at", "due_at")
        broker.client().flushall()

    return make


def test_due_jobs_are_published(pending, carrier):
    """Each becomes a message with its id, and its row says so."""
    pending(3)

    assert relay.relay() == 3

    ids = {json.loads(raw)["headers"]["id"] for raw in carrier.lrange(broker.key("default"), 0, -1)}
    assert ids == {str(job.pk) for job in Job.objects.filter(state="published")}
    assert len(ids) == 3


def test_everything_due_is_published_in_batches(settings, pending, carrier):
    """More than one round trip takes are published all the same."""
    settings.OFFBEAT_JOBS = {"relay_batch": 2}
    pending(5)

    assert relay.relay() == 5
    assert carrier.llen(broker.key("default")) == 5


@pytest.mark.parametrize("publish", [relay.relay, nothing.enqueue], ids=["by the relay", "after the commit"])
def test_the_message_tells_the_time_of_the_row(pending, carrier, publish):
    """Told later, the job of the oldest message would look as if its message were lost."""
    pending(1 if publish == relay.relay else 0)

    publish()

    told = json.loads(carrier.lindex(broker.key("default"), -1))["headers"]["published_at"]
    assert told == Job.objects.get().published_at.timestamp()


def test_a_claim_keeps_others_away(pending):
    """Who claimed a row publishes it; nobody else does."""
    pending()

    assert len(relay.claim()) == 1
    assert relay.claim() == []


@pytest.mark.parametrize("claim", [relay.claim, nothing.enqueue], ids=["a relay", "who enqueued"])
def test_who_dies_before_publishing_is_found_out(pending, let_time_pass, carrier, claim, monkeypatch):
    """Its death between commit and publish costs half a minute, not the job."""
    monkeypatch.setattr(broker, "publish", lambda _, **__: None)
    pending(1 if claim == relay.claim else 0)
    claim()
    monkeypatch.undo()

    let_time_pass(29, "published_at")
    early = reconciler.republish_lost_messages()
    let_time_pass(2, "published_at")

    assert (early, reconciler.republish_lost_messages(), relay.relay()) == (0, 1, 1)
    assert carrier.llen(broker.key("default")) == 1


def test_rows_that_another_relay_holds_are_skipped(pending):
    """Two relays at once share the work and wait for no lock."""
    pending(4)
    with transaction.atomic():
        mine = relay.claim()
        thread, answers = in_another_connection(relay.claim)
        thread.join(5)
        theirs = list(answers)

    assert len(mine) == 4
    assert theirs == [[]]


def test_a_job_that_is_not_due_is_left_alone(carrier):
    """A retry that waits is not published early."""
    nothing.using(run_at=timezone.now() + timedelta(hours=1)).enqueue()

    assert relay.relay() == 0
    assert carrier.llen(broker.key("default")) == 0


def test_a_turn_ends_in_time_for_the_heartbeat(settings, pending, carrier):
    """However many are due: the keeper has other duties, and the rest is published at the next turn."""
    settings.OFFBEAT_JOBS = {"relay_batch": 2, "heartbeat_interval": 0}
    pending(3)

    assert [relay.relay(), relay.relay()] == [2, 1]
    assert carrier.llen(broker.key("default")) == 3


def test_while_redis_is_known_to_be_away_nothing_is_written(
    settings, pending, redis, django_assert_num_queries
):
    """Hundreds of rows, claimed and taken back each second, would bloat the table."""
    settings.OFFBEAT_JOBS = {"breaker": 30}
    pending(2)
    redis.stop()
    with pytest.raises(broker.BrokerAwayError):
        relay.relay()

    with django_assert_num_queries(0), pytest.raises(broker.BrokerAwayError):
        relay.relay()


def test_redis_away_gives_the_rows_back(pending, redis):
    """They are due at once for whoever comes next, and the caller is told."""
    pending(2)
    redis.stop()

    with pytest.raises(broker.BrokerAwayError):
        relay.relay()

    redis.start()
    broker.breaker.close()
    assert relay.relay() == 2


def discarded(claim, worker):
    decisions.discard(claim.id)


def begun(claim, worker):
    attempts.begin(claim.id, worker)


def retried(claim, worker):
    attempts.retry(attempts.begin(claim.id, worker), attempts.Again(3600), "again", "")


def claimed_anew(claim, worker):
    Job.objects.update(state="pending")
    relay.claim()


@pytest.mark.parametrize("meanwhile", [discarded, begun, retried, claimed_anew])
def test_what_went_on_meanwhile_is_not_taken_back(pending, worker, meanwhile):
    """A publish that timed out may have landed, and the worker, a person or another relay was faster: theirs is left alone."""
    pending()
    (claim,) = relay.claim()
    meanwhile(claim, worker)
    before = Job.objects.values().get()

    relay.take_back([claim])

    assert Job.objects.values().get() == before


def test_taken_back_is_as_if_never_published(pending):
    """Who looks whether a job has reached Redis finds that it has not."""
    pending()

    relay.take_back(relay.claim())

    job = Job.objects.get()
    assert (job.state, job.published_at) == ("pending", None)
    assert relay.claim()[0].id == job.pk


def test_a_long_transaction_tells_the_time_of_its_commit(settings, carrier):
    """Its messages come after younger ones; with the time of their INSERT they would be taken for lost."""
    settings.OFFBEAT_JOBS = {"lost_message_after": 0.3}
    with transaction.atomic():
        job = nothing.enqueue()
        written = Job.objects.get(pk=job.pk).published_at
        wait_until(lambda: timezone.now() - written > timedelta(seconds=0.2))

    published = Job.objects.get(pk=job.pk).published_at
    told = json.loads(carrier.lindex(broker.key("default"), -1))["headers"]["published_at"]
    assert told == published.timestamp()
    assert published - written > timedelta(seconds=0.2)


def test_a_long_transaction_does_not_publish_what_others_did(settings, carrier, monkeypatch):
    """Between its commit and its publishing a reconciler may have found its jobs without a message."""
    settings.OFFBEAT_JOBS = {"lost_message_after": 0}
    publish_committed = relay.publish_committed

    def others_first(claims, written):
        assert reconciler.republish_lost_messages() == 1
        assert relay.relay() == 1
        publish_committed(claims, written)

    monkeypatch.setattr("offbeat.jobs.producer.publish_committed", others_first)

    nothing.enqueue()

    assert carrier.llen(broker.key("default")) == 1


def test_published_twice_is_one_row_and_two_messages(pending, carrier, let_time_pass, worker):
    """A message that was missed too early is published once more; the guard starts the job once."""
    pending()
    (claim,) = relay.claim()
    relay.publish([claim])
    Job.objects.update(state="pending", publish_at=claim.published_at)

    relay.relay()

    assert carrier.llen(broker.key("default")) == 2
    assert attempts.begin(claim.id, worker) is not None
    assert attempts.begin(claim.id, uuid.uuid4()) is None


BACK = 100.0  # seconds by which PostgreSQL's clock was set back, five seconds ago


def waiting(**changes):
    """A job that waits 50 seconds more; what else is said of it, in seconds from now."""
    job = nothing.enqueue()
    times = {"publish_at": 50, "due_at": 50} | changes
    Job.objects.filter(pk=job.pk).update(
        state="pending", **{name: Now() + timedelta(seconds=seconds) for name, seconds in times.items()}
    )
    return job


def catch_up():
    return relay.catch_up(BACK, datetime.now(UTC) - timedelta(seconds=5))


@pytest.mark.parametrize("written", [95, -60], ids=["in a future that is none", "long before the step"])
def test_what_was_due_by_the_old_clock_is_due(written, row):
    """It would stand still for as long as the clock went back; a second worker that notices changes nothing more."""
    job = waiting(created_at=written)

    assert [catch_up(), catch_up()] == [1, 0]
    assert row(job).due_at == row(job).publish_at <= datetime.now(UTC)


def test_what_may_be_written_by_the_new_clock_keeps_its_time():
    """A job that was enqueued after the step, for later."""
    waiting(created_at=-2)

    assert catch_up() == 0


def test_what_was_not_due_by_the_old_clock_keeps_its_time():
    """It waits for as long as the clock went back more, at most."""
    waiting(created_at=-3600, publish_at=101, due_at=101)

    assert catch_up() == 0


def test_a_retry_that_was_due_by_the_old_clock_is_due(row):
    """When it was written is when its last attempt ended."""
    job = waiting(created_at=-2)
    ended_at = (datetime.now(UTC) + timedelta(seconds=90)).isoformat()
    Job.objects.filter(pk=job.pk).update(history=[{"ended_at": ended_at}])

    assert catch_up() == 1


@pytest.mark.fault("the key of a queue in Redis is not a list")
def test_a_queue_whose_key_is_no_list(carrier, row):
    """Its jobs wait, and say so in the log; those of other queues are published, and Redis is not taken for down."""
    carrier.set(broker.key("mail"), "x")
    strange = nothing.using(queue="mail").enqueue()
    Job.objects.update(publish_at=Now() - timedelta(hours=1))
    other = nothing.enqueue()
    Job.objects.update(state="pending")

    relay.relay()

    assert (row(strange).state, row(other).state) == ("pending", "published")
    assert row(strange).publish_at > row(other).publish_at
    assert not broker.breaker.is_open
