"""The cast: Alice reads the letter, Bob has not confirmed yet, Charlie has left."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import transaction

from newsletter import digest
from newsletter.models import Note, Subscriber

NOW = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)


@pytest.fixture
def now(monkeypatch):
    """The clock, standing still."""
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    return NOW


@pytest.fixture
def alice(db, now):
    return Subscriber.objects.create(email="alice@example.com", requested_at=now, confirmed_at=now)


@pytest.fixture
def bob(db, now):
    return Subscriber.objects.create(email="bob@example.com", requested_at=now)


@pytest.fixture
def charlie(db, now):
    return Subscriber.objects.create(
        email="charlie@example.com", requested_at=now, confirmed_at=now, unsubscribed_at=now
    )


@pytest.fixture
def everybody(alice, bob, charlie):
    """Alice, Bob and Charlie."""
    return [alice, bob, charlie]


@pytest.fixture
def run():
    """Runs a task's code here and now, under a job's id."""

    def run_task(task, *args):
        task.push_request(id="01a1f854", called_directly=True)
        try:
            task.run(*args)
        finally:
            task.pop_request()

    return run_task


@pytest.fixture
def note(db, now):
    return Note.objects.create(headline="Wake-ups", text="A < B", url="https://example.com/1", written_at=now)


@pytest.fixture
def issue(note):
    with transaction.atomic():
        return digest.compose(note.written_at)


@pytest.fixture
def readers(db, now):
    """Five confirmed subscribers."""
    return [
        Subscriber.objects.create(email=f"reader{n}@example.com", requested_at=now, confirmed_at=now)
        for n in range(5)
    ]


@pytest.fixture
def answers(monkeypatch):
    """The mail server takes mails until the one that it has an answer for."""
    errors, take = {}, EmailBackend.send_messages

    def send_messages(self, messages):
        if error := errors.pop(messages[0].to[0], None):
            raise error
        return take(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", send_messages)
    return errors


def received():
    return [message.to[0] for message in mail.outbox]


@pytest.fixture
def ask(client, settings):
    """Asks for the letter as a program does; each `hop` is a client of its own, as the platform's router sees it."""
    settings.TRUSTED_PROXIES = 1

    def post(email, hop="192.0.2.1", **more):
        headers = {"x-forwarded-for": hop, "x-forwarded-proto": "https"}
        body = {"email": email, **more}
        return client.post("/api/subscribers/", body, content_type="application/json", headers=headers)

    return post


def statuses(answers):
    return Counter(answer.status_code for answer in answers)
