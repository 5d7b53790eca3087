"""Messages that wait for a child, on a real Redis."""

import json
import time
import uuid

import pytest
from celery import current_app
from celery.worker import state
from django.utils import timezone
from kombu.asynchronous import Hub
from kombu.asynchronous.semaphore import LaxBoundedSemaphore

from offbeat.jobs import broker, code, refusal
from offbeat.jobs.message import job_message
from offbeat.jobs.producer import Call, enqueue
from offbeat.jobs.worker import spares as module
from offbeat.jobs.worker.child_pool import LedgerChildren
from offbeat.jobs.worker.pull import pull
from offbeat.jobs.worker.spares import SpareMessages
from offbeat.jobs.worker.state import worker_state
from tests.offbeat.faults.effects.tasks import nothing

pytestmark = pytest.mark.usefixtures("carrier")

GONE = "shop.gone"


class Request:
    """Of a job, unless a test says otherwise."""

    def __init__(self, message):
        self.message, self.id, self.is_job = message, message.headers["id"], True


class Worker:
    """The main process of a worker with one child that is busy, as far as messages come to it and wait."""

    concurrency = 1

    def __init__(self, channel, spares):
        self.hub, self.semaphore = Hub(), LaxBoundedSemaphore(1)
        self.channel, self.spares, self.requests = channel, spares, []
        channel.basic_qos(0, 1, False)
        consumer = current_app.amqp.TaskConsumer(channel, on_message=self.receive)
        consumer.consume()
        self._putlock = self.semaphore
        spares.serve(self.hub, self, places=1)

    waiting_requests, withdraw = LedgerChildren.waiting_requests, LedgerChildren.withdraw

    def receive(self, message):
        self.requests.append(request := Request(message))
        state.task_reserved(request)
        self.semaphore.acquire(lambda _: None, request)

    def take(self, count):
        while len(self.requests) < count:
            self.channel.connection.cycle.on_poll_start()  # as the event loop does
            self.channel._brpop_read()  # noqa: SLF001

    def note_end(self, began_at):
        self.spares.note_end(self.requests[0].id, began_at)

    def look_twice(self):
        self.spares._look()  # noqa: SLF001  as the loop does
        self.spares._look()  # noqa: SLF001


@pytest.fixture
def spares(monkeypatch):
    """Those of a machine on which the moment of a short job does not pass."""
    monkeypatch.setattr(module, "LONGEST", 600)
    monkeypatch.setattr("offbeat.jobs.worker.in_hand.spares", spares := SpareMessages())
    monkeypatch.setattr("offbeat.jobs.worker.pull.spares", spares)
    return spares


@pytest.fixture
def worker(spares):
    with current_app.connection_for_read() as connection:
        yield Worker(connection.channel(), spares)
    state.reset_state()


@pytest.fixture
def waiting(carrier):
    """Gives the ids of the messages that wait in a list, first that which is taken next."""

    def ids(level=0):
        name = broker.key(broker.list_name("default", level))
        return [json.loads(raw)["headers"]["id"] for raw in reversed(carrier.lrange(name, 0, -1))]

    return ids


def put_jobs(carrier, count, level=0):
    ids = [str(uuid.uuid4()) for _ in range(count)]
    for each in ids:
        message = job_message(each, nothing.name, "default", timezone.now(), level=level)
        carrier.lpush(broker.key(broker.list_name("default", level)), message)
    return ids


def test_no_message_is_taken_before_a_short_job_has_ended(worker, carrier, waiting):
    """It may be that another worker is free."""
    ids = put_jobs(carrier, 2)
    worker.take(1)

    assert not worker.channel.qos.can_consume()
    worker.note_end(time.monotonic() - 601)
    assert not worker.channel.qos.can_consume()
    worker.note_end(time.monotonic())
    assert worker.channel.qos.can_consume()
    assert waiting() == ids[1:]


def test_plain_messages_allow_none(worker, carrier):
    """Of those that its worker has in hand when it is killed, a second one would be delivered again much later."""
    put_jobs(carrier, 1)
    worker.take(1)
    worker.requests[0].is_job = False

    worker.note_end(time.monotonic())

    assert not worker.channel.qos.can_consume()


def test_what_has_waited_goes_back_to_the_head_of_its_queue(worker, carrier, waiting):
    """A second look tells that it still waits; what the child has is not touched."""
    first, second, third = put_jobs(carrier, 3)
    worker.take(1)
    worker.note_end(time.monotonic())
    worker.take(2)

    worker.spares._look()  # noqa: SLF001  as the loop does
    assert waiting() == [third]
    worker.spares._look()  # noqa: SLF001

    assert waiting() == [second, third]
    assert [each.id for each in state.reserved_requests] == [first]
    worker.semaphore.release()
    assert len(worker.semaphore._waiting) == 0  # noqa: SLF001  it would begin here, too
    assert worker.semaphore.value == 1


def test_what_a_child_has_got_meanwhile_stays(worker, carrier, waiting):
    """Something else is the first to wait."""
    put_jobs(carrier, 2)
    worker.take(1)
    worker.note_end(time.monotonic())
    worker.take(2)
    worker.spares._look()  # noqa: SLF001  as the loop does

    worker.semaphore.release()
    worker.look_twice()

    assert waiting() == []
    assert worker.spares.in_hand() == 0


def test_a_plain_message_goes_back_as_well(worker, carrier, waiting):
    """Redis has it on record no longer; it does not count as delivered again, after which it would be buried some day."""
    (job,) = put_jobs(carrier, 1)
    worker.take(1)
    plain = nothing.delay().id
    worker.note_end(time.monotonic())
    worker.take(2)

    worker.look_twice()

    assert waiting() == [plain]
    assert b"redelivered" not in carrier.lindex(broker.key("default"), 0)
    assert not carrier.exists(broker.key("unacked"))
    assert [each.id for each in state.reserved_requests] == [job]


def test_what_was_asked_for_is_taken(worker, carrier, waiting):
    """Also when the answer comes too late for a short job; kombu would leave it unread until a slot is free, and nobody had it."""
    put_jobs(carrier, 1)
    worker.take(1)
    worker.note_end(time.monotonic())
    worker.channel.connection.cycle.on_poll_start()  # as the event loop does
    worker.spares._allowed_until = 0.0  # noqa: SLF001  time passes
    (late,) = put_jobs(carrier, 1)

    worker.channel.connection.client.drain_events(timeout=30)

    assert [request.id for request in worker.requests[1:]] == [late]
    worker.look_twice()
    assert waiting() == [late]


def test_it_goes_back_to_the_list_of_its_priority(worker, carrier, waiting):
    """Otherwise it would wait for all that are less urgent."""
    level = broker.levels_in_use()[-1]
    put_jobs(carrier, 1)
    worker.take(1)
    (late,) = put_jobs(carrier, 1, level)
    worker.note_end(time.monotonic())
    worker.take(2)

    worker.look_twice()

    assert waiting(level) == [late]


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(("is_spare", "room"), [(True, 1), (False, 0)])
def test_there_is_room_for_a_job_that_other_code_has_refused(worker, carrier, monkeypatch, is_spare, room):
    """A worker that is never idle always has a spare message; but one such job is enough."""
    refusal.refuse([enqueue(Call(GONE, "default", 5)).pk], GONE)
    carrier.delete(broker.key("default"))
    monkeypatch.setattr(code, "fingerprint", lambda: "newer")
    monkeypatch.setattr(code, "tasks", lambda: [GONE])
    monkeypatch.setattr(worker_state, "broker_lost_at", None)
    put_jobs(carrier, 2)
    worker.take(1)
    worker.note_end(time.monotonic())
    worker.take(2)
    if not is_spare:
        worker.spares._tags.clear()  # noqa: SLF001  as if it had been delivered otherwise

    assert pull(worker, ["default"]) == room
