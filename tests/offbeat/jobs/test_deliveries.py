"""The delivery cap of plain messages."""

from decimal import Decimal

import pytest
from celery.worker.request import Request
from django.utils import timezone

from offbeat.jobs import broker, decisions, deliveries, unreadable_store
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects.tasks import work
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


def request(task_id=None, *, label="a", redelivered=True):
    """Receive a message that Celery sent, as the worker does; the transport marks what it delivers again."""
    work.apply_async([label], {"seconds": 0}, task_id=task_id, queue="mail")
    with work.app.connection_for_read() as connection, connection.SimpleQueue("mail") as queue:
        message = queue.get(timeout=5)
        message.ack()
    message.delivery_info["redelivered"] = redelivered
    return Request(message, app=work.app, task=work)


def test_a_first_delivery_is_not_counted(carrier):
    """Most messages are delivered once and cost nothing."""
    assert deliveries.note_delivery(request(redelivered=False)) is False
    assert carrier.keys(broker.key("jobs:deliveries:*")) == []


def test_a_redelivered_message_is_spent_after_the_cap():
    """Five redeliveries run, the sixth does not."""
    again = request()

    assert [deliveries.note_delivery(again) for _ in range(7)] == 5 * [False] + 2 * [True]


def test_messages_are_counted_each_for_itself():
    """By their id."""
    spent = request()
    for _ in range(6):
        deliveries.note_delivery(spent)

    assert deliveries.note_delivery(request()) is False


def test_the_count_is_forgotten(carrier):
    """After a day, so that Redis does not fill up."""
    again = request()
    deliveries.note_delivery(again)

    assert 0 < carrier.ttl(broker.key(f"jobs:deliveries:{again.id}")) <= 24 * 3600


def test_redis_away_spends_nothing(redis):
    """Better once too often than lost."""
    again = request()
    redis.stop()

    assert deliveries.note_delivery(again) is False


@pytest.mark.parametrize("label", ["\0", "\ud800", float("nan"), timezone.now(), b"bytes", Decimal("1.5")])
def test_a_spent_message_that_can_be_no_job_is_put_aside(label):
    """Celery takes arguments that the ledger does not: nothing is dropped in silence."""
    deliveries.bury(request(label=label))

    (one,) = unreadable_store.kept()
    assert Job.objects.count() == 0
    assert one.reason.startswith(
        "delivered again more than 5 times: its process dies each time; and it cannot be a job: "
    )
    assert (one.queue, one.can_go_back) == ("mail", True)


def test_a_spent_message_is_a_dead_letter(caplog):
    """With its arguments, so that a person can retry it, as a job then."""
    deliveries.bury(request())

    job = Job.objects.get()
    assert (job.state, job.task, job.args, job.kwargs, job.queue) == (
        "dead",
        work.name,
        ["a"],
        {"seconds": 0},
        "mail",
    )
    assert job.reason == "delivered again more than 5 times: its process dies each time"
    assert f"{job.pk} is dead" in caplog.text
    assert decisions.retry(job.pk)
    assert run_jobs() == 1


def test_it_is_written_down_once():
    """A record that is tried again makes no second one."""
    again = request()

    deliveries.bury(again)
    deliveries.bury(again)

    assert Job.objects.count() == 1


def test_an_id_of_ones_own_is_no_obstacle():
    """`apply_async(task_id="nightly-7")` is allowed in Celery: such a message must not be lost here."""
    deliveries.bury(request("nightly-7"))
    deliveries.bury(request("nightly-7"))

    assert Job.objects.get().reason == "delivered again more than 5 times: its process dies each time"


@pytest.mark.parametrize(("number", "priority"), [(None, 0), (0, 0), (9, -99)])
def test_a_buried_message_keeps_its_level(number, priority):
    """A person's retry, as a job, waits where the message did."""
    spent = request()
    spent.delivery_info["priority"] = number

    deliveries.bury(spent)

    assert Job.objects.get().priority == priority
