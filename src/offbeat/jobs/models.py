"""The ledger: what has to be done, what was done, and who is doing it. PostgreSQL holds the truth, Redis carries it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from offbeat.jobs.identity import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterable

BUSY = "waits for another job of the same concurrency_key"  # the reason of a pending job that does
PAUSED = "paused: "  # what the reason of a pending job begins with that a pause holds; then the pause's kind and name


class Job(models.Model):
    """One durable unit of work: `pending -> published -> running -> succeeded`, or `dead`, `cancelled`, `expired`.

    A waiting retry and a job with a `run_at` are *pending* with a `due_at` in the future; one that is due is published at once, and
    pending only while Redis is away.
    Every change of state is a compare-and-set in `offbeat.jobs.attempts` and `offbeat.jobs.relay`: never save() a Job.
    """

    class State(models.TextChoices):
        PENDING = "pending"  # to be published by the relay, as soon as it is due and Redis is there
        PUBLISHED = "published"  # its message is sent right after the commit that says so
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        DEAD = "dead"  # a dead letter: waits for a person
        CANCELLED = "cancelled"
        EXPIRED = "expired"  # was not started before its `not_after`

    STARTABLE = (State.PENDING, State.PUBLISHED)
    FINISHED = (State.SUCCEEDED, State.DEAD, State.CANCELLED, State.EXPIRED)

    class WhenBusy(models.TextChoices):
        WAIT = "wait"
        SKIP = "skip"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)  # also the Celery task id
    task = models.CharField(max_length=255)
    args = models.JSONField(db_default=models.Value([], models.JSONField()))
    kwargs = models.JSONField(db_default=models.Value({}, models.JSONField()))
    context = models.JSONField(db_default=models.Value({}, models.JSONField()))  # see offbeat.jobs.context
    queue = models.CharField(max_length=100)
    priority = models.SmallIntegerField(db_default=0)  # -100 to 100, higher first within its queue
    runner = models.CharField(
        max_length=255, db_default=""
    )  # the Celery task that runs it; "" for `task` itself
    # What the runner has to know besides.
    options = models.JSONField(db_default=models.Value({}, models.JSONField()))
    state = models.CharField(max_length=10, choices=State, db_default=State.PENDING)

    key = models.CharField(max_length=255, null=True)
    concurrency_key = models.CharField(max_length=255, null=True)  # only rows with a key are indexed
    when_busy = models.CharField(max_length=4, choices=WhenBusy, db_default=WhenBusy.WAIT)
    batch = models.ForeignKey("Batch", models.PROTECT, null=True, related_name="jobs", db_index=False)

    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(db_default=Now())
    not_after = models.DateTimeField(null=True)
    publish_at = models.DateTimeField(db_default=Now())  # when the relay may publish it, if pending
    published_at = models.DateTimeField(null=True)  # the database's clock; the message carries the same time
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    # Numbers without Django's `CHECK (… >= 0)`: PostgreSQL parses each of them anew in every statement that changes a row.

    # Starts so far, and the fencing token of the one that runs.
    attempt = models.IntegerField(db_default=0)
    # As Celery counts them: those that the task asked for.
    retries = models.IntegerField(db_default=0)
    crashes = models.IntegerField(db_default=0)  # attempts that ended without an answer
    excused = models.IntegerField(db_default=0)  # attempts that ended by nobody's fault
    max_attempts = models.IntegerField()
    version = models.CharField(max_length=100, db_default="")  # of the code that enqueued it
    # Code that could not run it.
    refused_by = models.JSONField(db_default=models.Value([], models.JSONField()))
    refused_at = models.DateTimeField(null=True)  # since when it waits for code that can
    worker = models.UUIDField(null=True)  # of the last attempt
    pid = models.IntegerField(null=True)

    progress_done = models.BigIntegerField(db_default=0)
    progress_total = models.BigIntegerField(db_default=0)
    result = models.JSONField(null=True)  # what the task returned, where it is kept
    reason = models.TextField(db_default="")  # why it is where it is, in one line
    traceback = models.TextField(db_default="")
    # Attempts that did not succeed.
    history = models.JSONField(db_default=models.Value([], models.JSONField()))

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="offbeat_jobs_due_idx", condition=Q(state="pending")),
            models.Index(
                fields=["priority", "publish_at"],
                name="offbeat_jobs_relay_idx",
                condition=Q(state="pending"),
            ),
            models.Index(
                fields=["queue", "priority", "published_at"],
                name="offbeat_jobs_levels_idx",
                condition=Q(state="published"),
            ),
            models.Index(fields=["worker"], name="offbeat_jobs_running_idx", condition=Q(state="running")),
            models.Index(fields=["-finished_at"], name="offbeat_jobs_dead_idx", condition=Q(state="dead")),
            models.Index(
                fields=["finished_at"],
                name="offbeat_jobs_finished_idx",
                condition=Q(state__in=["succeeded", "cancelled", "expired"]),
            ),
            models.Index(
                fields=["not_after"],
                name="offbeat_jobs_expiring_idx",
                condition=Q(state__in=["pending", "published"], not_after__isnull=False),
            ),
            models.Index(
                fields=["concurrency_key", "-priority", "id"],
                name="offbeat_jobs_keys_idx",
                condition=Q(state="pending", reason=BUSY),
            ),
            # In the order in which a batch's page lists them, and counted without reading a row.
            models.Index(
                fields=["batch", "state", "id"],
                name="offbeat_jobs_batch_state_idx",
                condition=Q(batch__isnull=False),
            ),
            models.Index(
                fields=["reason", "-priority", "due_at"],
                name="offbeat_jobs_paused_idx",
                condition=Q(state="pending", reason__startswith=PAUSED),
            ),
            models.Index(
                fields=["refused_at"],
                name="offbeat_jobs_refused_idx",
                condition=Q(state="pending", refused_at__isnull=False),
            ),
            # How a key begins: where texts sort as people sort them, the constraint's index below cannot tell.
            models.Index(
                fields=["key"],
                name="offbeat_jobs_key_prefix_idx",
                opclasses=["varchar_pattern_ops"],
                condition=Q(key__isnull=False),
            ),
        ]
        constraints: ClassVar = [
            # In part, so that the many jobs without a key pay for no index at each change of state.
            models.UniqueConstraint(fields=["key"], name="offbeat_jobs_key", condition=Q(key__isnull=False)),
            # At most one running job a concurrency key: the database refuses the second start.
            models.UniqueConstraint(
                "concurrency_key",
                name="offbeat_jobs_one_running",
                condition=Q(state="running", concurrency_key__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.id}"

    @property
    def is_finished(self) -> bool:
        return self.state in self.FINISHED

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: models.QuerySet[Self] | None = None,
    ) -> None:
        """Read everything, also of a job that `enqueue` returns, which knows its id: async code cannot have the rest read later."""
        if fields is None:
            fields = [field.attname for field in self._meta.concrete_fields]
        super().refresh_from_db(using, fields, from_queryset)


class Batch(models.Model):
    """Jobs that belong together, with jobs to follow when all have succeeded, or when all have finished and some have not."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now())
    sealed_at = models.DateTimeField(null=True)  # no job is added any more, so `total` is known
    finished_at = models.DateTimeField(null=True)
    total = models.PositiveIntegerField(db_default=0)
    # As of `finished_at`; offbeat.jobs.batches.count tells those of now.
    succeeded = models.PositiveIntegerField(db_default=0)
    failed = models.PositiveIntegerField(db_default=0)  # dead, cancelled or expired
    on_success = models.JSONField(null=True)  # a call: {"task", "args", "kwargs", options…}
    on_failure = models.JSONField(null=True)
    # Two batches may be followed by one job: that of a key.
    success_job = models.ForeignKey(Job, models.SET_NULL, null=True, related_name="+")
    failure_job = models.ForeignKey(Job, models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name_plural = "batches"
        indexes: ClassVar = [
            models.Index(
                fields=["id"], name="offbeat_jobs_open_batches_idx", condition=Q(finished_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return self.name


class Pause(models.Model):
    """A queue or a task of which no attempt starts, anywhere, while this row is there. See `offbeat.jobs.pauses`."""

    class Kind(models.TextChoices):
        QUEUE = "queue"
        TASK = "task"

    kind = models.CharField(max_length=5, choices=Kind)
    name = models.CharField(max_length=255)
    reason = models.TextField()
    paused_by = models.CharField(max_length=150)
    paused_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()  # who may change jobs may pause them
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "name"], name="offbeat_jobs_one_pause")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Cancellation(models.Model):
    """A request to end a job that runs. See `offbeat.jobs.cancellation`.

    No column of the job: a task may hold the row of its own job for as long as its transaction takes.
    """

    job_id = models.UUIDField(primary_key=True, editable=False)
    reason = models.TextField()  # and by whom: what the job's row will say
    requested_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.job_id}: {self.reason}"


class Worker(models.Model):
    """A worker that lives: one row a main process, gone when it stops or when it has been silent for too long."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    hostname = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    queues = models.JSONField()
    concurrency = models.PositiveIntegerField()
    version = models.CharField(max_length=100, blank=True)
    # Of its tasks and their signatures: see offbeat.jobs.code.
    code = models.CharField(max_length=64, db_default="")
    tasks = models.JSONField(db_default=models.Value([], models.JSONField()))  # names of those that it knows
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())
    busy = models.PositiveIntegerField(db_default=0)
    stopping = models.BooleanField(db_default=False)
    broker_away_since = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.hostname} ({self.pid})"


class KnownCode(models.Model):
    """What some version of the code knows of its tasks, for those who enqueue by SQL. See `offbeat.jobs.known_code`."""

    fingerprint = models.CharField(primary_key=True, max_length=64, editable=False)
    announced_at = models.DateTimeField(db_default=Now())  # by a worker, the last time
    defaults = models.JSONField()  # of a task that it does not know
    queues = models.JSONField(null=True)  # that somebody consumes; null where nothing says it
    tasks = models.JSONField()  # by name, what a job of it gets

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.fingerprint


class Broker(models.Model):
    """The one row that says which ledger this is, and remembers which Redis we published to; see `offbeat.jobs.loss_token`."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    ledger = models.UUIDField(default=uuid.uuid4, editable=False)  # see offbeat.jobs.ledger
    token = models.CharField(max_length=32, blank=True)
    lost_at = models.DateTimeField(null=True)  # what was published before is being published again

    def __str__(self) -> str:
        return f"ledger {self.ledger}"
