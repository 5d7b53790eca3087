"""Jobs for other programs: CSV and JSON, streamed, with times in ISO 8601. For the ops pages and the command line."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from offbeat.jobs.models import Job
from offbeat.jobs.search import COLUMNS, find_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

    from offbeat.jobs.search import JobSearch, Whole

MOST = 10_000  # jobs a file
CHUNK = 500  # jobs read at once
FIELDS = (
    "id", "state", "task", "args", "kwargs", "queue", "priority", "key", "batch_id", "worker", "attempt",
    "created_at", "due_at", "started_at", "finished_at", "reason",
)  # fmt: skip
# A spreadsheet takes what begins so for a formula (OWASP, CSV Injection): after an apostrophe it is text.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def find_ids(wanted: JobSearch) -> Whole:
    """Return the ids of what a search lists, as of now: what is exported is read in parts after that."""
    return find_whole(wanted, "id", MOST)


def stream_jobs(job_ids: Sequence[UUID]) -> Iterator[Job]:
    """Read jobs in the order of their ids' list; one that has been pruned meanwhile is left out."""
    for start in range(0, len(job_ids), CHUNK):
        part = job_ids[start : start + CHUNK]
        found = Job.objects.filter(pk__in=part).only(*COLUMNS.split(", ")).in_bulk()
        yield from (found[each] for each in part if each in found)


def fields_of(job: Job) -> dict[str, Any]:
    return {name: value_of(getattr(job, name)) for name in FIELDS}


def value_of(value: Any) -> Any:
    """Return what JSON has: times in ISO 8601, ids as text."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | float | list | dict) else str(value)


def json_lines(jobs: Iterable[Job]) -> Iterator[str]:
    """Return the lines of one JSON list."""
    before = "["
    for job in jobs:
        yield f"{before}{json.dumps(fields_of(job), ensure_ascii=False)}"
        before = ",\n"
    yield "[]\n" if before == "[" else "]\n"


def csv_lines(jobs: Iterable[Job]) -> Iterator[str]:
    """Return the lines of a CSV file with a heading (RFC 4180)."""
    writer = csv.writer(CsvEcho())
    yield writer.writerow(FIELDS)
    for job in jobs:
        yield writer.writerow([_cell(value) for value in fields_of(job).values()])


class CsvEcho:
    """Returns to the writer of CSV what it writes, in place of a file."""

    def write(self, text: str) -> str:
        return text


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


FORMATS = {"csv": ("text/csv", csv_lines), "json": ("application/json", json_lines)}
