"""What the letter says, and who has got it: notes are collected into one issue a week."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.utils import timezone

from newsletter.models.subscriber import Subscriber

if TYPE_CHECKING:
    from datetime import datetime


class Issue(models.Model):
    """The letter of one week. The unique week is why a digest that is fired twice goes out once."""

    week = models.CharField(max_length=8, unique=True, help_text="ISO week, like 2026-W47")
    composed_at = models.DateTimeField(default=timezone.now)
    delivered_at = models.DateTimeField(null=True, blank=True)
    recipients = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-week"]

    def __str__(self) -> str:
        return f"Issue {self.week}"

    @staticmethod
    def week_of(moment: datetime) -> str:
        year, week, _ = moment.isocalendar()
        return f"{year}-W{week:02}"


class Note(models.Model):
    """One thing to tell; it waits for the next issue."""

    headline = models.CharField(max_length=120)
    text = models.TextField(max_length=2000)
    url = models.URLField("link", blank=True)
    written_at = models.DateTimeField(default=timezone.now, editable=False)
    issue = models.ForeignKey(Issue, models.PROTECT, null=True, editable=False, related_name="notes")

    class Meta:
        ordering = ["written_at"]

    def __str__(self) -> str:
        return self.headline


class Delivery(models.Model):
    """That a subscriber has got an issue, or that the mail server has refused the address for good."""

    issue = models.ForeignKey(Issue, models.CASCADE, related_name="deliveries")
    subscriber = models.ForeignKey(Subscriber, models.CASCADE, related_name="deliveries")
    delivered_at = models.DateTimeField(default=timezone.now)
    is_refused = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["issue", "subscriber"], name="one_delivery_per_issue_and_subscriber"
            )
        ]
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return f"{self.issue} to {self.subscriber}"
