from datetime import timedelta

import pytest
from django.db import IntegrityError

from newsletter.models import Subscriber

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
    found = Subscriber.objects.locked("BOB@example.com")

    assert found == bob
    assert found.email == "bob@example.com"


def test_locking_a_new_address_makes_its_row(db):
    """A new address gets a pending row."""
    made = Subscriber.objects.locked("dora@example.com")

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
