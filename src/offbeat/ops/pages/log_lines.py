"""From a job to what it has logged: what to search for, and a link where LOGS_URL says how log lines are addressed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from django.conf import settings

from offbeat.variables.logs_address import KNOWN

if TYPE_CHECKING:
    from datetime import datetime

    from offbeat.jobs.models import Job

MARGIN = timedelta(
    minutes=1
)  # before its creation and after its end: clocks differ, and services write down later


def query(job: Job) -> str:
    """Return what each of its lines has in it, as the logs of this deployment look."""
    return f'"job": "{job.pk}"' if settings.LOG_JSON else f"job={job.pk}"


def link(job: Job, now: datetime) -> str:
    """Return the address of its lines, "" where LOGS_URL is not set."""
    begin, end = job.created_at - MARGIN, (job.finished_at or now) + MARGIN
    values = {
        "job": str(job.pk),
        "task": job.task,
        "from": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
        "to": f"{end:%Y-%m-%dT%H:%M:%SZ}",
        "from_ms": str(int(begin.timestamp() * 1000)),
        "to_ms": str(int(end.timestamp() * 1000)),
    }
    return KNOWN.sub(lambda found: quote(values[found[1]], safe=""), settings.LOGS_URL)
