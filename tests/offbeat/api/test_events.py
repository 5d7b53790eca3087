"""Server-sent events of jobs: what a client gets of its stream, how slow it may read, and when the stream ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from uuid import UUID

import pytest
from django.db import connection

from offbeat.api import tokens
from offbeat.api.event_hub import EventHub, hub
from offbeat.api.followers import MOST_UNREAD, SocketFollower
from offbeat.jobs.models import Job
from offbeat.web.asgi import get_asgi_application
from offbeat.web.client_socket import ClientSocket
from tests.offbeat.api.conftest import END, Program, finish
from tests.offbeat.support.polling import wait_until


def events_of(text):
    """Give (name, id, body) of each event in a stream."""
    events = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and line[0] != ":")
        if "event" in fields:
            events.append((fields["event"], fields["id"], json.loads(fields["data"])))
    return events


def finish_elsewhere():
    """Do so in a thread of its own."""
    finish()
    connection.close()


@pytest.mark.django_db
class TestShortStreams:
    """A server that can hand no connection over ends each answer; the client comes again by itself."""

    def test_a_client_gets_what_is_new_to_it(self, program):
        """Its last event's id says what it knows."""
        url = program.enqueue("count", args=[1])["Location"] + "/events"

        answer = program.get(url)

        text = b"".join(answer.streaming_content).decode()
        ((name, event, body),) = events_of(text)
        assert (answer["Content-Type"], text[:13]) == ("text/event-stream", "retry: 2000\n\n")
        assert (name, body["events_url"]) == ("state", url)
        assert (
            events_of(b"".join(program.get(url, **{"Last-Event-ID": event}).streaming_content).decode()) == []
        )

        Job.objects.update(progress_done=1, progress_total=2)
        again = b"".join(program.get(url, **{"Last-Event-ID": event}).streaming_content).decode()
        assert [(each[0], each[2]["progress"]) for each in events_of(again)] == [
            ("progress", {"done": 1, "total": 2})
        ]

        finish()
        last = events_of(program.get(url, **{"Last-Event-ID": event}).text)
        assert [(each[0], each[2]["result"]) for each in last] == [("state", "done"), ("end", "done")]

    def test_a_large_result_is_read_elsewhere(self, program):
        """Two hundred of them would be the memory of the process."""
        url = program.enqueue("count", args=[1])["Location"]
        Job.objects.update(state="succeeded", result="x" * 100_000)

        assert events_of(program.get(f"{url}/events").text)[-1][2]["result"] is None
        assert len(program.get(url).json()["result"]) == 100_000

    def test_there_are_so_many_at_most(self, program, settings):
        """Others ask for the status."""
        settings.OFFBEAT_API = {"streams": 0}
        url = program.enqueue("count", args=[1])["Location"]

        answer = program.get(f"{url}/events")

        assert (answer.status_code, answer["Retry-After"]) == (503, "5")


class TestSlowReaders:
    """What a client does not read is bounded, and so is its time."""

    @pytest.fixture
    def ends(self):
        """A follower on a socket, and its other end."""
        mine, other = socket.socketpair()
        own = ClientSocket.adopt(mine)
        own.setblocking(False)
        follower = SocketFollower(UUID(int=0), "", 0, lambda _: None)
        follower.begin(own, own.close)
        yield follower, other
        follower.close()
        other.close()

    def test_who_reads_nothing_is_dropped(self, ends):
        """At some bytes, whatever the kernel holds beside."""
        follower, _ = ends
        pushed = 0
        while not follower.is_over and pushed < 100 * MOST_UNREAD:
            follower.push(b"x" * 10_000)
            pushed += 10_000
            follower.flush()

        assert follower.is_over
        assert follower.size < MOST_UNREAD + 20_000

    def test_who_reads_no_more_is_dropped(self, ends, monkeypatch):
        """Also with few bytes."""
        follower, _ = ends
        while not follower.unread:
            follower.push(b"x" * 10_000)
            follower.flush()
        assert not follower.is_over

        monkeypatch.setattr("offbeat.api.followers.PATIENCE", -1.0)
        follower.flush()

        assert follower.is_over

    def test_who_has_gone_is_dropped(self, ends):
        """At the next round."""
        follower, other = ends
        follower.flush()
        assert not follower.is_over

        other.close()
        follower.flush()

        assert follower.is_over

    def test_who_reads_slowly_gets_all(self, ends):
        """The end, too, and nothing behind it, whatever the rounds bring until it has read so far."""
        follower, other = ends
        for _ in range(20):
            follower.push(b"x" * 10_000)
        follower.finish()
        read = b""
        while not follower.is_over:
            follower.push(b"the end, once more")
            follower.flush()
            read += other.recv(50_000)
        other.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while more := other.recv(50_000):
                read += more

        assert read == 20 * (b"2710\r\n" + b"x" * 10_000 + b"\r\n") + END


@pytest.mark.django_db
def test_a_token_is_revoked_while_its_stream_is_open(program):
    """The stream ends with the next sign of life, and those of other tokens go on."""
    job_id = UUID(program.enqueue("count", args=[1]).json()["id"])
    revoked, other = (tokens.take(f"Bearer {token}").id for token in (program.token, Program("other").token))
    followers = [SocketFollower(job_id, "", token, lambda _: None) for token in (revoked, other)]
    own = EventHub()
    own.kept_alive_at -= 100
    own.tell(followers)
    assert [each.is_finishing for each in followers] == [False, False]

    tokens.revoke("billing")
    own.kept_alive_at -= 100
    own.tell(followers)

    assert [each.is_finishing for each in followers] == [True, False]


@pytest.mark.django_db(transaction=True)
def test_under_asgi_a_coroutine_waits(monkeypatch):
    """It gets what the ledger says, and the end."""
    monkeypatch.setattr("offbeat.api.event_hub.INTERVAL", 0.05)
    program = Program()
    url = program.enqueue("count", args=[1])["Location"] + "/events"
    chunks = []

    async def receive():
        if not chunks:
            chunks.append(b"")
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.sleep(3600)
        return None

    async def send(message):
        chunks.append(message.get("body", b""))
        if len([each for each in chunks if each]) == 1:
            await asyncio.to_thread(finish_elsewhere)

    scope = {
        "type": "http",
        "method": "GET",
        "path": url,
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {program.token}".encode())],
    }
    asyncio.run(asyncio.wait_for(get_asgi_application()(scope, receive, send), 30))

    assert [each[0] for each in events_of(b"".join(chunks).decode())] == ["state", "state", "end"]
    wait_until(lambda: not hub.followers and hub.thread is None)
