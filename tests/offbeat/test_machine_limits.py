"""Where no thread can be started, nothing else fails, and the next one who needs it starts it."""

from __future__ import annotations

import threading
import types
import uuid

import pytest
from celery import current_app
from django.test import RequestFactory

from offbeat.api.event_hub import EventHub
from offbeat.api.followers import Follower
from offbeat.cronjobs import pings
from offbeat.jobs.broker import Breaker
from offbeat.jobs.worker import amqp_queues
from offbeat.jobs.worker.sqs_receipts import Receipts, SqsReceipt
from offbeat.jobs.worker.state import worker_state
from offbeat.machine_limits import _logged_at
from offbeat.ops import health_beside
from offbeat.ops.alerts import watch


@pytest.fixture
def no_threads(monkeypatch):
    """Let no thread start in the test."""
    monkeypatch.setattr(threading.Thread, "start", refuse)
    _logged_at.clear()
    yield
    _logged_at.clear()


def refuse(thread):
    raise RuntimeError("can't start new thread")


def test_one_line(no_threads, caplog):
    """What is refused again and again is one line."""
    breaker = Breaker()

    breaker.open()
    breaker.open()

    assert caplog.messages == ["thread jobs-breaker cannot be started: can't start new thread"]


def test_a_breaker_that_nobody_closes(no_threads):
    """It opens: who has just committed a job, and could not publish it, sees no error. It closes by itself."""
    breaker = Breaker()

    breaker.open()

    assert breaker.is_open


def test_a_request_without_what_runs_beside_it(no_threads, monkeypatch):
    """It is answered; the next one starts the thread."""
    request = RequestFactory().get("/", SERVER_SOFTWARE="gunicorn/27")
    monkeypatch.setattr(health_beside, "_thread", None)
    health_beside.ensure(request)
    assert health_beside._thread is None  # noqa: SLF001

    monkeypatch.undo()
    monkeypatch.setattr(health_beside, "_thread", None)
    monkeypatch.setattr(health_beside, "run", lambda: None)
    monkeypatch.setattr(health_beside, "atexit", types.SimpleNamespace(register=lambda _: None))
    health_beside.ensure(request)

    assert health_beside._thread is not None  # noqa: SLF001


def test_a_client_that_nobody_can_tell(no_threads):
    """Its stream ends, so that it comes again; the next one may start the thread."""
    hub, follower = EventHub(), Follower(uuid.uuid4(), "", 1)

    hub.add(follower)

    assert (follower.is_over, hub.followers, hub.thread) == (True, set(), None)


def test_a_ping_that_cannot_be_sent(no_threads, monkeypatch):
    """It is dropped, as one that fails; the job goes on, and the next ping starts the thread."""
    monkeypatch.setattr(pings, "_sender", None)

    pings.put(pings.Ping("https://watch.example/"))

    assert pings._sender is None  # noqa: SLF001


def test_a_check_for_incidents_that_cannot_begin(no_threads):
    """A worker's heartbeat goes on, and the next check begins."""
    watch.start_check()

    assert watch._checking.acquire(blocking=False)  # noqa: SLF001
    watch._checking.release()  # noqa: SLF001


def test_a_queue_that_nobody_would_take_back(no_threads, monkeypatch):
    """It is not left out for ever: the worker connects anew, as for any error of the broker, until the thread starts."""
    monkeypatch.setattr(amqp_queues, "_server_answers", lambda _: True)
    monkeypatch.setattr(worker_state, "unusable_queues", frozenset())

    amqp_queues.leave_out_if_unusable("default", TimeoutError())

    assert worker_state.unusable_queues == frozenset()
    assert "default" in current_app.amqp.queues.consume_from


def test_a_message_of_sqs_that_nobody_deletes_yet(monkeypatch):
    """The next one that comes, or is done with, starts the thread."""
    deleted, receipts = threading.Event(), Receipts(visibility_timeout=600)
    monkeypatch.setattr(receipts, "_delete", lambda: bool(receipts._done) and deleted.set())  # noqa: SLF001
    with monkeypatch.context() as refusing:
        refusing.setattr(threading.Thread, "start", refuse)
        receipts.hold("tag", SqsReceipt("https://queue", "handle"))

    receipts.settle("tag")

    assert deleted.wait(10)
    receipts._is_closed = True  # noqa: SLF001  which its thread looks at
