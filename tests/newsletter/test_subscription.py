from datetime import timedelta

import pytest
from django.core import mail
from django.db import IntegrityError, transaction

from newsletter.models import Subscriber
from newsletter.tasks import purge_unconfirmed, send_confirmation, send_reminder, subscribe
from offbeat.jobs import Job

DAY = timedelta(days=1)


def test_timestamps_tell_the_state(alice, bob, charlie):
    """A subscriber is pending, confirmed or unsubscribed by what has happened, and found as such."""
    assert [bob.state, alice.state, charlie.state] == ["pending", "confirmed", "unsubscribed"]
    assert list(Subscriber.objects.pending()) == [bob]
    assert list(Subscriber.objects.confirmed()) == [alice]
    assert list(Subscriber.objects.unsubscribed()) == [charlie]


def test_an_address_has_one_row_however_it_is_written(bob):
    """PostgreSQL refuses a second row whose address differs in upper and lower case only."""
    with pytest.raises(IntegrityError, match="one_subscriber_per_address"):
        Subscriber.objects.create(email="Bob@Example.com")


def test_locking_an_address_finds_its_row(bob):
    """The row of a known address is found whichever way it is written, and keeps its first spelling."""
    found = Subscriber.objects.lock("BOB@example.com")

    assert found == bob
    assert found.email == "bob@example.com"


def test_locking_a_new_address_makes_its_row(db):
    """A new address gets a pending row."""
    made = Subscriber.objects.lock("dora@example.com")

    assert Subscriber.objects.get() == made
    assert made.state == "pending"


def test_asking_again_soon_is_the_same_request(bob, now):
    """Within a quarter of an hour a second request changes nothing."""
    bob.request(now + timedelta(minutes=14))

    bob.refresh_from_db()
    assert bob.requested_at == now


def test_asking_again_later_is_a_new_request(bob, now):
    """After a quarter of an hour a request starts the week to confirm anew."""
    bob.request(now + timedelta(minutes=15))

    bob.refresh_from_db()
    assert bob.requested_at == now + timedelta(minutes=15)
    assert bob.confirm_until == now + timedelta(days=7, minutes=15)


def test_whoever_left_starts_over(charlie, now):
    """A request after unsubscribing, however soon, makes the address pending: it has to be confirmed again."""
    charlie.request(now + timedelta(seconds=1))

    charlie.refresh_from_db()
    assert charlie.state == "pending"
    assert charlie.requested_at == now + timedelta(seconds=1)


def test_confirming_counts_once(bob, now):
    """The first confirmation stays the one that counts."""
    bob.confirm(now)
    bob.confirm(now + DAY)

    assert bob.confirmed_at == now


def test_an_old_confirmation_does_not_undo_leaving(charlie, now):
    """Confirming after unsubscribing changes nothing."""
    charlie.confirm(now + DAY)

    assert charlie.state == "unsubscribed"


def test_leaving_counts_once(alice, now):
    """The first unsubscription stays the one that counts."""
    alice.unsubscribe(now)
    alice.unsubscribe(now + DAY)

    assert alice.unsubscribed_at == now


def test_lapsed_are_those_who_did_not_confirm_in_a_week(alice, bob, charlie, now):
    """Seven days after the request, and no sooner, a subscriber who never confirmed has lapsed."""
    just_before = Subscriber.objects.lapsed(now + 7 * DAY - timedelta(seconds=1))
    in_time = Subscriber.objects.lapsed(now + 7 * DAY)

    assert list(just_before) == []
    assert list(in_time) == [bob]


def test_whoever_declined_lapses_too(bob, now):
    """An address that answered the first mail with "unsubscribe" is forgotten like one that did not answer."""
    bob.unsubscribe(now)

    assert list(Subscriber.objects.lapsed(now + 7 * DAY)) == [bob]


def test_a_new_address_gets_a_job_that_asks_it_to_confirm(db, now):
    """Subscribing notes the address and the job that mails it, on the queue of mails."""
    job = subscribe("dora@example.com")

    dora = Subscriber.objects.get()
    assert Job.objects.get() == job
    assert (job.task, job.queue, job.args) == ("newsletter.tasks.send_confirmation", "mail", [dora.pk])


def test_the_address_and_its_job_are_noted_together(db, now):
    """A transaction that is rolled back leaves neither the address nor the job behind."""
    with transaction.atomic(db):
        subscribe("dora@example.com")
        transaction.set_rollback(True)

    assert Subscriber.objects.count() == 0
    assert Job.objects.count() == 0


def test_subscribing_twice_gives_the_same_job(db, now):
    """A second request a moment later, in whatever spelling, gets the first one's job and sends no second mail."""
    first = subscribe("dora@example.com")
    second = subscribe("Dora@Example.com")

    assert second == first
    assert Job.objects.count() == 1


def test_subscribing_again_later_gives_a_new_job(bob, now, monkeypatch):
    """Whoever lost the mail can ask for another after a quarter of an hour."""
    first = subscribe(bob.email)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now + timedelta(minutes=15))
    second = subscribe(bob.email)

    assert second != first
    assert Job.objects.count() == 2


def test_a_confirmed_address_is_told_so_by_mail_only(alice):
    """Subscribing a confirmed address gives a job like any other; its mail says that nothing is to be done."""
    job = subscribe(alice.email)

    assert (job.task, job.args) == ("newsletter.tasks.send_reminder", [alice.pk])
    alice.refresh_from_db()
    assert alice.state == "confirmed"


def test_whoever_left_is_asked_to_confirm_again(charlie):
    """An address that has left the list can come back, through a confirmation."""
    job = subscribe(charlie.email)

    assert job.task == "newsletter.tasks.send_confirmation"
    charlie.refresh_from_db()
    assert charlie.state == "pending"


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
