from datetime import timedelta

from django.core import mail

from newsletter.models import Subscriber
from newsletter.tasks import purge_unconfirmed, send_confirmation, send_reminder


def test_a_pending_subscriber_is_asked_to_confirm(bob, run):
    """The job sends one mail, whose Message-ID carries the job's id."""
    run(send_confirmation, bob.pk)

    (message,) = mail.outbox
    assert message.to == ["bob@example.com"]
    assert message.extra_headers["Message-ID"].startswith("<confirmation.01a1f854@")


def test_nobody_else_is_asked_to_confirm(alice, charlie, run):
    """Whoever has confirmed, left or been purged before the job ran gets no mail."""
    for subscriber_id in (alice.pk, charlie.pk, 0):
        run(send_confirmation, subscriber_id)

    assert mail.outbox == []


def test_a_confirmed_subscriber_is_reminded(alice, run):
    """The reminder goes to whoever is on the list."""
    run(send_reminder, alice.pk)

    (message,) = mail.outbox
    assert message.to == ["alice@example.com"]


def test_nobody_else_is_reminded(bob, charlie, run):
    """The reminder would be untrue for whoever is not, or no longer, on the list."""
    for subscriber_id in (bob.pk, charlie.pk, 0):
        run(send_reminder, subscriber_id)

    assert mail.outbox == []


def test_the_purge_forgets_only_the_unconfirmed(everybody, now, monkeypatch, run):
    """A week later Bob is gone; Alice, and Charlie who had confirmed before he left, are not."""
    monkeypatch.setattr("django.utils.timezone.now", lambda: now + timedelta(days=7))

    run(purge_unconfirmed)

    assert {subscriber.email for subscriber in Subscriber.objects.all()} == {
        "alice@example.com",
        "charlie@example.com",
    }


def test_the_purge_leaves_a_young_request_alone(bob, now, run):
    """The same night, Bob is kept."""
    run(purge_unconfirmed)

    assert Subscriber.objects.get() == bob
