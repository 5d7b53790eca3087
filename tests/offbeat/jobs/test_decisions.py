"""What a person decides about a job."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from offbeat.jobs import attempts, broker, decisions
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects.tasks import divide, fail_always, nothing
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


def in_state(state):
    job = nothing.enqueue()
    Job.objects.filter(pk=job.pk).update(state=state)
    return job


def test_a_dead_letter_is_tried_again(carrier, row):
    """It is published at once, with fresh attempts and retries; its history is kept."""
    job = divide.enqueue(1, 0)
    run_jobs()
    carrier.flushall()
    Job.objects.filter(pk=job.pk).update(crashes=5, retries=3)

    assert decisions.retry(job.pk) is True

    found = row(job)
    assert (found.state, found.crashes, found.retries, found.finished_at) == ("published", 0, 0, None)
    assert len(found.history) == 1
    assert carrier.llen(broker.key("default")) == 1


def test_a_retried_job_retries_as_before(row):
    """Its task's `max_retries` count from anew."""
    job = fail_always.enqueue("a")
    run_jobs(ahead=timedelta(hours=1))

    decisions.retry(job.pk)

    assert run_jobs(ahead=timedelta(hours=1)) == 3
    assert row(job).attempt == 6


@pytest.mark.parametrize("state", ["cancelled", "expired"])
def test_a_cancelled_or_expired_job_is_tried_again(state, row):
    """And a `not_after` that has passed does not expire it again."""
    job = nothing.using(not_after=timezone.now() + timedelta(seconds=1)).enqueue()
    Job.objects.filter(pk=job.pk).update(state=state, not_after=timezone.now() - timedelta(seconds=1))

    assert decisions.retry(job.pk) is True

    assert run_jobs() == 1
    assert row(job).state == "succeeded"


@pytest.mark.parametrize("state", ["pending", "published", "running", "succeeded"])
def test_others_are_not_retried(state, row):
    """They are at work, or done: retrying a success would double it."""
    job = in_state(state)

    assert decisions.retry(job.pk) is False
    assert row(job).state == state


@pytest.mark.parametrize("state", ["dead", "pending", "published"])
def test_what_does_not_run_is_discarded(state, row):
    """It is cancelled, with the reason given, and its message starts nothing."""
    job = in_state(state)

    assert decisions.discard(job.pk, "no longer wanted") is True

    assert (row(job).state, row(job).reason) == ("cancelled", "no longer wanted")
    assert attempts.begin(job.pk, uuid.uuid4()) is None


@pytest.mark.parametrize("state", ["running", "succeeded", "cancelled", "expired"])
def test_others_are_not_discarded(state, row):
    """What runs cannot be taken back, what is done is done."""
    job = in_state(state)

    assert decisions.discard(job.pk) is False
    assert row(job).state == state


def test_what_is_not_there_cannot_be_decided():
    """It says so and raises nothing."""
    assert decisions.retry(uuid.uuid4()) is False
    assert decisions.discard(uuid.uuid4()) is False


def test_a_job_is_run_again_as_a_new_one(row):
    """Same task, arguments, queue and concurrency key; no key, because that is taken."""
    old = divide.using(key="k", concurrency_key="c", queue="mail").enqueue(6, b=3)
    run_jobs()

    new = row(decisions.run_again(old.pk))

    assert new.pk != old.pk
    assert (new.task, new.args, new.kwargs, new.queue) == (divide.name, [6], {"b": 3}, "mail")
    assert (new.concurrency_key, new.key, new.state) == ("c", None, "published")


def test_run_again_needs_the_old_one():
    """A pruned job cannot be run again."""
    with pytest.raises(Job.DoesNotExist):
        decisions.run_again(uuid.uuid4())


def test_redis_away_does_not_stop_a_decision(redis_away, row):
    """It waits in PostgreSQL."""
    job = in_state("dead")

    assert decisions.retry(job.pk) is True
    assert row(job).state == "pending"
