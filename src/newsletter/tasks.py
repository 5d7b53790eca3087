"""The list's jobs: each looks whether its work is still wanted, and makes one call."""

from __future__ import annotations

import logging
from typing import Any

from celery import Task, shared_task
from django.utils import timezone

from newsletter import mails
from newsletter.models import Subscriber

logger = logging.getLogger(__name__)

MAIL: dict[str, Any] = {
    "bind": True,
    "queue": "mail",  # its own: a mail server that is slow must hold up nothing else
    "autoretry_for": (OSError,),  # every SMTPException is one, and so are refused connections and timeouts
    "retry_backoff": 5,  # seconds, doubled each time: 5, 10, 20, …
    "retry_backoff_max": 15 * 60,
    "retry_jitter": True,  # each shortened by chance, so that no herd forms
    "max_retries": 10,  # about an hour: longer than a mail server takes to restart
    "soft_time_limit": 45,  # above EMAIL_TIMEOUT (20 s) for connecting and for sending
    "time_limit": 60,
}


@shared_task(**MAIL)
def send_confirmation(self: Task, subscriber_id: int) -> None:
    """Ask to confirm a subscription, unless it has been confirmed, declined or purged meanwhile."""
    if subscriber := Subscriber.objects.pending().filter(pk=subscriber_id).first():
        mails.send(mails.confirmation(subscriber, self.request.id))


@shared_task(**MAIL)
def send_reminder(self: Task, subscriber_id: int) -> None:
    """Tell a subscriber who asked again that the subscription stands, unless it was ended meanwhile."""
    if subscriber := Subscriber.objects.confirmed().filter(pk=subscriber_id).first():
        mails.send(mails.reminder(subscriber, self.request.id))


@shared_task(soft_time_limit=240, time_limit=300)
def purge_unconfirmed() -> None:
    """Forget the addresses whose owners did not confirm in time."""
    purged, _ = Subscriber.objects.lapsed(timezone.now()).delete()
    logger.info(
        "purged %d subscribers who never confirmed",
        purged,
        extra={"action": "purge_unconfirmed", "purged": purged},
    )
