"""Amazon SQS under faults, by a server that speaks its protocol. Each worker has a quick visibility timeout."""

from __future__ import annotations

import json
import re
import time

import pytest

from offbeat.jobs import broker, pauses, unreadable_store
from offbeat.jobs.brokers import sqs, sqs_client, sqs_queues
from offbeat.jobs.models import Broker, Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.shapes import SHAPES, plain
from tests.offbeat.support.polling import stays, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.brokers("sqs", only=True)]
# Nothing waits for so long: lost. Hidden for 3 s, and counts of moto's are never late. A stop waits for open requests so long.
QUICK = {
    "VISIBILITY_TIMEOUT": "3",
    "OFFBEAT_JOBS_LOST_MESSAGE_AFTER": "1.5",
    "OFFBEAT_JOBS_DRAIN": "3",
}
HIDDEN = "ApproximateNumberOfMessagesNotVisible"


@pytest.fixture(autouse=True)
def _no_queue_is_known(monkeypatch):
    monkeypatch.setattr(sqs_queues, "_urls", {})


def name_of(queue="default", level=0):
    return sqs_queues.name_of(queue, level)


def counted(*attributes):
    return sqs_queues.count(name_of(), *attributes)


def take(most=10):
    """Take messages as another program does."""
    client = sqs_client.client()
    url = sqs_queues.find(client, name_of())
    found = client.receive_message(QueueUrl=url, MaxNumberOfMessages=most).get("Messages", [])
    for each in found:
        client.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
    return [each["Body"] for each in found]


@pytest.mark.fault(
    "a message is popped from Redis and lost, or its worker dies before it starts the job",
    "Redis is emptied, or restarts without its data",
    "Redis is emptied several times",
    "a long backlog",
    "a message is delivered twice, even at the same moment",
)
def test_lost_and_doubled_messages(faults):
    """Another program takes some, one is there twice, a backlog waits, the queue is purged, then deleted: each job is done once."""
    Broker.objects.update_or_create(pk=1, defaults={"token": "known"})  # not the first look of this ledger
    lost = tasks.work.enqueue("lost")
    assert len(take()) == 1
    tasks.work.enqueue_many(((f"backlog-{number}", 0.02), {}) for number in range(200))
    (copied,) = take(most=1)
    sqs.push(name_of(), [copied, copied])

    worker = faults.quick_worker(**QUICK)
    faults.wait_for_state(lost, "succeeded", 60)
    faults.wait_for_all()
    assert (
        "1 messages of queue default were lost" in worker.output
    )  # of two hundred others none was taken for lost
    assert worker.output.count("were lost") == 1

    tasks.work.enqueue_many(((f"purged-{number}", 0.2), {}) for number in range(20))
    sqs.purge("default")
    faults.wait_for_all()
    tasks.work.enqueue_many(((f"deleted-{number}", 0.2), {}) for number in range(20))
    sqs.delete("default")
    faults.wait_for_all()

    assert faults.repeated() == []
    assert worker.stop() == 0


def text_of(raw):
    """Give a message as the text that SQS takes, None for what it refuses."""
    text = raw.decode(errors="ignore")
    is_taken = text.encode() == raw and not re.search(
        "[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text
    )
    return text if is_taken else None


@pytest.mark.fault(
    "a message that no worker can read: garbage, wrong types in headers or body, nested a thousand levels deep",
    "a plain message of a task that the worker does not know",
    "a message that names another queue or exchange",
    "a job's message contains more than the job's id: arguments, limits, retries, times",
)
def test_messages_that_nobody_can_read(faults):
    """They are put aside at SQS, with the reason; the worker goes on, and one that can be run by then goes back."""
    worker = faults.quick_worker(**QUICK)
    shapes = [text for text in map(text_of, SHAPES.values()) if text][::5]
    unknown = plain(headers={"task": "shop.tasks.gone"})
    deep = "[" * 1000 + "]" * 1000
    elsewhere = plain(properties={"delivery_info": {"exchange": "x", "routing_key": "elsewhere"}})
    sqs.push(
        name_of(),
        ["garbage", deep, json.dumps(unknown), json.dumps(elsewhere), *shapes],
    )
    job = tasks.work.enqueue("after")

    wait_until(lambda: unreadable_store.how_many() == 3 + len(shapes), 60)
    assert faults.wait_for_state(job, "succeeded").attempt == 1
    kept = {one.raw[:20]: one for one in unreadable_store.kept()}
    assert "no JSON" in kept["garbage"].reason
    (waiting,) = [one for one in kept.values() if "shop.tasks.gone" in one.reason]
    assert unreadable_store.requeue(waiting.id)
    wait_until(lambda: unreadable_store.how_many() == 3 + len(shapes), 60)  # put aside again
    listed = faults.stack.manage("jobs", "messages")
    assert "no task shop.tasks.gone is known" in listed.stdout, listed.stderr
    assert worker.stop() == 0
    assert counted(sqs.VISIBLE, HIDDEN) == 0


@pytest.mark.fault("Redis is down, or accepts connections and never answers")
def test_sqs_does_not_answer(faults, caplog):
    """Few of many enqueues wait for it, rows do, running jobs go on, and the worker says so once; then all is done."""
    worker = faults.quick_worker(**QUICK)
    running = tasks.work.enqueue("running", 2)
    faults.wait_for_start("running")
    faults.carrier.pause()

    rows = [tasks.work.enqueue(f"row-{number}") for number in range(20)]
    assert sum("did not answer some seconds ago" in said for said in caplog.messages) >= 10  # at once
    assert faults.wait_for_state(running, "succeeded").attempt == 1
    waiting = Job.objects.filter(pk__in=[each.pk for each in rows], state="pending")
    wait_until(lambda: waiting.count() == 20)  # a relay of the worker may be about to try
    wait_until(lambda: "cannot be read" in worker.output, 60)

    faults.carrier.resume()
    faults.wait_for_all()
    assert faults.repeated() == []
    assert worker.stop() == 0


@pytest.mark.fault("the whole worker is killed, and another one runs")
def test_a_killed_worker(faults):
    """Its jobs and plain tasks run again; a plain task of another worker that takes three visibility timeouts starts once."""
    first = faults.quick_worker(**QUICK, WORKER_CONCURRENCY="4")
    tasks.work.delay("plain", 3)
    job = tasks.work.enqueue("job", 3)
    faults.wait_for_start("plain")
    faults.wait_for_start("job")
    first.kill()

    second = faults.quick_worker(**QUICK)
    faults.wait_for_start("plain", times=2, seconds=40)
    assert faults.wait_for_state(job, "succeeded").attempt == 2
    tasks.work.delay("long", 10)
    wait_until(lambda: faults.happened("long"), 30)
    assert faults.happened("long", "start") == 1
    assert second.stop() == 0
    assert counted(sqs.VISIBLE, HIDDEN) == 0


@pytest.mark.fault("SIGTERM to the worker, or to all its processes")
def test_a_stop_returns_what_is_not_finished(faults):
    """At once, whatever the visibility timeout is, and what comes after its end waits for others.

    A plain task that kills its process each time is a dead letter by and by.
    """
    options = QUICK | {
        "OFFBEAT_JOBS_DELIVERY_CAP": "2",
        "OFFBEAT_JOBS_DRAIN": "2",
        "VISIBILITY_TIMEOUT": "60",
    }
    first = faults.quick_worker(**options)
    tasks.work.delay("plain", 8)
    job = tasks.work.enqueue("job", 8)
    faults.wait_for_start("plain")
    faults.wait_for_start("job")
    assert first.stop() == 0
    assert counted(sqs.VISIBLE) == 2

    tasks.kill_itself.delay("killer")
    second = faults.quick_worker(**options)
    wait_until(lambda: faults.happened("plain"))
    assert faults.wait_for_state(job, "succeeded").history[0]["outcome"] == "handed back"
    wait_until(lambda: Job.objects.filter(state="dead", task__endswith="kill_itself").exists())
    assert "delivered again more than 2 times" in Job.objects.get(state="dead").reason
    assert faults.happened("killer", "start") == 3

    assert second.stop() == 0
    tasks.work.enqueue("late")
    stays(lambda: counted(sqs.VISIBLE) == 1, 2)  # no request of the dead worker takes it


def test_a_paused_queue_and_a_worker_that_holds(faults):
    """Messages of a paused queue stay at SQS, as do all while a worker starts none; afterwards they run."""
    worker = faults.quick_worker(**QUICK)
    pauses.pause("queue", "default", "a test", "somebody", is_known=True)
    time.sleep(1)  # the worker looks five times a second; an open request may bring one message more
    tasks.work.delay("first")
    time.sleep(1)
    tasks.work.delay("plain")
    job = tasks.work.enqueue("job")
    wait_until(lambda: counted(sqs.VISIBLE) == 2)
    stays(lambda: counted(sqs.VISIBLE) == 2, 2)
    pauses.resume("queue", "default")
    wait_until(lambda: faults.happened("plain"))
    faults.wait_for_state(job, "succeeded")
    assert worker.stop() == 0
    assert broker.name() == "Amazon SQS"
