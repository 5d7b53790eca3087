"""The weekly digest: notes become an issue, the list is cut into chunks, and each chunk is a job of one batch.

What the mail server says of one address holds up nobody else; what it says of all is no address's fault.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import islice
from smtplib import SMTPDataError, SMTPRecipientsRefused
from typing import TYPE_CHECKING

from django.db import connection
from django.utils import timezone

from newsletter import mails
from newsletter.models import Delivery, Issue, Note, Subscriber
from offbeat.mailer import default_mailer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from django.core.mail import EmailMultiAlternatives
    from django.core.mail.backends.base import BaseEmailBackend

# Some seconds of work for a quick mail server, and within the time limit at two seconds a mail.
CHUNK = 200
# Mails that a server postpones one after the other: then it postpones all, as one that limits its rate does.
IN_A_ROW = 20
# Addresses that are refused while none is taken: then it takes no mails from us.
MANY = 10
# Seconds: a slow server may be minutes at a chunk, and whoever leaves meanwhile wants no mail.
LOOK_AGAIN = 10
# After each mail of a long list: get_or_create asks PostgreSQL four times for the same. Nothing for a subscriber who was deleted.
NOTE = """
    INSERT INTO newsletter_delivery (issue_id, subscriber_id, delivered_at, is_refused)
    SELECT %s, id, %s, %s FROM newsletter_subscriber WHERE id = %s FOR KEY SHARE
    ON CONFLICT DO NOTHING
"""


def compose(now: datetime) -> Issue | None:
    """Make this week's issue of the notes that wait; None when nothing waits or this week's is out. Runs in a transaction."""
    waiting = Note.objects.select_for_update().filter(issue=None)
    if not waiting:
        return None
    issue, is_new = Issue.objects.get_or_create(week=Issue.week_of(now))
    if not is_new:
        return None
    Note.objects.filter(pk__in=[note.pk for note in waiting]).update(issue=issue)
    return issue


def chunks(issue: Issue) -> Iterator[tuple[int, int]]:
    """Cut those who are to get the issue into ranges of ids, first and last, with at most CHUNK of them in each.

    However long the list is, only some of it is in memory at a time.
    """
    ids = Subscriber.objects.confirmed().order_by("pk").values_list("pk", flat=True).iterator()
    count = 0
    while chunk := list(islice(ids, CHUNK)):
        count += len(chunk)
        yield chunk[0], chunk[-1]
    Issue.objects.filter(pk=issue.pk).update(recipients=count)


def recipients(issue: Issue, first: int, last: int) -> list[Subscriber]:
    """Return who in a chunk is still to get the issue: the others have got it, or have left."""
    in_chunk = Subscriber.objects.confirmed().filter(pk__range=(first, last)).order_by("pk")
    return list(in_chunk.exclude(deliveries__issue=issue))


def deliver(issue: Issue, subscribers: list[Subscriber]) -> Iterator[int]:
    """Send the issue to each over one connection, and yield to how many. Raises OSError when the server fails, or postpones mails.

    For each: 1. the mail server takes the mail, 2. the Delivery is committed. Who dies in between sends this one
    mail again on the next attempt, with the same Message-ID: SMTP knows no transactions.
    """
    content, answers = mails.digest_content(issue), Answers(issue)
    with default_mailer() as mailer:
        for done, subscriber in still_confirmed(subscribers):
            answers.note(subscriber, send(mails.digest(issue, subscriber, content), mailer))
            yield done
    answers.end()


def still_confirmed(subscribers: list[Subscriber]) -> Iterator[tuple[int, Subscriber]]:
    """Give those who have not left since, and how many they are with those before them."""
    here, looked = {each.pk for each in subscribers}, time.monotonic()
    for number, subscriber in enumerate(subscribers, start=1):
        if time.monotonic() - looked > LOOK_AGAIN:
            ahead = [each.pk for each in subscribers[number - 1 :]]
            here = set(Subscriber.objects.confirmed().filter(pk__in=ahead).values_list("pk", flat=True))
            looked = time.monotonic()
        if subscriber.pk in here:
            yield number, subscriber


@dataclass
class Answers:
    """What the mail server said to the mails of one attempt."""

    issue: Issue
    has_taken_one: bool = False
    refused: list[Subscriber] = field(default_factory=list)  # noted when it takes another's
    refusal: OSError | None = None
    postponement: OSError | None = None
    in_a_row: int = 0

    def note(self, subscriber: Subscriber, error: OSError | mails.AddressRefusedError | None) -> None:
        """Note a delivery or a refusal. Raises OSError where the server postpones all."""
        if error is None:
            note_delivery(self.issue, subscriber, is_refused=False)
            self.has_taken_one, self.in_a_row = True, 0
        elif isinstance(error, mails.AddressRefusedError):
            self.refused.append(subscriber)
            self.refusal = error.answer
        else:
            self.postponement, self.in_a_row = error, self.in_a_row + 1
        if self.has_taken_one:
            self.note_refused()
        if self.postponement and self.in_a_row == IN_A_ROW:
            raise self.postponement

    def note_refused(self) -> None:
        for subscriber in self.refused:
            note_delivery(self.issue, subscriber, is_refused=True)
        self.refused.clear()

    def end(self) -> None:
        """Raise OSError where another attempt is needed, for those who have nothing yet."""
        if self.refusal and len(self.refused) >= MANY:
            raise self.refusal
        self.note_refused()
        if self.postponement:
            raise self.postponement


def note_delivery(issue: Issue, subscriber: Subscriber, *, is_refused: bool) -> None:
    """Note a delivery, unless another attempt has, in one statement that is committed at once."""
    with connection.cursor() as cursor:
        cursor.execute(NOTE, [issue.pk, timezone.now(), is_refused, subscriber.pk])


def send(
    message: EmailMultiAlternatives, mailer: BaseEmailBackend
) -> OSError | mails.AddressRefusedError | None:
    """Send a mail; return what the server has against this one. Raises OSError for all else."""
    try:
        mails.send(message, mailer)
    except (mails.AddressRefusedError, SMTPRecipientsRefused, SMTPDataError) as error:
        return error
    return None


def close(issue_id: int) -> int:
    """Note that the issue has gone out; return to how many."""
    Issue.objects.filter(pk=issue_id, delivered_at=None).update(delivered_at=timezone.now())
    return Delivery.objects.filter(issue=issue_id, is_refused=False).count()
