"""Redis as the ledger sees it."""

import json
import ssl
import time

import pytest
from celery import current_app

from offbeat.jobs import broker
from offbeat.jobs.brokers import redis as redis_broker
from offbeat.jobs.conf import conf
from tests.offbeat.faults.effects.tasks import nothing
from tests.offbeat.support.polling import stays, wait_until

pytestmark = pytest.mark.usefixtures("carrier")


def message(published_at):
    return json.dumps({"headers": {"job": True, "published_at": published_at}})


PLAIN = json.dumps({"headers": {"published_at": 5.5}})


def test_messages_are_handed_out_in_order(carrier):
    """The first one published is the first one popped from the other end."""
    broker.publish({"a": ["1", "2"], "b": ["3"]})

    assert [carrier.rpop(broker.key("a")), carrier.rpop(broker.key("a")), carrier.rpop(broker.key("b"))] == [
        b"1",
        b"2",
        b"3",
    ]


def test_a_refused_connection_opens_the_breaker(redis_away):
    """The first call tells what happened, the next ones do not even ask."""
    with pytest.raises(broker.BrokerAwayError, match="ConnectionError"):
        broker.publish({"a": ["1"]})

    with pytest.raises(broker.BrokerAwayError, match="some seconds ago"):
        broker.publish({"a": ["1"]})


@pytest.fixture
def patient(settings):
    """A client that waits for Redis so long that a pause of this process is short beside it; the seconds."""
    settings.OFFBEAT_JOBS = {"publish_timeout": 3.0}
    redis_broker.client.cache_clear()
    yield conf().publish_timeout
    redis_broker.client.cache_clear()


def test_a_silent_redis_costs_a_bounded_time(redis, carrier, patient):
    """A server that accepts and never answers costs one timeout, and nothing while the breaker is open."""
    broker.publish({"a": ["1"]})
    redis.pause()

    started = time.monotonic()
    with pytest.raises(broker.BrokerAwayError, match="TimeoutError"):
        broker.publish({"a": ["2"]})
    first = time.monotonic() - started
    with pytest.raises(broker.BrokerAwayError, match="some seconds ago"):
        broker.publish({"a": ["3"]})

    assert patient <= first < 3 * patient


def test_the_breaker_closes_when_redis_is_back(settings, redis_away):
    """It stays open while Redis is away, without anybody's trying, and closes when Redis answers a thread that asks."""
    settings.OFFBEAT_JOBS = {"breaker": 0.9}
    with pytest.raises(broker.BrokerAwayError):
        broker.publish({"a": ["1"]})

    stays(lambda: broker.breaker.is_open, seconds=1.5, pause=0.02)
    redis_away.start()
    wait_until(lambda: not broker.breaker.is_open)
    broker.publish({"a": ["1"]})

    assert broker.waiting("a") == 1


def test_the_oldest_message_is_found(carrier):
    """It is the smallest time near the end of the queue, where redelivered ones are pushed in front."""
    carrier.lpush(broker.key("a"), message(10.5), message(20.5))
    carrier.rpush(broker.key("a"), message(15.5))

    assert broker.oldest_published_at("a") == 10.5


def test_an_empty_queue_has_no_oldest(carrier):
    """Nothing waits."""
    assert broker.oldest_published_at("a") is None


def test_plain_messages_tell_nothing(carrier):
    """Where only such wait, no job's message does."""
    carrier.lpush(broker.key("a"), PLAIN, "no json", "[]", '{"headers": {"job": true}}')

    assert broker.oldest_published_at("a") is None


def test_a_job_behind_plain_messages_is_found(carrier):
    """More are looked at, where the first ones are none of a job."""
    carrier.lpush(broker.key("a"), *[PLAIN] * 500, message(10.5), message(20.5))

    assert broker.oldest_published_at("a") == 10.5


def test_behind_very_many_plain_messages_nothing_is_known(carrier):
    """A thousand are looked at: then the answer is as old as can be, so that nothing is taken for lost."""
    carrier.lpush(broker.key("a"), *[PLAIN] * 1000, message(10.5))

    assert broker.oldest_published_at("a") == 0


def test_the_address_is_read_as_kombu_reads_it(monkeypatch):
    """One reader, in any project: redis-py refuses the spelling that Celery asks for."""
    url = "rediss://shop:p%40ss@[::1]:7000/3?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=/ca.pem"
    monkeypatch.setattr(current_app.conf, "broker_url", url)
    broker.client.cache_clear()

    found = broker.client().connection_pool.connection_kwargs

    broker.client.cache_clear()
    assert {name: found[name] for name in ("host", "port", "db", "username", "password")} == {
        "host": "::1", "port": 7000, "db": 3, "username": "shop", "password": "p@ss",
    }  # fmt: skip
    assert (found["ssl_cert_reqs"], found["ssl_ca_certs"]) == (ssl.CERT_REQUIRED, "/ca.pem")


def test_the_prefix_of_the_transport_is_used(ledger, carrier, monkeypatch):
    """Where kombu writes under a prefix, so do we."""
    monkeypatch.setitem(current_app.conf.broker_transport_options, "global_keyprefix", "shop:")
    broker.prefix.cache_clear()

    nothing.enqueue()

    broker.prefix.cache_clear()
    assert carrier.llen("shop:default") == 1
