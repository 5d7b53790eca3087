"""The weekly digest: notes become an issue, the list is cut into chunks, and each chunk is a job of one batch."""

from __future__ import annotations

from itertools import islice
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
# After each mail of a long list: get_or_create asks PostgreSQL four times for the same.
NOTE = """
    INSERT INTO newsletter_delivery (issue_id, subscriber_id, delivered_at, is_refused) VALUES (%s, %s, %s, %s)
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
    """Send the issue to each over one connection, and yield how many have it. Raises OSError when the server fails.

    For each: 1. the mail server takes the mail, 2. the Delivery is committed. Who dies in between sends this one
    mail again on the next attempt, with the same Message-ID: SMTP knows no transactions.
    """
    content = mails.digest_content(issue)
    with default_mailer() as mailer:
        for done, subscriber in enumerate(subscribers, start=1):
            message = mails.digest(issue, subscriber, content)
            note_delivery(issue, subscriber, is_refused=not accepted(message, mailer))
            yield done


def note_delivery(issue: Issue, subscriber: Subscriber, *, is_refused: bool) -> None:
    """Note a delivery, unless another attempt has, in one statement that is committed at once."""
    with connection.cursor() as cursor:
        cursor.execute(NOTE, [issue.pk, subscriber.pk, timezone.now(), is_refused])


def accepted(message: EmailMultiAlternatives, mailer: BaseEmailBackend) -> bool:
    """Send a mail; return False when its address is refused for good, which must not hold up the others."""
    try:
        mails.send(message, mailer)
    except mails.AddressRefusedError:
        return False
    return True


def close(issue_id: int) -> int:
    """Note that the issue has gone out; return to how many."""
    Issue.objects.filter(pk=issue_id, delivered_at=None).update(delivered_at=timezone.now())
    return Delivery.objects.filter(issue=issue_id, is_refused=False).count()
