"""The lease on messages in hand, on kombu's own channel and a real Redis."""

import time
import uuid

import pytest
from celery import current_app
from django.utils import timezone

from offbeat.jobs import broker
from offbeat.jobs.message import job_message
from offbeat.jobs.worker.lease import renew
from tests.offbeat.faults.effects.tasks import nothing

pytestmark = pytest.mark.usefixtures("carrier")


class Consumer:
    """What a Celery consumer has that the lease needs."""

    def __init__(self, channel):
        self.channel = channel

    @property
    def task_consumer(self):
        return self


@pytest.fixture
def consumer():
    with current_app.connection_for_read() as connection:
        self = Consumer(connection.channel())
        self.connection_errors = connection.connection_errors
        yield self


@pytest.fixture
def message(consumer):
    """A message that has been delivered and not acknowledged."""
    nothing.delay()
    return taken(consumer)


def taken(consumer):
    """Take the only message, as a consumer does."""
    message = current_app.amqp.queues["default"].bind(consumer.channel).get()
    assert message is not None
    return message


def deadline(carrier, message):
    return carrier.zscore(broker.key("unacked_index"), message.delivery_tag)


def test_a_message_in_hand_is_renewed(consumer, message, carrier):
    """Redis delivers it again only when nobody has renewed it for a visibility timeout."""
    carrier.zadd(broker.key("unacked_index"), {message.delivery_tag: time.time() - 50})

    renew(consumer)

    assert time.time() - deadline(carrier, message) < 5


def test_an_acknowledged_message_is_not_brought_back(consumer, message, carrier):
    """It is gone, and stays gone."""
    message.ack()

    renew(consumer)

    assert deadline(carrier, message) is None


def test_a_message_that_another_worker_took_is_not_brought_back(consumer, message, carrier):
    """Its deadline passed while this machine stood still: the index has it no more."""
    carrier.zrem(broker.key("unacked_index"), message.delivery_tag)

    renew(consumer)

    assert deadline(carrier, message) is None


def test_a_job_in_hand_is_not_brought_to_redis(consumer, carrier):
    """Its message is nowhere but in this process: there is nothing to renew."""
    carrier.lpush(
        broker.key("default"), job_message(str(uuid.uuid4()), nothing.name, "default", timezone.now())
    )
    taken(consumer)

    renew(consumer)

    assert not carrier.exists(broker.key("unacked_index"))


@pytest.mark.parametrize("in_hand", ["a message", "nothing"])
def test_redis_away_is_told_to_the_event_loop(consumer, redis, request, in_hand):
    """It reconnects, also when the consumer's hands are full, of jobs too, and it asks for no message."""
    if in_hand == "a message":
        request.getfixturevalue("message")
    redis.stop()

    with pytest.raises(consumer.connection_errors):
        renew(consumer)

    redis.start()


def test_the_steps_are_installed():
    """The project's application has them, by name, so that models are not imported too early."""
    assert {
        "offbeat.jobs.worker.bootsteps:MaintenanceStep",
        "offbeat.jobs.worker.graceful_stop:GracefulStop",
    } <= set(map(str, current_app.steps["worker"]))
    assert {"offbeat.jobs.worker.lease:Lease", "offbeat.jobs.worker.lease:BrokerWatch"} <= set(
        map(str, current_app.steps["consumer"])
    )
