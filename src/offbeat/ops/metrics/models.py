"""What is counted for ever, though the rows that it was counted from are pruned."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class JobEnd(models.Model):
    """An attempt, or a job, that came to an end and is not counted yet.

    A trigger writes it in the transaction that ends the attempt, so it is there exactly once whatever crashes.
    """

    task = models.CharField(max_length=255)
    outcome = models.CharField(max_length=20, null=True)  # of the attempt; NULL: none was running
    state = models.CharField(max_length=10, null=True)  # that the job ended in; NULL: it goes on
    wait = models.FloatField(null=True)  # seconds from being due to its start
    run = models.FloatField(null=True)  # seconds from its start to its end

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
