"""The list's jobs: each looks whether its work is still wanted. `subscribe` enqueues the first of them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery import Task, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from newsletter import budgets, digest, mails
from newsletter.models import Issue, SignupReport, Subscriber
from offbeat.jobs import open_batch

if TYPE_CHECKING:
    from offbeat.jobs import Job

logger = logging.getLogger(__name__)

NOBODY = 0  # the id of no subscriber
MAIL: dict[str, Any] = {
    "autoretry_for": (OSError,),  # every SMTPException is one, and so are refused connections and timeouts
    "retry_backoff": 5,  # seconds, doubled each time: 5, 10, 20, …
    "retry_backoff_max": 15 * 60,
    "retry_jitter": True,  # each shortened by chance, so that no herd forms
    "max_retries": 10,  # about an hour: longer than a mail server takes to restart
    "soft_time_limit": 45,  # above EMAIL_TIMEOUT (20 s) for connecting and for sending
    "time_limit": 60,
}
CHUNK: dict[str, Any] = {
    # A slow server: the rest of the chunk is for another attempt.
    "autoretry_for": (OSError, SoftTimeLimitExceeded),
    "soft_time_limit": 9 * 60,
    "time_limit": 10 * 60,
}
# A digest is hundreds of jobs on the queue of mails: whoever has just subscribed must not wait behind them.
AFTER_OTHERS = -50


@shared_task(bind=True, **MAIL)
def send_confirmation(self: Task, subscriber_id: int) -> None:
    """Ask to confirm a subscription, unless it has been confirmed, declined or purged meanwhile."""
    if subscriber := Subscriber.objects.pending().filter(pk=subscriber_id).first():
        mails.send(mails.confirmation(subscriber, self.request.id))


@shared_task(bind=True, **MAIL)
def send_reminder(self: Task, subscriber_id: int) -> None:
    """Tell a subscriber who asked again that the subscription stands, unless it was ended meanwhile."""
    if subscriber := Subscriber.objects.confirmed().filter(pk=subscriber_id).first():
        mails.send(mails.reminder(subscriber, self.request.id))


@transaction.atomic
def subscribe(email: str, client: str | None = None) -> Job:
    """Note the request and the job that mails its owner; both are there, or neither.

    Whether the address was known shows in the mail alone: the answer is a job in every case, after the same statements.
    A request that is repeated within SAME_REQUEST_WITHIN has the same key, and gets the job that exists.
    `client` is the address of whoever asks, None for code of ours. Raises BudgetSpentError, and then has noted nothing.
    """
    now = timezone.now()
    if client is not None:
        budgets.CLIENT.spend(budgets.client_key(client), now)
    subscriber = Subscriber.objects.lock(email)
    if subscriber.request(now):
        budgets.INBOX.spend(budgets.inbox_key(email), now)
        budgets.LIST.spend("all", now)
    task = send_reminder if subscriber.state == Subscriber.State.CONFIRMED else send_confirmation
    key = f"subscribe/{subscriber.pk}/{subscriber.requested_at.isoformat()}"
    return task.using(key=key).enqueue(subscriber.pk)


@transaction.atomic
def subscribe_nobody(client: str) -> Job:
    """Answer a program that fills in every field as if it had subscribed: with a job, which mails nobody."""
    budgets.CLIENT.spend(budgets.client_key(client), timezone.now())
    return send_confirmation.enqueue(NOBODY)


@shared_task(atomic=True, soft_time_limit=240, time_limit=300)
def purge_unconfirmed() -> None:
    """Forget the addresses whose owners did not confirm in time, and the budgets that are whole again."""
    now = timezone.now()
    purged, _ = Subscriber.objects.lapsed(now).delete()
    budgets.prune(now)
    logger.info(
        "purged %d subscribers who never confirmed",
        purged,
        extra={"action": "purge_unconfirmed", "purged": purged},
    )


@shared_task(atomic=True, soft_time_limit=240, time_limit=300)
def send_weekly_digest() -> None:
    """Compose this week's issue and enqueue its chunks; issue and jobs are committed with this job's success."""
    issue = digest.compose(timezone.now())
    if not issue:
        logger.info("no digest: nothing new, or sent before", extra={"action": "digest_skipped"})
        return
    with open_batch(f"weekly-digest {issue.week}", on_success=close_digest.call(issue.pk)) as batch:
        chunks = digest.chunks(issue)
        send_chunk.using(batch=batch, priority=AFTER_OTHERS).enqueue_many(
            ((issue.pk, first, last), {}) for first, last in chunks
        )


@shared_task(bind=True, **MAIL | CHUNK)
def send_chunk(self: Task, issue_id: int, first: int, last: int) -> None:
    """Send an issue to those of a range of subscribers who do not have it yet."""
    issue = Issue.objects.get(pk=issue_id)
    subscribers = digest.recipients(issue, first, last)
    for done in digest.deliver(issue, subscribers):
        self.progress(done, len(subscribers))


@shared_task(time_limit=60)
def close_digest(issue_id: int) -> None:
    """Note that every chunk of an issue is out."""
    sent = digest.close(issue_id)
    logger.info("digest sent to %d", sent, extra={"action": "digest_sent", "issue": issue_id, "sent": sent})


@shared_task(bind=True, atomic=True, **MAIL)
def send_signup_report(self: Task) -> None:
    """Mail the people of ADMINS who came and went since the last report; nothing when nobody did."""
    made = SignupReport.make(timezone.now())
    if made and not made.is_empty and settings.ADMINS:
        mails.send(mails.report(made))
