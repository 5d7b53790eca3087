"""What the hourly report has told: each starts where the last one ended, so that a missed hour is only told later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.utils import timezone

from newsletter.models.subscriber import Subscriber

if TYPE_CHECKING:
    from datetime import datetime


class SignupReport(models.Model):
    """The sign-ups of a span of time, from `since` up to and without `until`."""

    since = models.DateTimeField()
    until = models.DateTimeField(unique=True)
    requested = models.PositiveIntegerField()
    confirmed = models.PositiveIntegerField()
    unsubscribed = models.PositiveIntegerField()
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-until"]

    def __str__(self) -> str:
        return f"Sign-ups until {self.until:%Y-%m-%d %H:%M} UTC"

    @property
    def is_empty(self) -> bool:
        return not (self.requested or self.confirmed or self.unsubscribed)

    @staticmethod
    def counts(since: datetime, until: datetime) -> dict[str, int]:
        """Count what happened in a span, by field."""

        def count(field: str) -> int:
            return Subscriber.objects.filter(**{f"{field}__gte": since, f"{field}__lt": until}).count()

        return {
            "requested": count("requested_at"),
            "confirmed": count("confirmed_at"),
            "unsubscribed": count("unsubscribed_at"),
        }
