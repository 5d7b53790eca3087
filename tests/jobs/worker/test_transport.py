"""What a worker's channel leaves in Redis of the messages in its hands, on a real one."""

import json
import uuid

import pytest
from celery import current_app
from django.utils import timezone

from jobs import broker
from jobs.message import job_message
from tests.faults.effects.tasks import nothing

pytestmark = pytest.mark.usefixtures("carrier")


@pytest.fixture
def channel():
    with current_app.connection_for_read() as connection:
        yield connection.channel()


@pytest.fixture
def take(channel):
    """Takes the next message, None when nothing waits."""
    return current_app.amqp.queues["default"].bind(channel).get


@pytest.fixture
def job(carrier):
    """The id of a job whose message waits."""
    job_id = str(uuid.uuid4())
    carrier.lpush(broker.key("default"), job_message(job_id, nothing.name, "default", timezone.now()))
    return job_id


@pytest.mark.usefixtures("job")
def test_a_job_in_hand_is_not_recorded_in_redis(take, channel, carrier):
    """It counts against the prefetch limit all the same."""
    channel.basic_qos(0, 1, False)

    take()

    assert not channel.qos.can_consume()
    assert carrier.keys(broker.key("unacked*")) == []


@pytest.mark.usefixtures("job")
def test_an_acknowledged_job_leaves_a_hand_free(take, channel, carrier):
    """And nothing in Redis."""
    channel.basic_qos(0, 1, False)
    message = take()

    message.ack()

    assert channel.qos.can_consume()
    assert carrier.keys("*") == []


def test_a_plain_message_is_recorded_until_it_is_acknowledged(take, carrier):
    """For it there is no ledger."""
    nothing.delay()

    message = take()

    assert carrier.hexists(broker.key("unacked"), message.delivery_tag)
    message.ack()
    assert not carrier.exists(broker.key("unacked"))


def test_a_rejected_job_is_gone(take, job, carrier):
    """What becomes of it stands in the ledger."""
    take().reject()

    assert carrier.keys("*") == []


def test_a_job_that_nobody_could_take_goes_back_to_its_queue(take, job, carrier):
    """A message that comes while the consumer is being cancelled is rejected like this."""
    take().requeue()

    assert json.loads(carrier.rpop(broker.key("default")))["headers"]["id"] == job
    assert carrier.llen(broker.key("default")) == 0


def test_what_is_in_hand_when_the_channel_closes_goes_back_to_its_queue(take, job, channel, carrier):
    """Jobs and plain messages: another worker goes on at once."""
    plain = nothing.delay()
    assert {take().headers["id"], take().headers["id"]} == {job, plain.id}

    channel.close()

    back = [json.loads(message)["headers"]["id"] for message in carrier.lrange(broker.key("default"), 0, -1)]
    assert sorted(back) == sorted([job, plain.id])
    assert carrier.keys(broker.key("unacked*")) == []


def test_what_was_acknowledged_stays_away_when_the_channel_closes(take, job, channel, carrier):
    """Closing restores nothing that is done."""
    take().ack()

    channel.close()

    assert carrier.keys("*") == []
