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
    from newsletter.models import Issue, SignupReport, Subscriber


class AddressRefusedError(Exception):
    """The mail server says that the address is not there: trying again would not help."""


def confirmation(subscriber: Subscriber, key: str) -> EmailMultiAlternatives:
    """Ask the owner of the address to confirm it. `key` makes the Message-ID: the same for the same mail."""
    context = {"link": confirm_link(subscriber), "until": subscriber.confirm_until}
    return mail("confirmation", "Please confirm your subscription", subscriber, key, context)


def reminder(subscriber: Subscriber, key: str) -> EmailMultiAlternatives:
    """Tell a confirmed subscriber what the page must not tell strangers: the address is on the list."""
    return mail("reminder", "You are already on the list", subscriber, key, {})


def digest(issue: Issue, subscriber: Subscriber) -> EmailMultiAlternatives:
    """Tell a subscriber what is new. The Message-ID is that of the issue and subscriber, whatever job sends it."""
    notes = list(issue.notes.all())
    key = f"{issue.week}.{subscriber.pk}"
    message = mail("digest", notes[0].headline, subscriber, key, {"issue": issue, "notes": notes})
    message.extra_headers["List-Id"] = f"The Offbeat Letter <weekly.{host()}>"
    return message


def report(made: SignupReport) -> EmailMultiAlternatives:
    """Tell the people of ADMINS who came and went."""
    return EmailMultiAlternatives(
        f"{made.confirmed} confirmed, {made.unsubscribed} left",
        render_to_string("newsletter/mail/report.txt", {"report": made}),
        to=[address for _, address in settings.ADMINS],
        headers={
            "Message-ID": f"<report.{made.until:%Y%m%d%H}@{host()}>",
            "Auto-Submitted": "auto-generated",
        },
    )


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
            "Message-ID": f"<{name}.{key}@{host()}>",
            "List-Unsubscribe": f"<{leave}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",  # RFC 8058
            "Auto-Submitted": "auto-generated",  # RFC 3834: no out-of-office answers
        },
    )
    message.attach_alternative(render_to_string(f"newsletter/mail/{name}.html", context), "text/html")
    return message


def host() -> str:
    return urlsplit(settings.BASE_URL).hostname or "localhost"


def send(message: EmailMultiAlternatives) -> None:
    """Hand the mail to the SMTP server. Raises OSError for what may pass, else AddressRefusedError."""
    try:
        message.send()
    except SMTPRecipientsRefused as error:
        if all(code >= 500 for code, _ in error.recipients.values()):
            raise AddressRefusedError(str(error.recipients)) from error
        raise
