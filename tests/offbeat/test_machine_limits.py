"""Where no thread can be started, nothing else fails, and the next one who needs it starts it."""

from __future__ import annotations

import threading
import types
import uuid

import pytest
from django.test import RequestFactory

from offbeat.api.event_hub import EventHub
from offbeat.api.followers import Follower
from offbeat.cronjobs import pings
from offbeat.jobs.broker import Breaker
from offbeat.machine_limits import _logged_at
from offbeat.ops import health_beside


@pytest.fixture
def no_threads(monkeypatch):
    """Let no thread start in the test."""

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    _logged_at.clear()
    yield
    _logged_at.clear()


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
