"""What is told of a message before a worker uses anything of it."""

import json

import pytest
from celery import current_app
from django.utils import timezone

from offbeat.jobs import broker
from offbeat.jobs.message import job_message
from offbeat.jobs.unreadable_store import UnreadableError
from offbeat.jobs.worker import message_shape
from offbeat.jobs.worker.transport import LedgerMessage
from tests.offbeat.faults.effects.tasks import nothing, work
from tests.offbeat.faults.shapes import CALL, SHAPES, old, plain

UNKNOWN = {"a task that there is not", "protocol 1: a task that there is not"}  # these can be read


@pytest.fixture(scope="module")
def read():
    """Reads a message as far as a worker does before Celery gets it."""
    with current_app.connection_for_read() as connection:
        channel = connection.channel()

        def read(raw):
            message = LedgerMessage(message_shape.read_envelope(raw, "default"), channel)
            message.accept = {"application/json"}
            if message.headers.get("job"):
                message_shape.check(message_shape.JOB, message.headers)
            else:
                message_shape.check_call(message)
            return message

        yield read


@pytest.mark.parametrize("name", [name for name in SHAPES if name not in UNKNOWN])
def test_every_shape_is_refused(read, name):
    """Each with a sentence."""
    with pytest.raises(UnreadableError, match=r"\w+ \w+"):
        read(SHAPES[name])


def sent(carrier, **options):
    work.apply_async(["a"], {"seconds": 1}, **options)
    (queue,) = carrier.keys(broker.key("default*"))  # one with a priority has a list of its own
    return carrier.rpop(queue)


@pytest.mark.parametrize(
    "options",
    [{}, {"countdown": 5}, {"expires": 5}, {"time_limit": 5, "soft_time_limit": 4.5}, {"link": nothing.s()}, {"shadow": "name"},
     {"link_error": nothing.s()}, {"headers": {"mine": {"a": [1]}}}, {"priority": 5}, {"compression": "zlib"},
     {"chain": [nothing.si()]}, {"retries": 3}, {"ignore_result": True}, {"eta": timezone.now()}],
)  # fmt: skip
def test_what_celery_sends_can_be_read(read, carrier, options):
    """Whatever a task is called with."""
    assert read(sent(carrier, **options)).headers["task"] == work.name


def test_a_job_can_be_read(read):
    """Its message is ours."""
    job_id = "01a1f883-81fb-730a-86fa-71122eed4160"

    assert read(job_message(job_id, nothing.name, "default", timezone.now()).encode()).headers["id"] == job_id


def test_protocol_1_can_be_read(read):
    """Older programs, and those in other languages, send it."""
    assert read(json.dumps(old(expires="2026-11-16T09:00:00", timelimit=[5, None])).encode())


@pytest.mark.parametrize(
    "absent", ["retries", "timelimit", "eta", "stamps", "stamped_headers", "shadow", "group", "lang"]
)
def test_a_message_may_say_little(read, absent):
    """What Celery has a default for may be missing, or null."""
    without = plain()
    del without["headers"][absent]

    assert read(json.dumps(plain({absent: None})).encode())
    assert read(json.dumps(without).encode())


def test_a_message_is_addressed_to_where_it_came_from(read):
    """It goes back to a queue that exists, whatever it says itself; whether it was delivered before is kept."""
    odd = {"exchange": "nowhere", "routing_key": ["x"], "consumer_tag": {}, "redelivered": 1}

    message = read(json.dumps(plain(properties={"delivery_info": odd})).encode())

    assert message.delivery_info == {"exchange": "", "routing_key": "default", "redelivered": True}


@pytest.mark.parametrize(("depth", "is_read"), [(90, True), (110, False)])
def test_a_call_may_be_as_deep_as_its_child_can_take_it(read, depth, is_read):
    """A hundred levels; many lists side by side are no depth."""
    argument = [[]] * 500
    for _ in range(depth):
        argument = [argument]
    raw = json.dumps(plain(body=[argument, *CALL[1:]])).encode()

    if is_read:
        assert read(raw)
    else:
        with pytest.raises(UnreadableError, match="nested more than 100 levels deep"):
            read(raw)
