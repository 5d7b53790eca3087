from datetime import timedelta

import pytest
from django.core import signing

from newsletter import links
from newsletter.links import DeadLinkError


def token_of(link):
    return link.rstrip("/").rpartition("/")[2]


@pytest.fixture
def at(monkeypatch):
    """Sets the clock that signatures are stamped with."""

    def set_clock(moment):
        monkeypatch.setattr("django.core.signing.time.time", moment.timestamp)

    return set_clock


def test_links_start_with_the_public_address(bob, settings):
    """The links of a mail lead to BASE_URL, since no request is there to tell the host."""
    settings.BASE_URL = "https://letter.example.com"

    assert links.confirm_link(bob).startswith("https://letter.example.com/confirm/")
    assert links.unsubscribe_link(bob).startswith("https://letter.example.com/unsubscribe/")


def test_a_link_leads_to_its_subscriber(alice, bob):
    """Each token is read back as the subscriber that it was made for."""
    assert links.subscriber_to_confirm(token_of(links.confirm_link(bob))) == bob
    assert links.subscriber_to_release(token_of(links.unsubscribe_link(alice))) == alice


def test_an_unsubscribe_token_does_not_confirm(bob):
    """The unsubscribe link stands in a header that mail servers see: it must not serve to confirm."""
    with pytest.raises(DeadLinkError):
        links.subscriber_to_confirm(token_of(links.unsubscribe_link(bob)))


@pytest.mark.parametrize(
    "harm", [lambda t: t[:-1], lambda t: "9" + t, lambda _: "x"], ids=["cut", "forged", "junk"]
)
def test_a_harmed_link_is_dead(bob, harm):
    """A token that lacks a character, or names somebody else, leads to nobody."""
    with pytest.raises(DeadLinkError):
        links.subscriber_to_confirm(harm(token_of(links.confirm_link(bob))))


def test_a_confirmation_link_dies_after_a_week(bob, now, at):
    """It is good for seven days and no longer."""
    at(now)
    token = token_of(links.confirm_link(bob))

    at(now + timedelta(days=7))
    assert links.subscriber_to_confirm(token) == bob
    at(now + timedelta(days=7, seconds=1))
    with pytest.raises(DeadLinkError):
        links.subscriber_to_confirm(token)


def test_an_unsubscribe_link_works_for_years(alice, now, at):
    """Whoever finds an old mail can still leave."""
    at(now)
    token = token_of(links.unsubscribe_link(alice))

    at(now + timedelta(days=3650))
    assert links.subscriber_to_release(token) == alice


def test_the_link_of_a_purged_subscriber_is_dead(bob):
    """A link outlives its row without an error."""
    token = token_of(links.confirm_link(bob))
    bob.delete()

    with pytest.raises(DeadLinkError):
        links.subscriber_to_confirm(token)


def test_a_signature_of_another_purpose_is_dead(bob):
    """A token that the same key signed for something else is refused."""
    with pytest.raises(DeadLinkError):
        links.subscriber_to_confirm(signing.dumps(bob.pk))
