"""The mails of the list, each with one Message-ID on every attempt: by it a mail server can tell a repeat."""

from __future__ import annotations

from smtplib import SMTPRecipientsRefused
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from newsletter.links import absolute, confirm_link, unsubscribe_link

if TYPE_CHECKING:
    from newsletter.models import Subscriber


class AddressRefusedError(Exception):
    """The mail server says that the address is not there: trying again would not help."""


def confirmation(subscriber: Subscriber, key: str) -> EmailMultiAlternatives:
    """Ask the owner of the address to confirm it. `key` makes the Message-ID: the same for the same mail."""
    context = {"link": confirm_link(subscriber), "until": subscriber.confirm_until}
    return mail("confirmation", "Please confirm your subscription", subscriber, key, context)


def reminder(subscriber: Subscriber, key: str) -> EmailMultiAlternatives:
    """Tell a confirmed subscriber what the page must not tell strangers: the address is on the list."""
    return mail("reminder", "You are already on the list", subscriber, key, {})


def mail(
    name: str, subject: str, subscriber: Subscriber, key: str, context: dict[str, Any]
) -> EmailMultiAlternatives:
    leave = unsubscribe_link(subscriber)
    context = {**context, "subject": subject, "unsubscribe": leave, "home": absolute("/")}
    message = EmailMultiAlternatives(
        subject,
        render_to_string(f"newsletter/mail/{name}.txt", context),
        to=[subscriber.email],
        headers={
            "Message-ID": f"<{name}.{key}@{urlsplit(settings.BASE_URL).hostname}>",
            "List-Unsubscribe": f"<{leave}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",  # RFC 8058
            "Auto-Submitted": "auto-generated",  # RFC 3834: no out-of-office answers
        },
    )
    message.attach_alternative(render_to_string(f"newsletter/mail/{name}.html", context), "text/html")
    return message


def send(message: EmailMultiAlternatives) -> None:
    """Hand the mail to the SMTP server. Raises OSError for what may pass, else AddressRefusedError."""
    try:
        message.send()
    except SMTPRecipientsRefused as error:
        if all(code >= 500 for code, _ in error.recipients.values()):
            raise AddressRefusedError(str(error.recipients)) from error
        raise
