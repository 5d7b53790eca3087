"""The queues: how many jobs wait in each, how long the oldest has waited, and how many came and went in each minute."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobs.models import Worker

MINUTES = 30  # of the sparkline; the last one is not over yet
# An id tells when its job was enqueued, by the clock of the process that did: so much may that clock be off.
CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True)
class Flow:
    """Jobs enqueued and finished in each of the last thirty minutes, the oldest first."""

    came: list[int] = field(default_factory=lambda: [0] * MINUTES)
    went: list[int] = field(default_factory=lambda: [0] * MINUTES)


@dataclass(frozen=True)
class Queue:
    """One queue. `waiting` are the jobs that could start now; `later` those with a due time ahead, retries among them."""

    name: str
    waiting: int
    later: int
    running: int
    dead: int
    oldest_at: datetime | None
    consumers: int
    is_declared: bool  # by a service of platform.yaml
    flow: Flow

    @property
    def per_minute(self) -> tuple[int, int]:
        """Jobs that came and went in the last whole minute."""
        return self.flow.came[-2], self.flow.went[-2]


DEPTHS = """
    SELECT queue, 'waiting', count(*), min(due_at) FROM jobs_job WHERE state = 'pending' AND due_at <= now() GROUP BY 1
    UNION ALL SELECT queue, 'waiting', count(*), min(due_at) FROM jobs_job WHERE state = 'published' GROUP BY 1
    UNION ALL SELECT queue, 'later', count(*), NULL FROM jobs_job WHERE state = 'pending' AND due_at > now() GROUP BY 1
    UNION ALL SELECT queue, 'running', count(*), NULL FROM jobs_job WHERE state = 'running' GROUP BY 1
    UNION ALL SELECT queue, 'dead', count(*), NULL FROM jobs_job WHERE state = 'dead' GROUP BY 1
"""
FLOW = """
    SELECT queue, 'came', floor(extract(epoch FROM created_at - %(since)s) / 60)::int, count(*)
    FROM jobs_job WHERE id >= %(first)s AND created_at >= %(since)s GROUP BY 1, 3
    UNION ALL SELECT queue, 'went', floor(extract(epoch FROM finished_at - %(since)s) / 60)::int, count(*)
    FROM jobs_job WHERE state IN ('succeeded', 'cancelled', 'expired') AND finished_at >= %(since)s GROUP BY 1, 3
    UNION ALL SELECT queue, 'went', floor(extract(epoch FROM finished_at - %(since)s) / 60)::int, count(*)
    FROM jobs_job WHERE state = 'dead' AND finished_at >= %(since)s GROUP BY 1, 3
"""


def queues(consumed: Iterable[str], workers: Sequence[Worker], now: datetime) -> list[Queue]:
    """Return every queue that is consumed, or has a job that is not finished, or had one in the last half hour."""
    depths, oldest, flows = *_depths(), _flows(now)
    declared = set(consumed)
    names = {*declared, *(name for name, _ in depths), *flows}
    names |= {name for worker in workers for name in worker.queues}
    return [
        Queue(
            name,
            **{kind: depths.get((name, kind), 0) for kind in ("waiting", "later", "running", "dead")},
            oldest_at=oldest.get(name),
            consumers=sum(name in worker.queues and not worker.stopping for worker in workers),
            is_declared=name in declared,
            flow=flows.get(name) or Flow(),
        )
        for name in sorted(names)
    ]


def _depths() -> tuple[Mapping[tuple[str, str], int], Mapping[str, datetime]]:
    depths: dict[tuple[str, str], int] = {}
    oldest: dict[str, datetime] = {}
    with connection.cursor() as cursor:
        cursor.execute(DEPTHS)
        for name, kind, jobs, since in cursor.fetchall():
            depths[name, kind] = depths.get((name, kind), 0) + jobs
            if since:
                oldest[name] = min(since, oldest.get(name, since))
    return depths, oldest


def _flows(now: datetime) -> dict[str, Flow]:
    since = now.astimezone(UTC).replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    found: dict[str, Flow] = {}
    with connection.cursor() as cursor:
        cursor.execute(FLOW, {"since": since, "first": first_id(since - CLOCKS_DIFFER)})
        for name, direction, minute, jobs in cursor.fetchall():
            if 0 <= minute < MINUTES:
                getattr(found.setdefault(name, Flow()), direction)[minute] += jobs
    return found


def first_id(moment: datetime) -> uuid.UUID:
    """Return the lowest id that a job enqueued at a moment can have: version 7 ids begin with the time (RFC 9562, 5.7)."""
    return uuid.UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)
