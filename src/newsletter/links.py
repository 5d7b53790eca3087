"""Links that only the owner of an address has: signed, and valid without anybody being logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.core import signing
from django.urls import reverse

from newsletter.models import CONFIRM_WITHIN, Subscriber

if TYPE_CHECKING:
    from datetime import timedelta

CONFIRM = "newsletter.confirm"
UNSUBSCRIBE = "newsletter.unsubscribe"


class DeadLinkError(Exception):
    """The link is forged, cut off, too old, or its subscriber is gone: offer to subscribe again."""


def confirm_link(subscriber: Subscriber) -> str:
    return absolute(reverse("newsletter:confirm", args=[signing.dumps(subscriber.pk, salt=CONFIRM)]))


def unsubscribe_link(subscriber: Subscriber) -> str:
    return absolute(reverse("newsletter:unsubscribe", args=[signing.dumps(subscriber.pk, salt=UNSUBSCRIBE)]))


def subscriber_to_confirm(token: str) -> Subscriber:
    """Return whom a confirmation link is for. Raises DeadLinkError, after CONFIRM_WITHIN at the latest."""
    return subscriber_of(token, CONFIRM, CONFIRM_WITHIN)


def subscriber_to_release(token: str) -> Subscriber:
    """Return whom an unsubscribe link is for. It never expires: mails are kept. Raises DeadLinkError."""
    return subscriber_of(token, UNSUBSCRIBE, None)


def subscriber_of(token: str, salt: str, max_age: timedelta | None) -> Subscriber:
    try:
        return Subscriber.objects.get(pk=signing.loads(token, salt=salt, max_age=max_age))
    except (signing.BadSignature, Subscriber.DoesNotExist) as error:
        raise DeadLinkError from error


def absolute(path: str) -> str:
    return f"{settings.BASE_URL}{path}"
