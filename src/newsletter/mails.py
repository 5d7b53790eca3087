"""The mails of the list, each with one Message-ID on every attempt, and the signed links in them.

By the Message-ID a mail server can tell a repeat; by its link the owner of an address needs no account.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from smtplib import SMTPRecipientsRefused
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import escape

from newsletter.models import CONFIRM_WITHIN, Subscriber
from offbeat.mailer import admin_addresses

if TYPE_CHECKING:
    from datetime import timedelta

    from django.core.mail.backends.base import BaseEmailBackend

    from newsletter.models import Issue, SignupReport

CONFIRM = "newsletter.confirm"
UNSUBSCRIBE = "newsletter.unsubscribe"
AUTOMATIC = {"Auto-Submitted": "auto-generated"}  # RFC 3834: no out-of-office answers
LEAVE = secrets.token_hex(
    16
)  # where a subscriber's link out of the list belongs; nobody can write it into a note

CONFIRMATION = """\
Somebody, we hope you, asked for the Offbeat Letter at this address.
If it was not you, do nothing: the address is forgotten after a week.

This link confirms it, until {until:%d %B %Y, %H:%M} UTC:"""
REMINDER = """\
Somebody, we hope you, asked for the Offbeat Letter at this address once more.

You are on the list already, so there is nothing to do: the next letter comes on Monday."""
REPORT = """\
From {report.since:%d %B %Y, %H:%M} to {report.until:%d %B %Y, %H:%M} UTC:

asked to subscribe  {report.requested}
confirmed           {report.confirmed}
left                {report.unsubscribed}
"""


class DeadLinkError(Exception):
    """The link is forged, cut off, too old, or its subscriber is gone: offer to subscribe again."""


class AddressRefusedError(Exception):
    """The mail server says that the address is not there: trying again would not help. `answer` is what it said."""

    def __init__(self, answer: SMTPRecipientsRefused) -> None:
        super().__init__(str(answer.recipients))
        self.answer = answer


# Mails


def confirmation(subscriber: Subscriber, key: str) -> EmailMultiAlternatives:
    """Ask the owner of the address to confirm it. `key` makes the Message-ID: the same for the same mail."""
    text = CONFIRMATION.format(until=subscriber.confirm_until)
    link = confirm_link(subscriber)
    return letter("confirmation", "Please confirm your subscription", text, subscriber, key=key, link=link)


def reminder(subscriber: Subscriber, key: str) -> EmailMultiAlternatives:
    """Tell a confirmed subscriber what the page must not tell strangers: the address is on the list."""
    return letter("reminder", "You are already on the list", REMINDER, subscriber, key=key)


def digest(issue: Issue, subscriber: Subscriber, content: Content | None = None) -> EmailMultiAlternatives:
    """Tell a subscriber what is new. The Message-ID is that of the issue and subscriber, whatever job sends it.

    `content` is what `digest_content` made of the issue, once for many subscribers.
    """
    content = content or digest_content(issue)
    message = content.to(subscriber, f"digest.{issue.week}.{subscriber.pk}")
    message.extra_headers["List-Id"] = f"The Offbeat Letter <weekly.{host()}>"
    return message


def digest_content(issue: Issue) -> Content:
    """Return what an issue tells."""
    notes = list(issue.notes.all())
    parts = ["\n\n".join(filter(None, [note.headline, note.text, note.url])) for note in notes]
    text = "\n\n\n".join([f"THE OFFBEAT LETTER, {issue.week}", *parts])
    return Content.render(notes[0].headline, text, notes=notes)


def report(made: SignupReport) -> EmailMultiAlternatives:
    """Tell the people of ADMINS who came and went."""
    return EmailMultiAlternatives(
        f"{made.confirmed} confirmed, {made.unsubscribed} left",
        REPORT.format(report=made),
        to=admin_addresses(),
        headers={"Message-ID": f"<report.{made.until:%Y%m%d%H}@{host()}>", **AUTOMATIC},
    )


@dataclass(frozen=True)
class Content:
    """What a mail says, as text and as HTML, with LEAVE in both where a subscriber's link out of the list belongs."""

    subject: str
    text: str
    html: str

    @classmethod
    def render(cls, subject: str, text: str, link: str = "", **context: Any) -> Content:
        subject = " ".join(subject.split())  # a line break would be the end of a header, and is refused
        context |= {
            "subject": subject,
            "text": text,
            "link": link,
            "unsubscribe": LEAVE,
            "home": absolute("/"),
        }
        text = "\n\n".join(filter(None, [text, link, f"To leave the list: {LEAVE}\n"]))
        return cls(subject, text, render_to_string("newsletter/mail.html", context))

    def to(self, subscriber: Subscriber, message_id: str) -> EmailMultiAlternatives:
        """Make the mail to a subscriber."""
        leave = unsubscribe_link(subscriber)
        message = EmailMultiAlternatives(
            self.subject,
            self.text.replace(LEAVE, leave),
            to=[subscriber.email],
            headers={
                "Message-ID": f"<{message_id}@{host()}>",
                "List-Unsubscribe": f"<{leave}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",  # RFC 8058
                **AUTOMATIC,
            },
        )
        message.attach_alternative(self.html.replace(LEAVE, escape(leave)), "text/html")
        return message


def letter(
    name: str, subject: str, text: str, subscriber: Subscriber, *, key: str, link: str = ""
) -> EmailMultiAlternatives:
    """Make a mail to one subscriber, as text and as HTML, with a way out of the list."""
    return Content.render(subject, text, link).to(subscriber, f"{name}.{key}")


def host() -> str:
    return urlsplit(settings.BASE_URL).hostname or "localhost"


def send(message: EmailMultiAlternatives, connection: BaseEmailBackend | None = None) -> None:
    """Hand the mail to the SMTP server. Raises OSError for what may pass, else AddressRefusedError."""
    try:
        connection.send_messages([message]) if connection else message.send()
    except SMTPRecipientsRefused as error:
        if all(code >= 500 for code, _ in error.recipients.values()):
            raise AddressRefusedError(error) from error
        raise


# Links


def confirm_link(subscriber: Subscriber) -> str:
    return absolute(reverse("newsletter:confirm", args=[signing.dumps(subscriber.pk, salt=CONFIRM)]))


def unsubscribe_link(subscriber: Subscriber) -> str:
    return absolute(reverse("newsletter:unsubscribe", args=[signing.dumps(subscriber.pk, salt=UNSUBSCRIBE)]))


def find_by_confirm_token(token: str) -> Subscriber:
    """Return whom a confirmation link is for. Raises DeadLinkError, after CONFIRM_WITHIN at the latest."""
    return find_subscriber(token, CONFIRM, CONFIRM_WITHIN)


def find_by_unsubscribe_token(token: str) -> Subscriber:
    """Return whom an unsubscribe link is for. It never expires: mails are kept. Raises DeadLinkError."""
    return find_subscriber(token, UNSUBSCRIBE, None)


def find_subscriber(token: str, salt: str, max_age: timedelta | None) -> Subscriber:
    try:
        return Subscriber.objects.get(pk=signing.loads(token, salt=salt, max_age=max_age))
    except (signing.BadSignature, Subscriber.DoesNotExist) as error:
        raise DeadLinkError from error


def absolute(path: str) -> str:
    return f"{settings.BASE_URL}{path}"
