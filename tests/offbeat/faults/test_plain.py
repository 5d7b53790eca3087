"""Plain `.delay()` tasks: Celery's own promises, kept better."""

from __future__ import annotations

import pytest

from offbeat.deployment.spec import read
from offbeat.jobs import broker
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.proxy import Proxy
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.faults


@pytest.mark.long
@pytest.mark.brokers("rabbitmq", weekly=("sqs",))
def test_a_killed_worker(faults):
    """A plain task of a killed worker runs again after the visibility timeout that is shipped."""
    first = faults.worker()
    tasks.work.delay("plain", gate=faults.gate)
    faults.wait_for_start("plain")

    first.kill()
    faults.worker()

    faults.wait_for_start("plain", times=2, seconds=75)


@pytest.mark.fault(
    "a worker is killed while it restores plain messages of dead workers, and holds the lock for that"
)
def test_a_worker_killed_while_it_looks(faults):
    """A worker that dies while it looks for messages of dead workers keeps the others from looking for seconds, not minutes."""
    options = {"VISIBILITY_TIMEOUT": "6", "OFFBEAT_JOBS_HEARTBEAT_FILE": str(faults.stack.folder / "beat")}
    first = faults.worker(**options)
    tasks.work.delay("plain", gate=faults.gate)
    faults.wait_for_start("plain")
    first.kill()
    proxy = Proxy(faults.redis.url, last=b"unacked_mutex")
    second = faults.stack.start("worker", read().service("worker").argv, REDIS_URL=proxy.url, **options)
    with faults.redis.connect() as client:
        wait_until(lambda: client.exists(broker.key("unacked_mutex")))
    second.kill()

    faults.worker(**options)

    faults.wait_for_start("plain", times=2, seconds=40)


@pytest.mark.brokers(weekly=("sqs",))
def test_a_task_of_three_visibility_timeouts(faults):
    """A task three visibility timeouts long starts once, although a second worker looks for messages to deliver again."""
    options = {"VISIBILITY_TIMEOUT": "5"}
    faults.worker(**options)
    faults.worker(**options)

    tasks.work.delay("long", 15)

    wait_until(lambda: faults.happened("long") == 1, seconds=40)
    assert faults.happened("long", "start") == 1


@pytest.mark.brokers("rabbitmq", weekly=("sqs",))
@pytest.mark.pools(weekly=("threads",))
def test_a_task_that_kills_its_process(faults):
    """A plain task that kills its process each time is delivered again up to the cap, and then a dead letter."""
    faults.worker(OFFBEAT_JOBS_DELIVERY_CAP="3")

    sent = tasks.kill_itself.delay("plain poison")

    dead = wait_until(lambda: Job.objects.filter(pk=sent.id).first(), seconds=60)
    assert dead.state == "dead"
    assert dead.args == ["plain poison"]
    assert faults.happened("plain poison", "start") == 4
