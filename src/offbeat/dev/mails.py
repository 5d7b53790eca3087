"""The mails that `manage.py mailsink` has caught, in a Maildir."""

from __future__ import annotations

import email.policy
import mailbox
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from datetime import datetime
    from email.message import EmailMessage

SHOWN = 200  # the newest mails: a page that a person can read


@dataclass(frozen=True)
class Mail:
    """One caught mail; `key` is its name in the Maildir."""

    key: str
    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["subject"] or "(no subject)")

    @property
    def recipients(self) -> str:
        return str(self.message["to"] or self.message["x-rcptto"] or "")

    @property
    def sent_at(self) -> datetime | None:
        date = self.message["date"]
        return date.datetime if date else None

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name, str(value)) for name, value in self.message.items()]

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    def _part(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return str(part.get_content()) if part else ""


class MailNotFoundError(LookupError):
    """There is no mail with this key; it may have been deleted."""


def newest() -> list[Mail]:
    """Give the mails caught last, newest first."""
    keys = sorted(_maildir().keys(), key=_age, reverse=True)
    return [find(key) for key in keys[:SHOWN]]


def find(key: str) -> Mail:
    """Give the mail with this key; raises MailNotFoundError."""
    try:
        content = _maildir().get_bytes(key)
    except KeyError:
        raise MailNotFoundError(key) from None
    message: EmailMessage = email.message_from_bytes(content, policy=email.policy.default)
    return Mail(key, message)


def _maildir() -> mailbox.Maildir:
    return mailbox.Maildir(settings.MAIL_SINK_DIR)


def _age(key: str) -> tuple[float, int]:
    """Read when a mail came from its name: "<seconds>.M<microseconds>P<pid>Q<number>.<host>"."""
    seconds, rest = key.split(".")[:2]
    microseconds, _, number = rest.removeprefix("M").partition("P")
    return int(seconds) + int(microseconds) / 1e6, int(number.partition("Q")[2])
