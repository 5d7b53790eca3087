"""What one scrape reads: each part once, and each by itself, so that a server that is away costs only its own part."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from celery import current_app
from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Labels = dict[str, float]
STATES = ("pending", "published", "running", "dead")
# One partial index a state: asked for several states at once, PostgreSQL would read the whole table.
TALLY = """
    SELECT task, queue, '{state}', count(*), count(*) FILTER (WHERE due_at <= now()),
        extract(epoch FROM now() - min(due_at) FILTER (WHERE due_at <= now()))::float
    FROM offbeat_jobs_job WHERE state = '{state}' GROUP BY task, queue
"""
TALLIES = " UNION ALL ".join(TALLY.format(state=state) for state in STATES)


@dataclass(frozen=True, slots=True)
class Tally:
    """The unfinished jobs, and the dead letters, of one task in one queue and state."""

    task: str
    queue: str
    state: str
    jobs: int
    due: int  # how many of them could be running by now
    oldest: float | None  # seconds for which the first of them has been due

    @property
    def waiting(self) -> int:
        return self.due if self.state in {"pending", "published"} else 0


def tallies() -> list[Tally]:
    with connection.cursor() as cursor:
        cursor.execute(TALLIES)
        return [Tally(*row) for row in cursor.fetchall()]


def counters() -> dict[str, dict[str, Labels]]:
    """Return every counter as {name: {subject: {label: value}}}."""
    found: dict[str, dict[str, Labels]] = defaultdict(lambda: defaultdict(dict))
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, subject, label, value FROM offbeat_metrics_counter")
        for name, subject, label, value in cursor.fetchall():
            found[name][subject][label] = value
    return found


def queues_of(*named: Sequence[str]) -> list[str]:
    """Return the queues that are known from anywhere: those that nobody consumes must show too."""
    from offbeat.deployment import spec  # noqa: PLC0415  YAML costs 30 ms, and only a scrape needs it

    try:
        consumed = [queue for service in spec.read().services for queue in service.queues]
    except spec.PlatformError:
        consumed = []  # check_platform tells what is wrong with it
    return sorted(
        {current_app.conf.task_default_queue, *consumed, *(queue for each in named for queue in each)}
    )


def depth(found: Sequence[Tally]) -> dict[str, int]:
    """Return by queue how many jobs wait, of those that are due."""
    depths: dict[str, int] = defaultdict(int)
    for tally in found:
        depths[tally.queue] += tally.waiting
    return depths


def oldest(found: Sequence[Tally]) -> Mapping[str, float]:
    """Return by queue for how many seconds the first waiting job has been due."""
    ages: dict[str, float] = {}
    for tally in found:
        if tally.waiting and tally.oldest is not None:
            ages[tally.queue] = max(ages.get(tally.queue, 0.0), tally.oldest)
    return cast("Mapping[str, float]", ages)
