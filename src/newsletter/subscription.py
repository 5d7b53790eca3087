"""Subscribing: what happens between the form and the mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from newsletter.models import Subscriber
from newsletter.tasks import send_confirmation, send_reminder

if TYPE_CHECKING:
    from offbeat.jobs import Job


@transaction.atomic
def subscribe(email: str) -> Job:
    """Note the request and the job that mails its owner; both are there, or neither.

    Whether the address was known shows in the mail alone: the answer is a job in every case.
    A request that is repeated within SAME_REQUEST_WITHIN has the same key, and gets the job that exists.
    """
    subscriber = Subscriber.objects.locked(email)
    subscriber.request(timezone.now())
    task = send_reminder if subscriber.state == Subscriber.State.CONFIRMED else send_confirmation
    key = f"subscribe/{subscriber.pk}/{subscriber.requested_at.isoformat()}"
    return task.using(key=key).enqueue(subscriber.pk)
