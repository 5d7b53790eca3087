"""The queues: how many jobs wait in each, how long the oldest has waited, and who consumes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection

from offbeat.ops.pages.flow import Flow, flows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from offbeat.jobs.models import Worker


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
    SELECT queue, 'waiting', count(*), min(due_at) FROM offbeat_jobs_job WHERE state = 'pending' AND due_at <= now() GROUP BY 1
    UNION ALL SELECT queue, 'waiting', count(*), min(due_at) FROM offbeat_jobs_job WHERE state = 'published' GROUP BY 1
    UNION ALL SELECT queue, 'later', count(*), NULL FROM offbeat_jobs_job WHERE state = 'pending' AND due_at > now() GROUP BY 1
    UNION ALL SELECT queue, 'running', count(*), NULL FROM offbeat_jobs_job WHERE state = 'running' GROUP BY 1
    UNION ALL SELECT queue, 'dead', count(*), NULL FROM offbeat_jobs_job WHERE state = 'dead' GROUP BY 1
"""


def queues(consumed: Iterable[str], workers: Sequence[Worker], now: datetime) -> list[Queue]:
    """Return every queue that is consumed, or has a job that is not finished, or had one in the last half hour."""
    depths, oldest, flow = *_depths(), flows(now)
    declared = set(consumed)
    names = {*declared, *(name for name, _ in depths), *flow}
    names |= {name for worker in workers for name in worker.queues}
    return [
        Queue(
            name,
            **{kind: depths.get((name, kind), 0) for kind in ("waiting", "later", "running", "dead")},
            oldest_at=oldest.get(name),
            consumers=sum(name in worker.queues and not worker.stopping for worker in workers),
            is_declared=name in declared,
            flow=flow.get(name) or Flow(),
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
