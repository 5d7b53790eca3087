"""The primary of Redis changes: killed, killed with messages that no replica has, and frozen until another one has its place."""

from __future__ import annotations

import pytest
import redis
from celery import current_app

from offbeat.dev.ports import LOOPBACK
from offbeat.jobs import broker
from offbeat.ops.doctor.examination import is_away
from offbeat.variables import redis_url
from tests.offbeat.faults.effects import tasks
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.sentinels import MASTER, Node, Sentinel, Sentinels

pytestmark = pytest.mark.faults


@pytest.fixture
def sentinels(faults, tmp_path, monkeypatch):
    """Three sentinels, by which the worker and this process find Redis."""
    with Sentinels(tmp_path) as found:
        at = redis_url.read(redis_url.form(found.url), verify=None, tell=pytest.fail)
        options = {**current_app.conf.broker_transport_options, **at.transport}
        monkeypatch.setitem(current_app.conf, "broker_url", at.url)
        monkeypatch.setitem(current_app.conf, "broker_transport_options", options)
        broker.client.cache_clear()
        faults.stack.environment["REDIS_URL"] = found.url
        faults.stack.redis = found.primary
        yield found
        faults.stack.end()
        broker.client().close()
    monkeypatch.undo()
    broker.client.cache_clear()
    broker.breaker.close()


def why_not(address):
    """Give the text of the error that a client of these sentinels gets."""
    at = redis_url.read(redis_url.form(f"sentinel://{address}"), verify=None, tell=pytest.fail)
    with pytest.raises(redis.RedisError) as found, at.connect() as client:
        client.ping()
    assert is_away(found.value)
    return str(found.value)


def enqueue(name, count=20, seconds=0.1):
    for number in range(count):
        tasks.work.enqueue(f"{name}-{number}", seconds)


def test_no_primary_is_found(tmp_path):
    """What each sentinel says is in the message, and the doctor calls Redis down: one that knows another name, one that is down."""
    with (
        Node(tmp_path / "node", durable=False) as node,
        Sentinel(tmp_path / "sentinel", node) as sentinel,
        sentinel.connect() as client,
    ):
        wait_until(lambda: client.sentinel_master(MASTER)["port"] == node.port)
        wrong_name = why_not(f"{LOOPBACK}:{sentinel.port},{LOOPBACK}:1/0?master_name=other")

    down = why_not(f"{LOOPBACK}:{sentinel.port}/0")

    assert (
        f"no sentinel has a primary other: {LOOPBACK}:{sentinel.port} knows master_name={MASTER}; {LOOPBACK}:1 says: Error 111"
        in wrong_name
    )
    assert f"no sentinel has a primary mymaster: {LOOPBACK}:{sentinel.port} says: Error 111" in down


@pytest.mark.long
@pytest.mark.fault(
    "the sentinels make another server the primary: the old one is killed, or frozen and back later"
)
def test_the_primary_changes(faults, sentinels):
    """Every job is done once, whatever the primary took with it; the worker and the web follow the sentinels."""
    worker = faults.quick_worker()
    enqueue("before")
    faults.wait_for_start("before-2")

    sentinels.primary.kill()
    enqueue("without a primary")
    sentinels.wait_for_failover(replicas=0)
    enqueue("after")
    faults.wait_for_all()

    sentinels.restart_replica()
    sentinels.replica.pause()
    enqueue("unknown to the replica")
    sentinels.primary.kill()
    sentinels.replica.resume()
    sentinels.wait_for_failover(replicas=0)
    faults.wait_for_all()

    sentinels.restart_replica()
    sentinels.primary.pause()
    enqueue("while it is frozen")
    sentinels.wait_for_failover(replicas=0)
    enqueue("while another is the primary")
    sentinels.replica.resume()
    sentinels.wait_for(sentinels.primary, replicas=1)
    enqueue("with the old one back")
    faults.wait_for_all()

    assert faults.repeated() == []
    assert all(faults.happened(f"{name}-{number}") == 1 for name in NAMES for number in range(20))
    assert worker.is_running
    assert "Traceback" not in worker.output
    wait_until(lambda: broker.client().ping())


NAMES = [
    "before", "without a primary", "after", "unknown to the replica", "while it is frozen", "while another is the primary",
    "with the old one back",
]  # fmt: skip
