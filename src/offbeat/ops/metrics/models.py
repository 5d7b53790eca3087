"""What is counted for ever, though the rows that it was counted from are pruned."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class JobEnd(models.Model):
    """An attempt, or a job, that came to an end and is not counted yet.

    A trigger writes it in the transaction that ends the attempt, so it is there exactly once whatever crashes.
    """

    task = models.CharField(max_length=255)
    outcome = models.CharField(max_length=20, null=True)  # of the attempt; NULL: none was running
    state = models.CharField(max_length=10, null=True)  # that the job ended in; NULL: it goes on
    wait = models.FloatField(null=True)  # seconds from being due to its start
    run = models.FloatField(null=True)  # seconds from its start to its end
    at = models.DateTimeField(db_default=Now())  # of the statement that ended it

    def __str__(self) -> str:
        return f"{self.task} {self.outcome or self.state}"


class Counter(models.Model):
    """One number that only grows: `name`, of `subject` (a task, a cronjob), by `label` (an outcome, a bucket)."""

    name = models.CharField(max_length=40)
    subject = models.CharField(max_length=255)
    label = models.CharField(max_length=40, db_default="")
    value = models.FloatField(db_default=0.0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "subject", "label"], name="offbeat_metrics_one_counter"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.subject} {self.label}"


class TaskHour(models.Model):
    """What came to an end in one hour, of one task; of all tasks where `task` is empty. See `hours`."""

    hour = models.DateTimeField()  # its beginning
    task = models.CharField(max_length=255)
    succeeded = models.PositiveBigIntegerField()
    dead = models.PositiveBigIntegerField()
    expired = models.PositiveBigIntegerField()
    cancelled = models.PositiveBigIntegerField()
    failed_attempts = models.PositiveBigIntegerField()  # retried, failed or crashed
    wait = models.JSONField()  # how many attempts by bucket: see `hours.bound`
    run = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["hour", "task"], name="offbeat_metrics_one_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.task or 'all tasks'} {self.hour:%Y-%m-%d %H:%MZ}"
