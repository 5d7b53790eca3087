"""What people and tools ask the ledger. Every answer is bounded, and found by an index at a million rows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import redis
from celery import current_app
from django.db.models.functions import Now

from offbeat.jobs import broker, sql
from offbeat.jobs.conf import conf
from offbeat.jobs.models import Job, Worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

# The order in which an index gives the jobs of a state. The other states share an index with each other: newest first.
ORDER = {
    "pending": "publish_at",
    "published": "queue, published_at",
    "running": "started_at",
    "dead": "finished_at DESC",
}
WINDOW = 100_000  # jobs looked through for what no index finds: half a second at worst


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to find: None does not matter. `task` is a task's whole name."""

    state: str | None = None
    task: str | None = None
    queue: str | None = None
    key: str | None = None

    def given(self) -> dict[str, str]:
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


def find_jobs(wanted: JobFilter, limit: int) -> list[Job]:
    """Return at most `limit` jobs: newest first; pending, published and running ones in the order in which they wait.

    A task, a queue, or one of the states of finished jobs is looked for among the first 100,000 jobs of that order.
    """
    source, values = _matching(wanted)
    order = ORDER.get(wanted.state or "", "id DESC")
    return list(Job.objects.raw(f"SELECT * FROM {source} ORDER BY {order} LIMIT %s", [*values, limit]))  # noqa: S608  names of columns


def count_jobs(wanted: JobFilter) -> int:
    """Return how many jobs `find_jobs` could find: those among the first 100,000 of its order."""
    source, values = _matching(wanted)
    return int(sql.fetch_one(f"SELECT count(*) FROM {source}", values)[0])  # noqa: S608  names of columns


def _matching(wanted: JobFilter) -> tuple[str, list[Any]]:
    """Return what follows FROM, with its values: what an index finds, at most so many of them, by the other conditions."""
    given = wanted.given()
    indexed = {"key"} if wanted.key else {"state"} if wanted.state in ORDER else set()
    order = ORDER.get(wanted.state or "", "id DESC")
    inner = _where(name for name in given if name in indexed)
    outer = _where(name for name in given if name not in indexed)
    values = [
        *(given[name] for name in given if name in indexed),
        WINDOW,
        *(given[name] for name in given if name not in indexed),
    ]
    newest = f"SELECT * FROM offbeat_jobs_job {inner} ORDER BY {order} LIMIT %s"  # noqa: S608  names of columns
    return f"({newest}) AS looked_through {outer}", values


def _where(names: Iterable[str]) -> str:
    conditions = " AND ".join(f"{name} = %s" for name in names)
    return f"WHERE {conditions}" if conditions else ""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many jobs of a queue are in a state, and when the first of them came into it (of pending ones: is or was due)."""

    queue: str
    state: str
    jobs: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """The ledger at a glance. Finished jobs other than dead letters are not counted but estimated: there may be millions."""

    tallies: Sequence[Tally]
    finished_about: int | None  # as of the last ANALYZE or VACUUM; None before the first
    oldest_due_at: datetime | None  # of the jobs that could have been started by now
    waiting: dict[str, int] | None  # messages in Redis by queue; None while Redis is away
    workers: Sequence[Worker]  # those whose heartbeat is young enough


def statistics() -> Statistics:
    tallies = _tallies()
    workers = living_workers()
    queues = {tally.queue for tally in tallies} | {queue for worker in workers for queue in worker.queues}
    return Statistics(
        tallies, _finished_about(), _oldest_due_at(), _waiting(queues | {_default_queue()}), workers
    )


TALLY = "SELECT queue, '{state}', count(*), min({since}) FROM offbeat_jobs_job WHERE state = '{state}' GROUP BY queue"
SINCE = {"pending": "due_at", "published": "published_at", "running": "started_at", "dead": "finished_at"}
# One partial index a state: asked for several states at once, PostgreSQL would read the whole table.
TALLIES = " UNION ALL ".join(TALLY.format(state=state, since=since) for state, since in SINCE.items())


def _tallies() -> list[Tally]:
    return [Tally(*row) for row in sql.fetch_all(f"{TALLIES} ORDER BY 1, 2")]


FINISHED_ABOUT = "SELECT reltuples::bigint FROM pg_class WHERE oid = 'offbeat_jobs_finished_idx'::regclass"


def _finished_about() -> int | None:
    (about,) = sql.fetch_one(FINISHED_ABOUT)
    return None if about < 0 else about


OLDEST_DUE = """
    SELECT min(due_at) FROM (
        SELECT due_at FROM offbeat_jobs_job WHERE state = 'pending' AND due_at <= now()
        UNION ALL SELECT due_at FROM offbeat_jobs_job WHERE state = 'published'
    ) AS due
"""


def _oldest_due_at() -> datetime | None:
    return cast("datetime | None", sql.fetch_one(OLDEST_DUE)[0])


def _waiting(queues: Iterable[str]) -> dict[str, int] | None:
    try:
        return {queue: broker.waiting(queue) for queue in sorted(queues)}
    except redis.RedisError:
        return None


def _default_queue() -> str:
    return str(current_app.conf.task_default_queue)


def living_workers() -> list[Worker]:
    """Return the workers whose heartbeat is not older than `heartbeat_timeout`, by the database's clock."""
    oldest = Now() - timedelta(seconds=conf().heartbeat_timeout)
    return list(Worker.objects.filter(heartbeat_at__gte=oldest).order_by("hostname", "pid"))
