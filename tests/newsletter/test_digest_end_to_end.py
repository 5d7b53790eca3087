"""The digest as it runs: a worker's processes, and a mail server that holds its answer back."""

from __future__ import annotations

import re
import threading
from collections import Counter

import pytest
from aiosmtpd.controller import Controller
from django.db import transaction
from django.utils import timezone

from newsletter import digest
from newsletter.models import Delivery, Issue, Note, Subscriber
from newsletter.tasks import send_weekly_digest, subscribe
from offbeat.jobs import Job
from tests.offbeat.support.polling import wait_until


class Gate:
    """A mail server that takes so many mails, and then takes each but does not say so until the gate is open."""

    def __init__(self, free):
        self.free = free
        self.taken = []
        self.is_open = threading.Event()

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  aiosmtpd's name for it
        self.taken.append(re.search(rb"Message-ID: (\S+)", envelope.content)[1])
        if len(self.taken) > self.free and not self.is_open.is_set():
            # Whoever waits here is killed; aiosmtpd ends the session with its connection.
            await session.loop.create_future()
        return "250 OK"


@pytest.fixture
def gate(stack):
    handler = Gate(free=40)
    controller = Controller(handler, hostname="127.0.0.1", port=int(stack.environment["EMAIL_PORT"]))
    controller.start()
    yield handler
    controller.stop()


def enqueue_digest(readers):
    """Fan a digest out to so many readers, in this process."""
    now = timezone.now()
    Subscriber.objects.bulk_create(
        Subscriber(email=f"reader{number}@example.com", confirmed_at=now) for number in range(readers)
    )
    Note.objects.create(headline="Wake-ups", text="They come late, early, twice or never.")
    with transaction.atomic():
        send_weekly_digest.run()


def test_a_killed_worker_repeats_what_was_in_its_hands_and_nothing_else(stack, gate):
    """Killed with one mail of each slot taken and not noted: these come twice, as the same mails, and all others once."""
    stack.environment |= {"OFFBEAT_JOBS_HEARTBEAT_INTERVAL": "0.5", "OFFBEAT_JOBS_HEARTBEAT_TIMEOUT": "3"}
    enqueue_digest(500)
    worker = stack.worker()
    in_hand = int(stack.environment["WORKER_CONCURRENCY"])
    wait_until(lambda: len(gate.taken) == gate.free + in_hand)
    wait_until(lambda: Delivery.objects.count() == gate.free)

    worker.kill()
    held = gate.taken[gate.free :]
    gate.is_open.set()
    stack.worker()
    wait_until(lambda: Issue.objects.filter(delivered_at__isnull=False).exists(), seconds=60)

    times = Counter(gate.taken)
    assert len(times) == Delivery.objects.count() == 500
    assert sorted(mail for mail, count in times.items() if count > 1) == sorted(held)
    assert set(times.values()) == {1, 2}


class Picky:
    """A mail server with a full mailbox, an address that it does not know, and a mail that it does not like at first."""

    def __init__(self):
        self.taken, self.seen = [], set()

    def is_first(self, address):
        is_first = address not in self.seen
        self.seen.add(address)
        return is_first

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802  as above
        if address.startswith("reader0@") and self.is_first(address):
            return "452 4.2.2 mailbox full"
        if address.startswith("reader1@"):
            return "550 5.1.1 unknown"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  as above
        (address,) = envelope.rcpt_tos
        if address.startswith("reader2@") and self.is_first(address):
            return "554 5.6.0 not this one"
        self.taken.append(address.partition("@")[0])
        return "250 OK"


@pytest.fixture
def picky(stack):
    handler = Picky()
    controller = Controller(handler, hostname="127.0.0.1", port=int(stack.environment["EMAIL_PORT"]))
    controller.start()
    yield handler
    controller.stop()


def test_a_server_that_is_picky_holds_up_nobody(stack, picky):
    """Over one connection: whoever is refused or postponed costs those behind nothing, and is asked again where that helps."""
    enqueue_digest(5)
    stack.worker()

    wait_until(lambda: Issue.objects.filter(delivered_at__isnull=False).exists(), seconds=60)

    assert picky.taken == ["reader3", "reader4", "reader0", "reader2"]
    assert Delivery.objects.filter(is_refused=True).count() == 1


def test_whoever_subscribes_waits_for_no_digest(stack, monkeypatch):
    """A confirmation that is asked for behind a whole digest is sent before it."""
    monkeypatch.setattr(digest, "CHUNK", 5)
    stack.mail_sink()
    enqueue_digest(100)
    confirmation = subscribe("dora@example.com")

    stack.worker(WORKER_CONCURRENCY="1")
    wait_until(lambda: Issue.objects.filter(delivered_at__isnull=False).exists(), seconds=60)

    chunks = Job.objects.filter(task="newsletter.tasks.send_chunk")
    confirmation.refresh_from_db()
    assert chunks.count() == 20
    assert confirmation.started_at < min(chunks.values_list("started_at", flat=True))
