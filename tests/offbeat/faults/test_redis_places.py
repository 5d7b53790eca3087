"""Redis where a host gives it: at a Unix socket, and as a cluster, which is refused wherever it is met."""

from __future__ import annotations

import json
import os

import pytest
from celery import current_app

from offbeat.dev import preparation
from offbeat.dev.embedded_redis import EmbeddedRedis
from offbeat.dev.ports import free_port
from offbeat.dev.refusal import RefusedError
from offbeat.jobs import broker
from offbeat.jobs.models import Job
from offbeat.storage.cache import OptionalRedisCache
from offbeat.variables import redis_url
from tests.offbeat.faults.effects import tasks
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.stack import MANAGE

pytestmark = pytest.mark.faults

SENTENCE = "Redis Cluster spreads keys over several servers, and Celery needs a queue and its records on one"


class Server(EmbeddedRedis):
    more = ""

    def configuration(self):
        return super().configuration() + self.more.encode()


@pytest.fixture
def server(faults, tmp_path):
    """Another Redis than that of all tests; where it is configured, a test says."""
    found = Server(tmp_path / "redis", durable=False)
    yield found
    faults.stack.end()
    found.stop()


def use(faults, server, monkeypatch, url):
    """Let the processes of a test, and this one, find a server by an address."""
    server.start()
    at = redis_url.read(redis_url.form(url), verify=None, tell=pytest.fail)
    monkeypatch.setitem(current_app.conf, "broker_url", at.url)
    broker.client.cache_clear()
    faults.stack.redis = server
    faults.stack.environment["REDIS_URL"] = url
    return at


@pytest.fixture(autouse=True)
def _own_client(monkeypatch):
    yield
    broker.client().close()
    monkeypatch.undo()
    broker.client.cache_clear()
    broker.breaker.close()


def doctor(stack):
    found = json.loads(stack.manage("doctor", "--json").stdout)["findings"]
    return {each["name"]: (each["level"], each["found"]) for each in found}


@pytest.mark.pools(weekly=("threads",))
@pytest.mark.parametrize("url", ["unix://:{password}@{path}?db=1"])
def test_a_unix_socket(faults, server, tmp_path, monkeypatch, url):
    """Jobs, the doctor and a cache: each finds it, whichever library reads the address."""
    path = tmp_path / "r s.sock"
    server.more = f'unixsocket "{path}"\nunixsocketperm 700\n'
    at = use(
        faults, server, monkeypatch, url.format(password=server.password, path=str(path).replace(" ", "%20"))
    )
    faults.worker()

    tasks.work.enqueue("by a socket")
    faults.wait_for_all()
    findings = doctor(faults.stack)
    cache = OptionalRedisCache(at.url, {"OPTIONS": {"address": at}})
    cache.set("a", 1)

    assert faults.happened("by a socket") == 1
    assert findings["Redis"][1].startswith(f"{path} answers in ")
    assert findings["Redis TLS"] == ("green", "none: only for a private network")
    assert cache.get("a") == 1
    cache._cache.get_client().close()  # noqa: SLF001


@pytest.mark.pools(weekly=("threads",))
@pytest.mark.fault("Redis has cluster mode on")
def test_a_cluster(faults, server, monkeypatch):
    """The worker, the release, ./run up and the doctor say so in one line; a job that is enqueued waits, and says why."""
    server.more = (
        f"cluster-enabled yes\ncluster-port {free_port()}\n"  # by default one that somebody may have
    )
    url = server.url
    use(faults, server, monkeypatch, url)
    worker = faults.stack.start("worker", [*MANAGE, "worker"])

    tasks.work.enqueue("waits")
    released = faults.stack.manage("release")
    findings = doctor(faults.stack)
    with pytest.raises(RefusedError) as refused:
        preparation.check_redis({"REDIS_URL": url})
    wait_until(lambda: not worker.is_running, 60)

    assert worker.process.returncode == released.returncode == os.EX_CONFIG
    assert worker.output.startswith(f"Error: Redis (REDIS_URL) is a cluster. {SENTENCE}")
    place = f"127.0.0.1:{server.port}"
    assert released.stderr.splitlines()[-1].startswith(
        f"CommandError: Redis at {place} (REDIS_URL) is a cluster. {SENTENCE}"
    )
    assert str(refused.value).startswith(f"REDIS_URL (redis://{place}/0) is a cluster. {SENTENCE}")
    assert findings["Redis cluster"] == ("red", "cluster mode is on: messages do not reach a worker")
    assert "Traceback" not in worker.output + released.stderr
    assert Job.objects.get().state == "pending"
    broker.breaker.close()
    with pytest.raises(broker.BrokerAwayError, match=SENTENCE):
        broker.publish({"default": ["{}"]})
