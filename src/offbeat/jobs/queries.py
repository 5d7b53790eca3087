"""What people and tools ask the ledger. Every answer is bounded, and found by an index at a million rows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from celery import current_app
from django.db.models.functions import Now

from offbeat.jobs import broker, sql
from offbeat.jobs.conf import conf
from offbeat.jobs.models import Job, Worker

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Sequence
    from datetime import datetime

STATES = ("pending", "published", "running", "dead")  # those that have an index of their own


@dataclass(frozen=True, slots=True)
class Tally:
    """The unfinished jobs, or the dead letters, of one task in one queue and state."""

    task: str
    queue: str
    state: str
    jobs: int
    due: int  # how many of them could be running by now
    due_since: datetime | None  # the first of those
    first_end_at: datetime | None  # of dead letters
    last_end_at: datetime | None


# One partial index a state: asked for several states at once, PostgreSQL would read the whole table.
TALLY = """
    SELECT task, queue, '{state}', count(*), count(*) FILTER (WHERE due_at <= now()),
        min(due_at) FILTER (WHERE due_at <= now()), min(finished_at), max(finished_at)
    FROM offbeat_jobs_job WHERE state = '{state}' GROUP BY task, queue
"""
TALLIES = " UNION ALL ".join(TALLY.format(state=state) for state in STATES)


def tallies() -> list[Tally]:
    """Count what is not finished, and the dead letters: the one question from which everybody knows how deep a queue is."""
    return [Tally(*row) for row in sql.fetch_all(TALLIES)]


# In the order of the index: else PostgreSQL may think that the first ones are soon found in the whole table.
OF_A_BATCH = """
    SELECT state, jobs FROM unnest(%s::text[]) AS state, LATERAL (
        SELECT count(*) AS jobs FROM (
            SELECT id FROM offbeat_jobs_job WHERE batch_id = %s AND offbeat_jobs_job.state = state.state ORDER BY id LIMIT %s
        ) AS first_ones
    ) AS counted WHERE jobs > 0
"""


def count_batch(batch_id: uuid.UUID, most: int) -> dict[str, int]:
    """Return how many jobs of a batch are in each state; of more than `most` one more than that."""
    return dict(sql.fetch_all(OF_A_BATCH, [Job.State.values, batch_id, most + 1]))


@dataclass(slots=True)
class Depth:
    """The jobs of a queue. `waiting` are those that could start now; `later` have a due time ahead, retries among them."""

    waiting: int = 0
    later: int = 0
    running: int = 0
    dead: int = 0
    oldest_at: datetime | None = None  # since when the first of the waiting ones has been due


def depths(found: Iterable[Tally]) -> dict[str, Depth]:
    """Return how deep each queue is that has a job which is not finished, or a dead letter, by its name."""
    queues: dict[str, Depth] = defaultdict(Depth)
    for tally in sorted(found, key=lambda each: each.queue):
        depth = queues[tally.queue]
        if tally.state in {"running", "dead"}:
            setattr(depth, tally.state, getattr(depth, tally.state) + tally.jobs)
            continue
        depth.waiting += tally.due
        depth.later += tally.jobs - tally.due
        if tally.due_since:
            depth.oldest_at = min(tally.due_since, depth.oldest_at or tally.due_since)
    return dict(queues)


# Of the newest thousand: an index has them in this order, and sorting all of them for a page would cost more than the page.
REASONS = """
    SELECT DISTINCT ON (task) task, reason FROM (
        SELECT task, reason, finished_at FROM offbeat_jobs_job WHERE state = 'dead' ORDER BY finished_at DESC LIMIT 1000
    ) AS newest ORDER BY task, finished_at DESC
"""


def newest_reasons() -> dict[str, str]:
    """Return by task why its newest dead letter is one."""
    return dict(sql.fetch_all(REASONS))


@dataclass(frozen=True, slots=True)
class Statistics:
    """The ledger at a glance. Finished jobs other than dead letters are not counted but estimated: there may be millions."""

    queues: dict[str, Depth]
    finished_about: int | None  # as of the last ANALYZE or VACUUM; None before the first
    messages: dict[str, int] | None  # in Redis, by queue; None while it is down
    workers: Sequence[Worker]  # those whose heartbeat is young enough


def statistics() -> Statistics:
    queues, workers = depths(tallies()), living_workers()
    names = {*queues, *(queue for worker in workers for queue in worker.queues), _default_queue()}
    return Statistics(queues, _finished_about(), messages(names), workers)


FINISHED_ABOUT = "SELECT reltuples::bigint FROM pg_class WHERE oid = 'offbeat_jobs_finished_idx'::regclass"


def _finished_about() -> int | None:
    (about,) = sql.fetch_one(FINISHED_ABOUT)
    return None if about < 0 else about


def messages(queues: Iterable[str]) -> dict[str, int] | None:
    """Return how many messages wait in each queue of the broker, None while it does not answer."""
    try:
        return {queue: broker.waiting(queue) for queue in sorted(queues)}
    except broker.errors():
        return None


def _default_queue() -> str:
    return str(current_app.conf.task_default_queue)


def living_workers() -> list[Worker]:
    """Return the workers whose heartbeat is not older than `heartbeat_timeout`, by the database's clock."""
    oldest = Now() - timedelta(seconds=conf().heartbeat_timeout)
    return list(Worker.objects.filter(heartbeat_at__gte=oldest).order_by("hostname", "pid"))


def consumed_queues() -> list[str]:
    """Return the names of the queues that living workers consume, those that stop apart."""
    return sorted({queue for worker in living_workers() if not worker.stopping for queue in worker.queues})
