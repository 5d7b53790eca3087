"""A job as the API shows it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from django.urls import reverse
from django.utils import timezone

from offbeat.jobs.models import Job

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

# Not a word for a secret, which logs would hide.
CLIENT = "api_client"  # in a job's context, the name of the token that enqueued it
REQUEST = "api_request"  # in its options, a hash of what was asked for
FAILED = (Job.State.DEAD, Job.State.CANCELLED, Job.State.EXPIRED)
LONGEST_WAIT = 60  # seconds until a client asks again, however late its job is


def urls_of(job_id: UUID) -> dict[str, str]:
    return {
        "status_url": reverse("offbeat_api:job", args=[job_id]),
        "events_url": reverse("offbeat_api:events", args=[job_id]),
    }


def describe_receipt(job: Job) -> dict[str, Any]:
    return {
        "id": str(job.id),
        "task": job.task,
        "queue": job.queue,
        "state": job.state,
        "created_at": text_of(job.created_at),
        **urls_of(job.id),
    }


def describe_job(job: Job) -> dict[str, Any]:
    total = job.progress_total
    return {
        **describe_receipt(job),
        "attempt": job.attempt,
        "progress": {"done": job.progress_done, "total": total} if total else None,
        "result": job.result,
        "error": job.reason if job.state in FAILED else None,
        "started_at": text_of(job.started_at),
        "finished_at": text_of(job.finished_at),
    }


def text_of(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def seconds_to_wait(job: Job) -> int:
    """Return after how many seconds it makes sense to ask again."""
    until = (job.due_at - timezone.now()).total_seconds() if job.state == Job.State.PENDING else 0
    return min(LONGEST_WAIT, max(1, math.ceil(until)))
