"""What a worker's channel leaves in Redis of the messages in its hands, on a real one."""

import contextlib
import json
import select
import uuid

import pytest
from celery import current_app
from django.utils import timezone
from kombu import Consumer, Exchange, Queue

from offbeat.jobs import broker, unreadable_store
from offbeat.jobs.message import job_message
from offbeat.jobs.worker.state import worker_state
from offbeat.jobs.worker.transport import MOST_IN_A_TURN
from tests.offbeat.faults.effects.tasks import nothing
from tests.offbeat.faults.shapes import nested, plain
from tests.offbeat.support.polling import wait_until

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
    assert carrier.keys(broker.key("*")) == []


def test_a_plain_message_is_recorded_until_it_is_acknowledged(take, carrier):
    """For it there is no ledger."""
    nothing.delay()

    message = take()

    assert carrier.hexists(broker.key("unacked"), message.delivery_tag)
    message.ack()
    assert not carrier.exists(broker.key("unacked"))


@pytest.mark.parametrize("is_stopping", [False, True])
def test_a_worker_that_stops_asks_for_no_message(channel, monkeypatch, is_stopping):
    """Also where it has just connected anew: the consumer that it has cancelled is that of before."""
    monkeypatch.setattr(worker_state, "is_stopping", is_stopping)
    current_app.amqp.TaskConsumer(channel).consume()

    channel.connection.cycle.on_poll_start()  # as the event loop does

    assert bool(channel._in_poll) is not is_stopping  # noqa: SLF001  the question that is open


def test_a_rejected_job_is_gone(take, job, carrier):
    """What becomes of it stands in the ledger."""
    take().reject()

    assert carrier.keys(broker.key("*")) == []


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

    assert carrier.keys(broker.key("*")) == []


def recorded(message, exchange="", routing_key="default"):
    return json.dumps([message, exchange, routing_key])


@pytest.mark.parametrize(
    "record",
    [b"hello", b"\xff", b"5", b"[]", b"[1, 2, 3]", nested(1000), recorded(None), recorded({}), recorded(plain(), 5),
     recorded(plain(), "", None), recorded(plain(), "", ["default"]), recorded(plain(), "nowhere", "x"),
     recorded(plain() | {"headers": []}), recorded(plain(properties={"priority": float("inf")}))],
)  # fmt: skip
@pytest.mark.parametrize("tag", ["odd", b"\xff"])
def test_a_record_that_cannot_be_read_keeps_nobody_in_redis(channel, carrier, record, tag):
    """Kombu's list of what dead workers had in their hands is gone through to its end, and what is odd is put aside."""
    good = plain()
    carrier.hset(broker.key("unacked"), mapping={tag: record, "good": recorded(good)})
    carrier.zadd(broker.key("unacked_index"), {tag: 2, "good": 1})

    channel.qos.restore_visible()

    assert json.loads(carrier.lpop(broker.key("default")))["headers"]["id"] == good["headers"]["id"]
    assert carrier.keys(broker.key("unacked*")) == []
    (one,) = unreadable_store.kept()
    assert one.reason.startswith("kombu's record of an unacknowledged message (unacked): ")
    assert not unreadable_store.requeue(one.id)  # it is no message, and has no queue


def test_a_record_that_is_gone_is_forgotten(channel, carrier):
    """An index without its message, and a message without its index."""
    carrier.zadd(broker.key("unacked_index"), {"gone": 1})
    carrier.hset(broker.key("unacked"), "alone", b"hello")

    channel.qos.restore_visible()

    assert carrier.keys(broker.key("unacked_index")) == []
    assert unreadable_store.how_many() == 0


@pytest.mark.fault("a message that names another queue or exchange")
def test_a_message_does_not_say_where_it_goes_back(channel, carrier):
    """One that names another queue, or an exchange that there is not, goes back to the queue that it came from all the same."""
    odd = plain(properties={"delivery_info": {"exchange": "nowhere", "routing_key": "x"}})
    carrier.lpush(broker.key("default"), json.dumps(odd))
    taken = []
    with current_app.amqp.TaskConsumer(channel, on_message=taken.append):
        channel.connection.client.drain_events(timeout=5)

    channel.close()

    assert len(taken) == 1
    assert carrier.llen(broker.key("default")) == 1


@pytest.mark.parametrize(
    "raw", ["5", "[]", "{}", '{"properties": null}', json.dumps(plain() | {"body": "a"})]
)
def test_a_broadcast_that_cannot_be_read_is_passed(channel, carrier, caplog, raw):
    """A command to all workers that is none ends none of them."""
    news = Queue("news", Exchange("news", type="fanout"))
    got = []
    with Consumer(channel, [news], on_message=got.append, no_ack=True):
        wait_until(lambda: drained(channel) or carrier.publish(broker.key("/0.news"), raw))
        carrier.publish(broker.key("/0.news"), json.dumps(plain()))
        wait_until(lambda: drained(channel) or got)

    assert {line.action for line in caplog.records if hasattr(line, "action")} == {"broadcast_unreadable"}


def drained(channel):
    with contextlib.suppress(TimeoutError):
        channel.connection.client.drain_events(timeout=0.05)


class Poll:
    """A consumer of a channel, and what it has been given, in order."""

    def __init__(self, channel, prefetch):
        self.channel, self.taken = channel, []
        channel.basic_qos(0, prefetch, False)
        queue = current_app.amqp.queues["default"].bind(channel)
        self.consumer = Consumer(channel, [queue], on_message=self.taken.append, accept=["json"])
        self.consumer.consume()

    def ask(self):
        self.channel.connection.cycle.on_poll_start()  # as the event loop does

    def read(self):
        self.channel._brpop_read()  # noqa: SLF001

    def ids(self):
        return [message.headers["id"] for message in self.taken]


def put_jobs(carrier, count):
    ids = [str(uuid.uuid4()) for _ in range(count)]
    for each in ids:
        carrier.lpush(broker.key("default"), job_message(each, nothing.name, "default", timezone.now()))
    return ids


def test_the_next_job_is_asked_for_before_one_is_delivered(channel, carrier):
    """Never more than there is room for: what is behind that stays in Redis."""
    ids = put_jobs(carrier, 5)
    poll = Poll(channel, prefetch=3)

    poll.ask()
    while len(poll.taken) < 3:
        poll.read()

    assert poll.ids() == ids[:3]
    assert not channel._in_poll  # noqa: SLF001  nothing is asked for
    assert carrier.llen(broker.key("default")) == 2


def test_more_jobs_than_a_turn_delivers(channel, carrier):
    """The answer with the next one stays on the socket: read off it and not delivered, it would never wake the loop."""
    ids = put_jobs(carrier, MOST_IN_A_TURN + 5)
    poll = Poll(channel, prefetch=100)
    poll.ask()

    while len(poll.taken) < MOST_IN_A_TURN:
        poll.read()

    while len(poll.taken) < len(ids):
        socket = channel._in_poll._sock  # noqa: SLF001  what the loop waits for
        assert select.select([socket], [], [], 30)[0]
        poll.read()
    assert poll.ids() == ids


def test_nothing_is_asked_for_before_a_plain_message_is_delivered(channel, carrier):
    """Until it is on record in Redis, a killed worker would lose it, and the next one besides."""
    nothing.delay()
    nothing.delay()
    poll = Poll(channel, prefetch=10)

    poll.ask()
    poll.read()

    assert len(poll.taken) == 1
    assert carrier.hexists(broker.key("unacked"), poll.taken[0].delivery_tag)
    assert carrier.llen(broker.key("default")) == 1


def test_a_channel_that_closes_asks_for_nothing(channel, carrier):
    """What was asked for before goes back to its queue."""
    ids = put_jobs(carrier, 3)
    poll = Poll(channel, prefetch=10)
    poll.ask()

    channel.close()

    waiting = [json.loads(raw)["headers"]["id"] for raw in carrier.lrange(broker.key("default"), 0, -1)]
    assert sorted(waiting) == sorted(ids)


def test_a_redis_that_goes_away_while_a_job_is_delivered(channel, carrier, redis):
    """The job in hand is delivered all the same, and the error is that of the next turn."""
    put_jobs(carrier, 1)
    poll = Poll(channel, prefetch=10)
    poll.ask()
    wait_until(lambda: channel._in_poll.can_read(0))  # noqa: SLF001
    redis.stop()

    with contextlib.suppress(*channel.connection_errors):
        poll.read()

    assert not channel._in_poll  # noqa: SLF001  else the channel would wait for its answer when it closes, and restore nothing
    (message,) = poll.taken
    message.ack()
