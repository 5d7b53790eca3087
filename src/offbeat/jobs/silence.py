"""What a worker has seen of the others: the last sign of life of each, timed from then on by its own clock.

PostgreSQL's clock is asked only how old a sign is that is seen for the first time: it may be set at any moment.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from offbeat.jobs import sql

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection
    from datetime import datetime


class Sign(NamedTuple):
    """Of a worker: its heartbeat, or, of one without a row, when the youngest of its running jobs began."""

    worker: uuid.UUID
    at: datetime
    is_known: bool  # has a row


# The age is by what the reader has counted, or by the clock: a step since its last beat must make nothing older.
SIGNS = """
    SELECT id, heartbeat_at, true, extract(epoch FROM least(%(now)s, clock_timestamp()) - heartbeat_at)::float
    FROM offbeat_jobs_worker
    UNION ALL
    SELECT worker, max(started_at), false, extract(epoch FROM least(%(now)s, clock_timestamp()) - max(started_at))::float
    FROM offbeat_jobs_job WHERE state = 'running' AND worker IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM offbeat_jobs_worker WHERE offbeat_jobs_worker.id = worker)
    GROUP BY worker
"""


class SilenceWatch:
    """One observer's memory."""

    def __init__(self) -> None:
        self.silent_since: dict[Sign, float] = {}  # monotonic seconds

    def silence(self, now: datetime) -> dict[Sign, float]:
        """Return how old each last sign is, in seconds; `now` is PostgreSQL's time as the observer has counted it."""
        moment = time.monotonic()
        rows = sql.fetch_all(SIGNS, {"now": now})
        signs = {Sign(*row[:3]): moment - max(0.0, row[3]) for row in rows}
        self.silent_since = {sign: self.silent_since.get(sign, since) for sign, since in signs.items()}
        return {sign: moment - since for sign, since in self.silent_since.items()}

    def restart(self, signs: Collection[Sign]) -> None:
        """Time these from now on: somebody holds their rows, so that no other sign could follow."""
        self.silent_since |= dict.fromkeys(signs, time.monotonic())
