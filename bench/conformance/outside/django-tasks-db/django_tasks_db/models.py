"""Our ledger with the columns of their table: a view that can be written to, see `ledger.sql`."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from django_tasks_db.compat import TaskResultStatus


def get_date_max():
    return dt.datetime(9999, 1, 1, tzinfo=dt.UTC)


class Rows(models.QuerySet):
    def of(self, status):
        return self.filter(status=status)

    def ready(self):
        return self.of(TaskResultStatus.READY).filter(
            Q(run_after=get_date_max()) | Q(run_after__lte=timezone.now())
        )

    def running(self):
        return self.of(TaskResultStatus.RUNNING)

    def successful(self):
        return self.of(TaskResultStatus.SUCCESSFUL)

    def failed(self):
        return self.of(TaskResultStatus.FAILED)

    def finished(self):
        return self.failed() | self.successful()


class DBTaskResult(models.Model):  # noqa: DJ008  nobody reads it
    """One job; its result is what our backend gives for it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    status = models.TextField(default=TaskResultStatus.READY)
    enqueued_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    args_kwargs = models.JSONField()
    priority = models.IntegerField(default=0)
    task_path = models.TextField()
    worker_ids = models.JSONField(default=list)
    queue_name = models.TextField(default="default")
    backend_name = models.TextField(default="default")
    run_after = models.DateTimeField(default=get_date_max)  # which says that there is none
    return_value = models.JSONField(default=None, null=True)
    exception_class_path = models.TextField(default="")
    traceback = models.TextField(default="")

    objects = Rows.as_manager()

    class Meta:
        managed = False
        db_table = "conformance_results"
        ordering = [F("priority").desc(), F("run_after").asc(), F("enqueued_at").asc()]

    @property
    def task_result(self):
        from django_tasks_db import DatabaseBackend

        return DatabaseBackend(alias=self.backend_name, params={}).get_result(str(self.id))

    @property
    def task(self):
        return self.task_result.task
