"""A job's state as a server-sent event. Its id says what it says, so `Last-Event-ID` tells what a client knows already."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from offbeat.api.job_status import describe_job

if TYPE_CHECKING:
    from offbeat.jobs.models import Job

RETRY = b"retry: 2000\n\n"  # ms after which a browser comes back, where the stream ends before the job
KEEP_ALIVE = b": keep-alive\n\n"


def event_id(job: Job) -> str:
    return f"{job.attempt}.{job.state}-{job.progress_done}.{job.progress_total}"


def write_event(job: Job, known: str) -> bytes:
    """Return the event that tells a client who knows the event `known` how a job is; b"" where that is all."""
    new = event_id(job)
    if new == known:
        return b""
    is_progress = new.partition("-")[0] == known.partition("-")[0]
    return _write("progress" if is_progress else "state", new, job)


def write_end(job: Job) -> bytes:
    return _write("end", event_id(job), job)


def _write(name: str, event: str, job: Job) -> bytes:
    return f"id: {event}\nevent: {name}\ndata: {json.dumps(describe_job(job))}\n\n".encode()
