"""The six-line command of a cronjob."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.management.base import BaseCommand


class EnqueueCommand(BaseCommand):
    """Enqueues one task as a durable job."""

    task: ClassVar[Any]

    def handle(self, *args: Any, **options: Any) -> None:
        job = self.task.enqueue()
        self.stdout.write(f"enqueued {job.task} as job {job.id}")
