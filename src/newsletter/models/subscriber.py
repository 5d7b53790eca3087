"""Who is on the list: one row an address, its state told by timestamps."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

CONFIRM_WITHIN = timedelta(days=7)  # then the nightly purge forgets an address that never answered
# Asking again sooner is the same request and sends no second mail: nobody fills an inbox through the form.
SAME_REQUEST_WITHIN = timedelta(minutes=15)

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

    def locked(self, email: str) -> Subscriber:
        """Return the row of an address, made when there is none, locked until the transaction ends."""
        same = models.Q(email__lower=Lower(models.Value(email)))
        while True:
            self.bulk_create([self.model(email=email)], ignore_conflicts=True)
            if subscriber := self.select_for_update().filter(same).first():
                return subscriber
            # It existed, and the purge took it between the two statements: make it anew.


class Subscriber(models.Model):
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

    def request(self, now: datetime) -> None:
        """Note that somebody asked for mails to this address; whoever had left starts over, unconfirmed."""
        has_left = self.state == self.State.UNSUBSCRIBED
        if not has_left and now - self.requested_at < SAME_REQUEST_WITHIN:
            return
        if has_left:
            self.confirmed_at = self.unsubscribed_at = None
        self.requested_at = now
        self.save()

    def confirm(self, now: datetime) -> None:
        """Put the address on the list; a second time, or after unsubscribing, changes nothing."""
        Subscriber.objects.pending().filter(pk=self.pk).update(confirmed_at=now)
        self.refresh_from_db()

    def unsubscribe(self, now: datetime) -> None:
        """Take the address off the list; the first time counts."""
        Subscriber.objects.filter(pk=self.pk, unsubscribed_at=None).update(unsubscribed_at=now)
        self.refresh_from_db()
