"""What a person decides about many jobs at once, as they were when asked about; and moving jobs to another queue."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from offbeat.jobs import attempts, broker, decisions, pauses, relay
from offbeat.jobs.batches import open_batch
from offbeat.jobs.decisions import AskedJob, NotConsumedError
from offbeat.jobs.models import BUSY, PAUSED, Batch, Job, Worker
from offbeat.jobs.signals import job_cancelled
from tests.offbeat.faults.effects.tasks import divide, nothing
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


@pytest.fixture(autouse=True)
def living():
    """A worker that consumes two queues."""
    Worker.objects.create(hostname="h", pid=1, queues=["default", "mail"], concurrency=1)


def in_state(state, **values):
    job = nothing.enqueue()
    Job.objects.filter(pk=job.pk).update(state=state, **values)
    return job


def asked(*jobs):
    return [
        AskedJob(*row)
        for row in Job.objects.filter(pk__in=[job.pk for job in jobs]).values_list("id", "state", "attempt")
    ]


def test_many_are_retried(carrier, row):
    """In one statement, and published in one command; their batch is open again."""
    with open_batch("b") as batch:
        jobs = [divide.using(batch=batch).enqueue(number, 0) for number in range(3)]
    run_jobs()
    carrier.flushall()

    assert set(decisions.retry_many(asked(*jobs))) == {job.pk for job in jobs}

    assert [row(job).state for job in jobs] == ["published"] * 3
    assert carrier.llen(broker.key("default")) == 3
    assert Batch.objects.get().finished_at is None


def test_many_are_discarded(row):
    """Each is told about, and their batch has finished."""
    told = []
    job_cancelled.connect(listen := lambda job_id, **_: told.append(job_id))
    with open_batch("b") as batch:
        jobs = [nothing.using(batch=batch).enqueue() for _ in range(3)]

    assert len(decisions.discard_many(asked(*jobs), "no longer wanted")) == 3

    job_cancelled.disconnect(listen)
    assert {row(job).reason for job in jobs} == {"no longer wanted"}
    assert set(told) == {job.pk for job in jobs}
    assert Batch.objects.get().finished_at is not None


@pytest.mark.parametrize("change", [{"state": "running"}, {"state": "succeeded"}, {"attempt": 1}], ids=str)
def test_what_has_changed_is_left_alone(change, row):
    """Its state, or its attempt, is not the one that was asked about."""
    job, same = in_state("dead"), in_state("dead")
    question = asked(job, same)
    Job.objects.filter(pk=job.pk).update(**change)

    assert decisions.retry_many(question) == [same.pk]
    assert row(job).state == change.get("state", "dead")


def test_nobody_waits_for_a_row_that_is_held(row):
    """It is being decided about by somebody else, or begins: it is passed by."""
    held, free = in_state("dead"), in_state("dead")
    question = asked(held, free)
    is_held, may_go = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            Job.objects.select_for_update().get(pk=held.pk)
            is_held.set()
            may_go.wait(30)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait(30)
    done = decisions.discard_many(question)
    may_go.set()
    thread.join()

    assert done == [free.pk]


def test_run_now(row):
    """A job that waits for tomorrow is published; one that waits for its key, or is due, is left alone."""
    tomorrow = timezone.now() + timedelta(days=1)
    later = nothing.using(run_at=tomorrow).enqueue()
    busy = in_state("pending", due_at=tomorrow, publish_at=tomorrow, reason=BUSY)
    due = in_state("published")

    assert decisions.run_now_many(asked(later, busy, due)) == [later.pk]
    assert decisions.run_now(busy.pk) is False
    assert row(later).state == "published"
    assert row(later).due_at <= timezone.now()
    assert run_jobs() >= 1


@pytest.mark.parametrize(("state", "after"), [("published", "published"), ("dead", "dead")])
def test_move(state, after, row, carrier):
    """What waits is published in the other queue; a dead letter waits there for its retry."""
    job = in_state(state)
    carrier.flushall()

    assert decisions.move(job.pk, "mail") is True

    assert (row(job).queue, row(job).state) == ("mail", after)
    assert carrier.llen(broker.key("mail")) == (after == "published")


def test_a_job_for_later_is_moved(row, carrier):
    """It stays for later."""
    job = nothing.using(run_at=timezone.now() + timedelta(days=1)).enqueue()

    assert decisions.move(job.pk, "mail") is True
    assert (row(job).queue, row(job).state, carrier.llen(broker.key("mail"))) == ("mail", "pending", 0)


@pytest.mark.parametrize("state", ["running", "succeeded", "cancelled", "expired"])
def test_others_are_not_moved(state, row):
    """They are at work, or done."""
    job = in_state(state)

    assert decisions.move(job.pk, "mail") is False
    assert row(job).queue == "default"


def test_nothing_is_moved_where_it_is(row):
    """So its message, which is good, is not sent again."""
    job = in_state("published")

    assert decisions.move(job.pk, "default") is False


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, 'queue "nowhere". The queues that workers consume now: default, mail.'),
        ({"stopping": True}, 'queue "nowhere". No worker is running.'),
    ],
    ids=["unknown", "stopping"],
)
def test_nobody_consumes_it(change, message, row):
    """Jobs moved there would wait unseen."""
    Worker.objects.update(**change)
    job = in_state("published")

    with pytest.raises(NotConsumedError, match=message):
        decisions.move(job.pk, "nowhere")
    with pytest.raises(NotConsumedError):
        decisions.move_many(asked(job), "nowhere")
    assert row(job).queue == "default"


@pytest.mark.parametrize("values", [{}, {"concurrency_key": "c"}], ids=["plain", "with a concurrency key"])
def test_the_message_that_was_left_behind_starts_nothing(values, row, worker):
    """A worker of the old queue has it, begins nothing and changes nothing; one of the new queue starts the job."""
    job = in_state("published", **values)
    decisions.move(job.pk, "mail")
    before = row(job)

    assert attempts.begin(job.pk, worker, queue="default") is None
    assert (row(job).state, row(job).reason, row(job).due_at) == ("published", before.reason, before.due_at)
    assert attempts.begin(job.pk, worker, queue="mail").number == 1
    assert attempts.begin(job.pk, uuid.uuid4(), queue="mail") is None


def test_moved_and_back(row, worker):
    """Two messages wait in one queue, and the job starts once."""
    job = in_state("published")
    decisions.move(job.pk, "mail")
    decisions.move(job.pk, "default")

    assert attempts.begin(job.pk, worker, queue="default").number == 1
    assert attempts.begin(job.pk, uuid.uuid4(), queue="default") is None


def test_a_message_that_is_sent_after_the_move(row, worker, carrier):
    """The relay had claimed the job, and was slow: its message comes to the old queue and starts nothing."""
    job = nothing.using(run_at=timezone.now() + timedelta(days=1)).enqueue()
    Job.objects.update(due_at=timezone.now(), publish_at=timezone.now())
    (claimed,) = relay.claim()
    decisions.move(job.pk, "mail")

    relay.publish([claimed])

    assert carrier.llen(broker.key("default")) == carrier.llen(broker.key("mail")) == 1
    assert attempts.begin(job.pk, worker, queue="default") is None
    assert attempts.begin(job.pk, worker, queue="mail").number == 1


def test_redis_is_down(redis_away, row):
    """What is moved waits in PostgreSQL for the relay."""
    job = in_state("published")

    assert decisions.move(job.pk, "mail") is True
    assert (row(job).queue, row(job).state) == ("mail", "pending")


def test_what_is_not_there():
    """Nothing is done."""
    missing = AskedJob(uuid.uuid4(), "dead", 0)

    assert decisions.retry_many([missing]) == decisions.discard_many([]) == []
    assert decisions.run_now(missing.id) is False


def test_out_of_a_paused_queue(row, worker):
    """A job that the pause holds is published in the other queue, where nothing holds it."""
    job = in_state("published")
    pauses.pause("queue", "default", "the shop is closed", "alice")
    assert attempts.begin(job.pk, worker, queue="default") is None
    assert row(job).reason.startswith(PAUSED)

    assert decisions.move(job.pk, "mail") is True

    assert row(job).state == "published"
    assert attempts.begin(job.pk, worker, queue="mail").number == 1
