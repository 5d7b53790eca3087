"""Clients that are slow on purpose hold no thread, and not even their connection for long."""

from __future__ import annotations

import contextlib
import os

import pytest
from django.conf import settings

from offbeat.web.frame import WHOLE
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.raw_client import RawClient, request, status_of

pytestmark = pytest.mark.faults

CLIENTS = 24
THREADS = 4
HALF = b"GET /healthz HTTP/1.1\r\nHost: local"
LARGE = 4 * 1024 * 1024
UNREAD = request("GET", "/healthz", "Content-Length: 5000000", body=b"x")
BEGINNINGS = {
    "nothing": b"",
    "half a request line": b"GE",
    "half a head": HALF,
    "half a body": request("POST", "/admin/login/", "Content-Length: 5000", body=b"username=a"),
    "half a chunk": request("POST", "/", "Transfer-Encoding: chunked", body=b"5\r\nab"),
    "what looks like the last chunk": request(
        "POST", "/", "Transfer-Encoding: chunked", body=b"9\r\n0\r\n\r\n"
    ),
    "endless trailers": request("POST", "/", "Transfer-Encoding: chunked", body=b"0\r\nX: y\r\n"),
    "half a second request": request("GET", "/healthz") + HALF,
    "a body that nobody reads": UNREAD,
    "a body after being asked to": request("POST", "/", "Content-Length: 5000", "Expect: 100-continue"),
}


@pytest.fixture
def crowd():
    """Open connections, and close them after the test."""
    with contextlib.ExitStack() as clients:

        def connect(web, beginning, count=CLIENTS, **options):
            members = [RawClient(web.browser.address, **options) for _ in range(count)]
            for each in members:
                clients.callback(each.close)
                each.send(beginning)
            return members

        yield connect


def answers(web):
    return web.browser.get("/healthz").status == 200


def test_crowds_that_go_silent(stack, crowd):
    """Whatever six times as many clients as there are threads have begun, others are answered meanwhile."""
    web = stack.web(WEB_THREADS=str(THREADS), WEB_REQUEST_SECONDS="60")

    for beginning in BEGINNINGS.values():
        members = crowd(web, beginning)
        assert [answers(web) for _ in range(10)] == [True] * 10
        assert beginning is UNREAD or not any(each.is_closed() for each in members)
        for each in members:
            each.close()


@pytest.mark.parametrize("beginning", ["half a head", "half a body", "half a chunk"])
def test_a_deadline(stack, crowd, beginning):
    """Those who do not finish are answered with 408, and their connections closed; no line of an error is logged."""
    web = stack.web(WEB_REQUEST_SECONDS="2")
    members = crowd(web, BEGINNINGS[beginning])

    wait_until(lambda: all(each.is_closed() for each in members))

    assert {status_of(each.received.decode()) for each in members} == {408}
    assert "Traceback" not in web.output


def test_a_drip(stack, crowd):
    """A byte now and then earns no time that counts."""
    web = stack.web(WEB_REQUEST_SECONDS="2")
    (member,) = crowd(web, HALF, count=1)

    wait_until(lambda: not member.send(b"h") or member.is_closed(), pause=0.2)

    assert status_of(member.received.decode()) == 408


def test_a_second_request_has_the_deadline_too(stack, crowd):
    """A connection that was answered once is no way around it."""
    web = stack.web(WEB_REQUEST_SECONDS="2")
    (member,) = crowd(web, BEGINNINGS["half a second request"], count=1)

    wait_until(member.is_closed)

    first, second = member.received.decode().split("HTTP/1.1 ")[1:]
    assert first.startswith("200")
    assert second.startswith("408")


def test_requests_that_come_together(stack, crowd):
    """A connection is kept, also for requests that come at once."""
    web = stack.web()
    beginning = request("GET", "/healthz") + request(
        "POST", "/admin/login/", "Content-Length: 3", body=b"a=b"
    )
    (member,) = crowd(web, beginning + request("GET", "/healthz", "Connection: close"), count=1)

    answers = member.answer().split("HTTP/1.1 ")[1:]

    assert [each[:3] for each in answers] == ["200", "403", "200"]


def test_readers_that_do_not_read(stack, crowd):
    """An answer that nobody takes waits in the kernel, or holds a thread for a bounded time."""
    static = stack.folder / "static"
    static.mkdir()
    (static / "large.bin").write_bytes(os.urandom(LARGE))
    web = stack.web(WEB_THREADS=str(THREADS), WEB_REQUEST_SECONDS="1", TESTS_STATIC_ROOT=str(static))
    members = crowd(web, request("GET", "/static/large.bin"), receive_buffer=4096)

    for _ in range(3):
        assert answers(web)

    # Who still has a thread when we begin to read gets all of it.
    assert sum(len(each.answer()) < LARGE for each in members) >= CLIENTS - THREADS
    assert "Traceback" not in web.output


def test_an_ordinary_page_waits_in_the_kernel(stack, crowd):
    """Readers of a page of the usual size hold no thread at all."""
    static = stack.folder / "static"
    static.mkdir()
    (static / "page.bin").write_bytes(os.urandom(100 * 1024))
    web = stack.web(WEB_THREADS=str(THREADS), WEB_REQUEST_SECONDS="60", TESTS_STATIC_ROOT=str(static))
    members = crowd(web, request("GET", "/static/page.bin"), receive_buffer=4096)

    for _ in range(10):
        assert answers(web)

    assert len(members[0].socket.recv(10)) == 10


def test_clients_that_stay_after_an_answer(stack, crowd):
    """Closing a connection waits for no client: those that were told, and stay, stop nobody."""
    web = stack.web(WEB_THREADS=str(THREADS))
    crowd(web, request("GET", "/healthz", "Connection: close"))

    for _ in range(10):
        assert answers(web)


def test_more_connections_than_there_is_room_for(stack, crowd):
    """The oldest idle connections make room for new ones."""
    web = stack.web("--worker-connections", "40")
    members = crowd(web, b"", count=60)

    assert answers(web)
    wait_until(lambda: any(each.is_closed() for each in members))
    assert not members[-1].is_closed()


def test_bodies_that_need_more_memory_than_there_is(stack, crowd):
    """Bodies that are on their way are bounded together: the oldest give way, and whoever sends a whole one is served."""
    web = stack.web(WEB_REQUEST_SECONDS="60")
    begun = request("POST", "/echo/", f"Content-Length: {WHOLE}", body=b"x" * (WHOLE - 1))
    members = crowd(web, begun, count=40)

    wait_until(members[0].is_closed)

    assert status_of(members[0].received.decode()) == 503
    assert not members[-1].is_closed()
    (honest,) = crowd(web, begun + b"x", count=1)
    assert honest.socket.recv(12) == b"HTTP/1.1 200"


def test_whole_bodies_that_wait_for_a_thread(stack, crowd):
    """They count as well: a view that hangs fills no memory with those behind it."""
    web = stack.web(WEB_THREADS="1")
    crowd(web, request("GET", "/echo/?seconds=60"), count=1)

    members = crowd(web, request("POST", "/echo/", f"Content-Length: {WHOLE}", body=b"x" * WHOLE), count=40)

    wait_until(lambda: sum(each.is_closed() for each in members) >= 5)
    assert {status_of(each.received.decode()) for each in members if each.received} == {503}


def test_a_stop_waits_for_nobody_who_has_only_begun(stack, crowd):
    """A web process with slow clients stops within its grace, and ends well."""
    web = stack.web(WEB_REQUEST_SECONDS="600")
    crowd(web, HALF)
    assert answers(web)

    assert web.stop(seconds=20) == 0


def test_the_shipped_deadline():
    """It is below the 30 s after which routers give up."""
    assert settings.WEB_REQUEST_SECONDS < 30


def test_a_request_that_takes_its_time_but_comes(stack, crowd):
    """One that arrives in pieces within the deadline is answered as any other."""
    web = stack.web()
    (member,) = crowd(web, b"", count=1)
    whole = request("GET", "/healthz", "Connection: close")

    for byte in whole:
        member.send(bytes([byte]))

    assert status_of(member.answer()) == 200
