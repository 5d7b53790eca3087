"""The consumer of tasks on a real channel: whose fault an error is, and what is left of the message."""

import json

import pytest
from celery import current_app
from celery.worker import state
from celery.worker.request import Request
from redis.exceptions import ConnectionError as RedisConnectionError

from offbeat.jobs import broker, unreadable_store
from offbeat.jobs.message import job_message
from tests.offbeat.faults.effects.tasks import nothing
from tests.offbeat.faults.shapes import plain
from tests.offbeat.jobs.test_message import WHEN

pytestmark = pytest.mark.usefixtures("carrier")
JOB = "01a1f883-81fb-730a-86fa-71122eed4160"


def take(raw, on_message):
    """Consume one message; tell whether the channel's hands are free afterwards."""
    with current_app.connection_for_read() as connection:
        channel = connection.channel()
        broker.client().lpush(broker.key("default"), raw)
        with current_app.amqp.TaskConsumer(channel, on_message=on_message):
            channel.basic_qos(0, 1, False)
            connection.drain_events(timeout=5)
            return channel.qos.can_consume()


@pytest.mark.parametrize(
    "error", [ValueError("odd"), KeyError("id"), RecursionError("deep"), AttributeError("x")]
)
def test_an_error_is_the_messages_fault(carrier, error):
    """It is put aside, and neither in hand nor reserved any more: a stopping worker would wait for it."""

    def reserve(message):
        state.task_reserved(Request(message, app=current_app, task=nothing))
        raise error

    assert take(json.dumps(plain()), reserve)

    (one,) = unreadable_store.kept()
    assert one.reason == f"the worker failed on it: {type(error).__name__}: {error}"
    assert (list(state.reserved_requests), state.requests) == ([], {})
    assert carrier.keys(broker.key("unacked*")) == []


def test_an_error_of_the_broker_is_nobodys(carrier):
    """The event loop connects anew, and the message is delivered again."""

    def lose(message):
        raise RedisConnectionError("gone")

    with pytest.raises(RedisConnectionError):
        take(json.dumps(plain()), lose)

    assert unreadable_store.how_many() == 0
    assert carrier.llen(broker.key("default")) == 1


def test_a_way_to_stop_is_no_error():
    """Celery ends a worker with an exception."""

    def stop(message):
        raise SystemExit

    with pytest.raises(SystemExit):
        take(json.dumps(plain()), stop)

    assert unreadable_store.how_many() == 0


def test_nothing_of_a_job_is_used_but_which_it_is():
    """Its row and its task decide about the rest."""
    message = json.loads(job_message(JOB, nothing.name, "default", WHEN))
    message["headers"] |= {
        "eta": "2999-01-01T00:00:00",
        "retries": 7,
        "compression": "zip",
        "callbacks": [1],
        "timelimit": [1, 1],
    }
    message["body"] = plain(body=[["x"], {}, {}])["body"]
    taken = []

    take(json.dumps(message), taken.append)

    (one,) = taken
    assert (one.headers["id"], one.headers["task"], one.headers["eta"]) == (JOB, nothing.name, None)
    assert (one.headers["retries"], one.headers["timelimit"], one.errors) == (0, [None, None], [])
    assert one.payload[:2] == [[], {}]


@pytest.mark.fault("a plain message of a task that the worker does not know")
def test_a_plain_message_of_an_unknown_task_is_kept_and_handed_on():
    """Celery says that it knows no such task; a person can send the whole of it back."""
    message, taken = plain({"task": "shop.tasks.gone"}, body=[["a" * 70_000], {}, {}]), []

    take(json.dumps(message), taken.append)

    (one,) = unreadable_store.kept()
    assert one.reason.startswith(
        "no task shop.tasks.gone is known to the worker: deploy the code that has it"
    )
    assert json.loads(one.raw)["body"] == message["body"]
    assert (len(taken), one.can_go_back) == (1, True)
