"""Incidents: conditions that people are told of."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from offbeat.condition import Acknowledgement


class Incident(models.Model):
    """A condition that lasted: people are told when it begins and when it is over.

    `mailed` and `posted` say how much was told on each way: 0 nothing, 1 its begin, 2 its end.
    """

    kind = models.CharField(max_length=20)
    subject = models.CharField(max_length=300)  # the name of the cronjob, task, queue, worker or server
    text = models.TextField()
    since = models.DateTimeField(null=True)  # of the condition, as far as that is known
    last_at = models.DateTimeField(null=True)  # when it happened last, of what happens again and again
    seen_at = models.DateTimeField(db_default=Now())
    opened_at = models.DateTimeField(null=True)  # when patience had an end
    closed_at = models.DateTimeField(null=True)
    mailed = models.PositiveSmallIntegerField(db_default=0)
    posted = models.PositiveSmallIntegerField(db_default=0)
    claimed_until = models.DateTimeField(null=True)  # somebody is telling
    # Who is looking at it. A release before this one writes rows without these.
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, db_default="")
    note = models.CharField(max_length=200, db_default="")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                name="offbeat_alerts_one_incident",
                condition=Q(closed_at__isnull=True),
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["-seen_at"], name="offbeat_alerts_newest_idx")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"

    @property
    def acknowledgement(self) -> Acknowledgement | None:
        if self.acknowledged_at is None:
            return None
        return Acknowledgement(self.acknowledged_by, self.acknowledged_at, self.note)


class Turn(models.Model):
    """The one row that says when somebody last had a turn: many processes watch, one look in an interval is enough."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%SZ}"
