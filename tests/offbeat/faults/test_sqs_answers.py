"""Amazon SQS answers, and refuses: one queue or all of it, some requests or each one. Real workers, behind a proxy."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from kombu.exceptions import OperationalError

from offbeat.jobs import broker
from offbeat.jobs.brokers import sqs_client, sqs_queues
from offbeat.jobs.models import Job, Worker
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.sqs_proxy import SqsProxy
from tests.offbeat.faults.test_sqs import QUICK
from tests.offbeat.support.polling import stays, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.brokers("sqs", only=True)]


@pytest.fixture
def proxy(faults, monkeypatch):
    """Between SQS and everybody, this process too."""
    proxy = SqsProxy(faults.carrier)
    monkeypatch.setattr(sqs_queues, "_urls", {})
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", proxy.url)
    faults.stack.environment["AWS_ENDPOINT_URL_SQS"] = proxy.url
    sqs_client._made.cache_clear()  # noqa: SLF001
    yield proxy
    sqs_client._made.cache_clear()  # noqa: SLF001
    proxy.shutdown()
    proxy.server_close()


def is_done(label):
    return Job.objects.filter(args__0=label, state="succeeded").exists()


@pytest.mark.fault("the key of a queue in Redis is not a list")
def test_a_queue_that_is_refused(faults, proxy):
    """Its jobs wait, and the log says why; others run, each message of theirs is sent once, and the worker is well."""
    mail = sqs_queues.name_of("mail")
    proxy.refuse = lambda queue: "AccessDenied" if queue.startswith(mail) else ""
    worker = faults.quick_worker(**QUICK, OFFBEAT_JOBS_STUCK_AFTER="3")
    refused = tasks.nothing_by_mail.enqueue()
    for number in range(10):
        tasks.work.enqueue(f"other-{number}")
    wait_until(lambda: all(is_done(f"other-{number}") for number in range(10)), 60)
    wait_until(lambda: "it denies access" in worker.output)

    sent = proxy.seen["SendMessageBatch", sqs_queues.name_of("default")]
    stays(lambda: worker.is_running and not Worker.objects.filter(broker_away_since__isnull=False), 5)
    assert proxy.seen["SendMessageBatch", sqs_queues.name_of("default")] == sent
    assert Job.objects.get(pk=refused.pk).state in {"pending", "published"}
    assert not broker.breaker.is_open

    proxy.refuse = lambda _: ""
    faults.wait_for_state(refused, "succeeded", 60)
    assert faults.repeated() == []
    assert worker.stop() == 0


@pytest.mark.fault("Redis is down, or accepts connections and never answers")
def test_an_overloaded_sqs(faults, proxy):
    """It throttles, or fails, each third request, then each one, then forgets all queues: nothing is lost, each job runs once."""
    turns, codes = itertools.count(), itertools.cycle(["RequestThrottled", "InternalError"])
    proxy.refuse = lambda _: next(codes) if next(turns) % 3 == 0 else ""
    worker = faults.quick_worker(**QUICK)
    sent = 0
    for number in range(12):
        tasks.work.enqueue(f"job-{number}", 0.05)
        with contextlib.suppress(OperationalError):
            tasks.work.delay(f"plain-{number}")
            sent += 1
    faults.wait_for_all(120)
    wait_until(lambda: sum(faults.happened(f"plain-{number}") > 0 for number in range(12)) >= sent, 60)

    proxy.refuse = lambda _: "SignatureDoesNotMatch"
    for number in range(5):
        tasks.work.enqueue(f"skewed-{number}")
    wait_until(lambda: "the clock of this machine" in worker.output, 60)
    faults.carrier.stop()
    faults.carrier.start()
    proxy.refuse = lambda _: ""
    faults.wait_for_all(120)

    assert [label for label in faults.repeated() if not label.startswith("plain")] == []
    assert worker.stop() == 0
