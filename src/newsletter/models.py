"""The list: who reads it, what was asked of it, what is written, what has been sent to whom, and what was reported."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

CONFIRM_WITHIN = timedelta(days=7)  # then the nightly purge forgets an address that never answered
# Asking again sooner is the same request and sends no second mail: nobody fills an inbox through the form.
SAME_REQUEST_WITHIN = timedelta(minutes=15)
NEVER = datetime.fromtimestamp(0, UTC)

models.EmailField.register_lookup(Lower)  # email__lower, which the unique index below serves


class SubscriberQuerySet(models.QuerySet["Subscriber"]):
    def pending(self) -> SubscriberQuerySet:
        return self.filter(confirmed_at=None, unsubscribed_at=None)

    def confirmed(self) -> SubscriberQuerySet:
        return self.filter(confirmed_at__isnull=False, unsubscribed_at=None)

    def unsubscribed(self) -> SubscriberQuerySet:
        return self.filter(unsubscribed_at__isnull=False)

    def lapsed(self, now: datetime) -> SubscriberQuerySet:
        """Those who were asked to confirm and did not in time, whether or not they declined."""
        return self.filter(confirmed_at=None, requested_at__lte=now - CONFIRM_WITHIN)

    def lock(self, email: str) -> Subscriber:
        """Return the row of an address, made when there is none, locked until the transaction ends."""
        same = models.Q(email__lower=Lower(models.Value(email)))
        while True:
            self.bulk_create([self.model(email=email, requested_at=NEVER)], ignore_conflicts=True)
            if subscriber := self.select_for_update().filter(same).first():
                return subscriber
            # It existed, and the purge took it between the two statements: make it anew.


class Subscriber(models.Model):
    """One row an address; the timestamps tell its state."""

    class State(models.TextChoices):
        PENDING = "pending"
        CONFIRMED = "confirmed"
        UNSUBSCRIBED = "unsubscribed"

    email = models.EmailField("email address", max_length=254)
    requested_at = models.DateTimeField(default=timezone.now)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    unsubscribed_at = models.DateTimeField(null=True, blank=True)

    objects = SubscriberQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="one_subscriber_per_address")]
        ordering = ["-requested_at"]

    def __str__(self) -> str:
        return self.email

    @property
    def state(self) -> Subscriber.State:
        if self.unsubscribed_at:
            return self.State.UNSUBSCRIBED
        return self.State.CONFIRMED if self.confirmed_at else self.State.PENDING

    @property
    def confirm_until(self) -> datetime:
        return self.requested_at + CONFIRM_WITHIN

    def request(self, now: datetime) -> bool:
        """Note that somebody asked for mails to this address, and tell whether that is a new request.

        Whoever had left starts over, unconfirmed.
        """
        has_left = self.state == self.State.UNSUBSCRIBED
        if not has_left and now - self.requested_at < SAME_REQUEST_WITHIN:
            return False
        if has_left:
            self.confirmed_at = self.unsubscribed_at = None
        self.requested_at = now
        self.save()
        return True

    def confirm(self, now: datetime) -> None:
        """Put the address on the list; a second time, or after unsubscribing, changes nothing."""
        Subscriber.objects.pending().filter(pk=self.pk).update(confirmed_at=now)
        self.refresh_from_db()

    def unsubscribe(self, now: datetime) -> None:
        """Take the address off the list; the first time counts."""
        Subscriber.objects.filter(pk=self.pk, unsubscribed_at=None).update(unsubscribed_at=now)
        self.refresh_from_db()


class MomentsField(models.Field):
    """An array of moments. Django's own ArrayField would cost each start, and so each wake-up, 20 ms."""

    def db_type(self, connection: Any) -> str:
        return "timestamp with time zone[]"


class Budget(models.Model):
    """What one client, one inbox or the list has used of its limit: see budgets.py."""

    key = models.TextField(primary_key=True, help_text="the limit, and whose it is")
    spent = MomentsField(help_text="when, the oldest first")
    forget_at = models.DateTimeField(db_index=True)  # then nothing of it counts any more

    class Meta:
        ordering = ["-forget_at"]

    def __str__(self) -> str:
        return self.key


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


class SignupReport(models.Model):
    """The sign-ups from `since` up to and without `until`; each starts where the last one ended, so that no hour is lost."""

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

    @classmethod
    def make(cls, now: datetime) -> SignupReport | None:
        """Make and keep the report up to the last full hour; None when there is one already."""
        until = now.replace(minute=0, second=0, microsecond=0)
        last = cls.objects.first()
        since = last.until if last else until - timedelta(hours=1)
        if since >= until:
            return None
        values = {"since": since, **cls.count_between(since, until)}
        made, is_new = cls.objects.get_or_create(until=until, defaults=values)
        return made if is_new else None  # else another job won the race, and mails it

    @staticmethod
    def count_between(since: datetime, until: datetime) -> dict[str, int]:
        """Count what happened in a span, by field."""

        def count(field: str) -> int:
            return Subscriber.objects.filter(**{f"{field}__gte": since, f"{field}__lt": until}).count()

        return {
            "requested": count("requested_at"),
            "confirmed": count("confirmed_at"),
            "unsubscribed": count("unsubscribed_at"),
        }
