"""The message that carries a job, compared with what Celery sends."""

import base64
import json
import uuid
from datetime import UTC, datetime

import pytest

from offbeat.jobs import broker
from offbeat.jobs.message import job_message, published_at
from tests.offbeat.faults.effects.tasks import nothing
from tests.offbeat.jobs.samples import record_slowly

WHEN = datetime(2026, 11, 16, 9, 0, 0, 500_000, tzinfo=UTC)


def ours(queue="default"):
    return json.loads(job_message(str(uuid.uuid4()), nothing.name, queue, WHEN))


@pytest.fixture
def celerys(carrier):
    """What Celery puts into the queue for `.delay()`."""
    nothing.delay()
    return json.loads(carrier.rpop(broker.key("default")))


def test_the_envelope_has_celerys_keys(celerys):
    """Body, headers and properties, and the same encodings."""
    assert set(ours()) == set(celerys)
    for name in ("content-type", "content-encoding"):
        assert ours()[name] == celerys[name]


def test_the_headers_are_celerys(celerys):
    """A worker finds every header that Celery sends, but for two that only canvases use; ours add what the ledger needs."""
    missing = {"group_index", "replaced_task_nesting"}
    assert set(ours()["headers"]) - {"job", "ledger", "published_at"} == set(celerys["headers"]) - missing
    for name in (
        "lang",
        "group",
        "parent_id",
        "retries",
        "eta",
        "expires",
        "ignore_result",
        "stamps",
    ):
        assert ours()["headers"][name] == celerys["headers"][name]


def test_a_percent_sign_is_one():
    """Whatever a task and its queue are called, the message is theirs."""
    message = json.loads(job_message(str(uuid.uuid4()), "shop.tasks.%(job_id)s", "50%", WHEN))

    assert message["headers"]["task"] == "shop.tasks.%(job_id)s"
    assert message["properties"]["delivery_info"]["routing_key"] == "50%"


def test_the_properties_are_celerys(celerys):
    """Delivery mode, priority and the encoding of the body agree, and there is a tag of its own."""
    assert set(ours()["properties"]) == set(celerys["properties"])
    for name in ("delivery_mode", "delivery_info", "priority", "body_encoding"):
        assert ours()["properties"][name] == celerys["properties"][name]
    assert uuid.UUID(ours()["properties"]["delivery_tag"]) != uuid.UUID(ours()["properties"]["delivery_tag"])


def test_the_delivery_info_is_celerys_in_another_queue(carrier):
    """The routing key is the queue."""
    record_slowly.delay("a")

    theirs = json.loads(carrier.rpop(broker.key("mail")))
    assert ours("mail")["properties"]["delivery_info"] == theirs["properties"]["delivery_info"]


def test_each_message_is_its_jobs():
    """What the messages of a task have in common is made once; job, queue, time and tag are each one's own."""
    first, second = ours(), ours("mail")

    for message in (first, second):
        job_id = message["headers"]["id"]
        assert uuid.UUID(job_id)
        assert message["headers"]["root_id"] == message["properties"]["correlation_id"] == job_id
        assert message["headers"]["published_at"] == WHEN.timestamp()
    assert first["headers"]["id"] != second["headers"]["id"]
    assert second["properties"]["delivery_info"]["routing_key"] == "mail"


@pytest.mark.parametrize("name", ['say "job id"', "job id", '"published at"', "ümläut"])
def test_odd_names_stay_what_they_are(name):
    """A queue's name that looks like what is filled in is sent as it is."""
    message = json.loads(job_message(str(uuid.uuid4()), nothing.name, name, WHEN))

    assert message["properties"]["delivery_info"]["routing_key"] == name


def test_the_body_is_a_call_without_arguments(celerys):
    """Arguments stay in PostgreSQL; Celery's own body of a call without any is the same."""
    assert json.loads(base64.b64decode(ours()["body"])) == json.loads(base64.b64decode(celerys["body"]))


def test_the_time_of_publishing_can_be_read():
    """From our messages, by PostgreSQL's clock."""
    assert published_at(json.dumps(ours()).encode()) == WHEN.timestamp()


def test_a_plain_message_proves_nothing(carrier):
    """Whatever time it says, it is that of another clock."""
    nothing.apply_async(headers={"published_at": 5.0})

    assert published_at(carrier.rpop(broker.key("default"))) is None


@pytest.mark.parametrize(
    "time",
    [None, "x", True, 0, -1, 1e300, 10**400, float("nan"), float("inf"), [5.0], {"a": 1}, 253_402_300_800],
)
def test_an_odd_time_proves_nothing(time):
    """Ours are seconds of this era."""
    message = ours()
    message["headers"]["published_at"] = time

    assert published_at(json.dumps(message).encode()) is None


@pytest.mark.parametrize("raw", [b"hello", b"\xff", b"[]", b"{}", b'{"headers": []}', b"[" * 100_000])
def test_what_cannot_be_read_tells_no_time(raw):
    """It may wait in the queue as any other."""
    assert published_at(raw) is None
