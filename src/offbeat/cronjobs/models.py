"""The slot ledger: which slot of which cronjob was decided, by whom, how, and what came of it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from offbeat.jobs.models import Job


class CronJob(models.Model):
    """What the ledger knows of a cronjob. The row outlives its entry in platform.yaml: history stays.

    Slots up to `cursor` are decided. The cursor, not the Slot rows, says so: rows may be pruned.
    """

    name = models.CharField(max_length=100, primary_key=True)
    command = models.TextField()  # of management, with its arguments
    schedule = models.CharField(max_length=255)  # as written
    cron = models.CharField(
        max_length=255
    )  # as five numeric fields: with the time zone, what a change shows in
    timezone = models.CharField(max_length=64)
    is_in_file = models.BooleanField(default=True)  # else a dashboard's, known by its command line only
    known_since = models.DateTimeField(db_default=Now())
    cursor = models.DateTimeField()
    paused_at = models.DateTimeField(null=True)
    paused_by = models.CharField(max_length=255, db_default="")
    last_fire_at = models.DateTimeField(null=True)  # the last wake-up from outside: by platform, tick or HTTP
    last_success_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "cronjob"

    def __str__(self) -> str:
        return self.name


class Slot(models.Model):
    """One slot, decided: it has a job, or a reason why not."""

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule"  # the platform ran the cronjob's command
        TICK = "tick"
        HTTP = "http"
        CATCHUP = "catchup"  # it had no wake-up within late_after: a worker claimed it
        RESUME = "resume"  # passed during a pause
        BACKFILL = "backfill"
        MANUAL = "manual"  # run now: its slot is the moment

    FROM_OUTSIDE = (Trigger.SCHEDULE, Trigger.TICK, Trigger.HTTP)
    BY_HAND = (Trigger.BACKFILL, Trigger.MANUAL)

    class Outcome(models.TextChoices):
        ENQUEUED = "enqueued"
        SKIPPED = "skipped"  # on purpose: paused, merged into a later slot, overlap
        MISSED = "missed"  # too late for the cronjob's policies

    cronjob = models.ForeignKey(CronJob, models.CASCADE, related_name="slots", db_index=False)
    slot = models.DateTimeField()
    trigger = models.CharField(max_length=10, choices=Trigger)
    outcome = models.CharField(max_length=10, choices=Outcome)
    reason = models.CharField(max_length=255, db_default="")
    # No constraint: finished jobs are pruned sooner than slots.
    job = models.ForeignKey(
        Job, models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    decided_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["cronjob", "slot"], name="offbeat_cronjobs_one_slot", condition=~Q(trigger="manual")
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["cronjob", "-slot"], name="offbeat_cronjobs_slots_idx"),
            models.Index(fields=["job"], name="offbeat_cronjobs_job_idx", condition=Q(job__isnull=False)),
            models.Index(fields=["decided_at"], name="offbeat_cronjobs_decided_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.cronjob_id} {self.slot:%Y-%m-%d %H:%MZ} {self.outcome}"


class Tick(models.Model):
    """When a tick came: the last few say how late a slot may be before it counts as overdue."""

    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%SZ}"
