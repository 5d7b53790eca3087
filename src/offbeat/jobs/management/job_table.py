"""`manage.py jobs list`: two lines a job, no wider than the terminal."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from django.utils import timezone

from offbeat.jobs.words import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from offbeat.jobs.models import Job

ROW = "{:36}  {:9}  {:>15}  {:>3}  {:12}  {}"
BELOW = " " * 38
LONGEST = 200  # characters of the arguments, and of the reason; `show` has the rest


def table(jobs: Sequence[Job], *, is_terminal: bool) -> Iterator[str]:
    """Return the lines; those for a pipe are not cut at a width."""
    if not jobs:
        yield "no such jobs"
        return
    width = shutil.get_terminal_size().columns if is_terminal else None
    yield _cut(ROW.format("id", "state", "when", "try", "queue", "task"), width)
    for job in jobs:
        yield _cut(ROW.format(str(job.id), job.state, when(job), job.attempt, job.queue, call(job)), width)
        if below := ", ".join(
            [*([f"key {job.key}"] if job.key else []), *filter(None, [job.reason[:LONGEST]])]
        ):
            yield _cut(f"{BELOW}{below}", width)


def _cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else f"{line[: width - 1]}…"


def call(job: Job) -> str:
    """Return a job as a call of its task."""
    given = [json.dumps(each, ensure_ascii=False) for each in job.args]
    given += [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in job.kwargs.items()]
    text = ", ".join(given)
    return f"{job.task}({text[:LONGEST]}{'…' if len(text) > LONGEST else ''})"


def when(job: Job) -> str:
    """Return in words when a job finished, since when it runs, or when it is due."""
    if job.finished_at:
        return _distance(job.finished_at)
    if job.state == job.State.RUNNING and job.started_at:
        return f"for {duration(timezone.now() - job.started_at)}"
    return f"due {_distance(job.due_at)}"


def _distance(moment: datetime) -> str:
    distance = timezone.now() - moment
    return f"{duration(distance)} ago" if distance.total_seconds() >= 0 else f"in {duration(distance)}"
