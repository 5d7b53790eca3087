"""The weekly digest: notes become an issue, the list is cut into chunks, and each chunk is a job of one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from newsletter import mails
from newsletter.models import Delivery, Issue, Note, Subscriber
from offbeat.mailer import default_mailer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from django.core.mail.backends.base import BaseEmailBackend

# Some seconds of work for a quick mail server, and within the time limit at two seconds a mail.
CHUNK = 200


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
    """Cut those who are to get the issue into ranges of ids, first and last, with at most CHUNK of them in each."""
    ids = list(Subscriber.objects.confirmed().order_by("pk").values_list("pk", flat=True))
    Issue.objects.filter(pk=issue.pk).update(recipients=len(ids))
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        yield chunk[0], chunk[-1]


def recipients(issue: Issue, first: int, last: int) -> list[Subscriber]:
    """Return who in a chunk is still to get the issue: the others have got it, or have left."""
    in_chunk = Subscriber.objects.confirmed().filter(pk__range=(first, last)).order_by("pk")
    return list(in_chunk.exclude(deliveries__issue=issue))


def deliver(issue: Issue, subscribers: list[Subscriber]) -> Iterator[int]:
    """Send the issue to each over one connection, and yield how many have it. Raises OSError when the server fails.

    For each: 1. the mail server takes the mail, 2. the Delivery is committed. Who dies in between sends this one
    mail again on the next attempt, with the same Message-ID: SMTP knows no transactions.
    """
    with default_mailer() as connection:
        for done, subscriber in enumerate(subscribers, start=1):
            is_refused = not accepted(issue, subscriber, connection)
            Delivery.objects.get_or_create(
                issue=issue, subscriber=subscriber, defaults={"is_refused": is_refused}
            )
            yield done


def accepted(issue: Issue, subscriber: Subscriber, connection: BaseEmailBackend) -> bool:
    """Send the issue to one subscriber; False when the address is refused for good, which must not hold up the others."""
    try:
        mails.send(mails.digest(issue, subscriber), connection)
    except mails.AddressRefusedError:
        return False
    return True


def close(issue_id: int) -> int:
    """Note that the issue has gone out; return to how many."""
    Issue.objects.filter(pk=issue_id, delivered_at=None).update(delivered_at=timezone.now())
    return Delivery.objects.filter(issue=issue_id, is_refused=False).count()
