"""The relay: claim, publish, mark."""

import json
import uuid
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from jobs import broker, decisions, guard, relay
from jobs.models import Job
from tests.faults.effects.tasks import nothing
from tests.jobs.test_enqueue import in_another_connection

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


@pytest.fixture
def pending(let_time_pass):
    """Makes so many pending jobs that no process is about to publish: theirs died between commit and publish."""

    def make(count=1):
        nothing.enqueue_many(((), {}) for _ in range(count))
        Job.objects.update(state="pending", published_at=None)
        let_time_pass(60, "publish_at", "due_at")
        broker.client().flushall()

    return make


def test_due_jobs_are_published(pending, carrier):
    """Each becomes a message with its id, and is marked."""
    pending(3)

    assert relay.relay() == 3

    ids = {json.loads(raw)["headers"]["id"] for raw in carrier.lrange("default", 0, -1)}
    assert ids == {str(job.pk) for job in Job.objects.filter(state="published")}
    assert len(ids) == 3


def test_everything_due_is_published_in_batches(settings, pending, carrier):
    """More than one round trip takes are published all the same."""
    settings.JOBS = {"relay_batch": 2}
    pending(5)

    assert relay.relay() == 5
    assert carrier.llen("default") == 5


def test_the_message_tells_no_later_time_than_the_row(pending, carrier):
    """Else the job of the oldest message would look as if its message were lost."""
    pending()

    relay.relay()

    told = json.loads(carrier.lindex("default", -1))["headers"]["published_at"]
    assert told <= Job.objects.get().published_at.timestamp()


def test_a_claim_keeps_others_away(pending):
    """Who claimed a row has it until the lease ends."""
    pending()

    assert len(relay.claim()) == 1
    assert relay.claim() == []


def test_a_claim_ends_with_its_lease(pending, let_time_pass, carrier):
    """A relay that died between claiming and publishing costs the lease, not the job."""
    pending()
    relay.claim()

    let_time_pass(31, "publish_at")

    assert relay.relay() == 1
    assert carrier.llen("default") == 1


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


def test_a_job_that_was_discarded_meanwhile_is_not_marked(pending):
    """It would be published again, and run after all."""
    pending()
    (claim,) = relay.claim()
    decisions.discard(claim.id)

    relay.mark([claim])

    assert Job.objects.get().state == "cancelled"


def test_a_job_that_began_meanwhile_is_not_marked(pending, worker, row):
    """A worker can be faster than the mark: what runs stays running."""
    pending()
    (claim,) = relay.claim()
    broker.publish({"default": ["x"]})
    guard.begin(claim.id, worker)

    relay.mark([claim])

    assert Job.objects.get().state == "running"


def test_a_mark_is_fenced_by_the_attempt(pending, worker):
    """A job that ran and waits for its retry is pending again: a mark of the attempt before must not hide it from the relay."""
    pending()
    (claim,) = relay.claim()
    attempt = guard.begin(claim.id, worker)
    guard.retry(attempt, guard.Again(60), "again", "")

    relay.mark([claim])

    assert Job.objects.get().state == "pending"


def test_a_job_that_is_not_due_is_left_alone(carrier):
    """A retry that waits is not published early."""
    nothing.using(run_at=timezone.now() + timedelta(hours=1)).enqueue()

    assert relay.relay() == 0
    assert carrier.llen("default") == 0


def test_redis_away_gives_the_rows_back(pending, redis):
    """They are due at once for whoever comes next, and the caller is told."""
    pending(2)
    redis.stop()

    with pytest.raises(broker.BrokerAwayError):
        relay.relay()

    redis.start()
    broker.breaker.close()
    assert relay.relay() == 2


def test_a_waiting_retry_is_not_made_due_by_giving_back(worker, redis, pending):
    """Giving back touches only rows that were claimed, not one that got a due time of its own meanwhile."""
    pending()
    (claim,) = relay.claim()
    attempt = guard.begin(claim.id, worker)
    guard.retry(attempt, guard.Again(3600), "again", "")

    relay.give_back([claim])

    job = Job.objects.get()
    assert job.publish_at == job.due_at


def test_published_twice_is_one_row_and_two_messages(pending, carrier, let_time_pass, worker):
    """A crash between publish and mark publishes once more; the guard starts the job once."""
    pending()
    (claim,) = relay.claim()
    broker.publish({"default": ["the message of a relay that died before it marked"]})
    let_time_pass(31, "publish_at")

    relay.relay()

    assert carrier.llen("default") == 2
    assert guard.begin(claim.id, worker) is not None
    assert guard.begin(claim.id, uuid.uuid4()) is None
