"""How many jobs came and went in each minute, by queue.

Minutes that are over are counted once by each process and remembered, so that a page which asks every few seconds counts three
minutes and not thirty. A job whose transaction took longer than two minutes is missing from the picture, and from nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db import connection

from offbeat.jobs.identity import CLOCKS_DIFFER, first_id

MINUTES = 30  # of the sparkline; the last one is not over yet
MINUTE = timedelta(minutes=1)
SETTLED = 2 * MINUTE  # so old is a minute when it is remembered


@dataclass(frozen=True)
class Flow:
    """Jobs enqueued and finished in each of the last thirty minutes, the oldest first."""

    came: list[int] = field(default_factory=lambda: [0] * MINUTES)
    went: list[int] = field(default_factory=lambda: [0] * MINUTES)


COUNT = """
    SELECT queue, 'came', date_bin('1 minute', created_at, %(since)s), count(*)
    FROM offbeat_jobs_job WHERE id >= %(first)s AND created_at >= %(since)s GROUP BY 1, 3
    UNION ALL SELECT queue, 'went', date_bin('1 minute', finished_at, %(since)s), count(*)
    FROM offbeat_jobs_job WHERE state IN ('succeeded', 'cancelled', 'expired') AND finished_at >= %(since)s GROUP BY 1, 3
    UNION ALL SELECT queue, 'went', date_bin('1 minute', finished_at, %(since)s), count(*)
    FROM offbeat_jobs_job WHERE state = 'dead' AND finished_at >= %(since)s GROUP BY 1, 3
"""
Counts = dict[datetime, list[tuple[str, str, int]]]  # by minute: queue, direction, jobs


class Memory:
    """What a process knows of minutes that are over."""

    def __init__(self) -> None:
        self.minutes: Counts = {}

    def counts(self, now: datetime) -> Counts:
        """Return the counts of the last thirty minutes; asks for those that are not remembered."""
        newest = now.astimezone(UTC).replace(second=0, microsecond=0)
        wanted = [newest - (MINUTES - 1 - n) * MINUTE for n in range(MINUTES)]
        remembered = self.minutes
        since = next(minute for minute in wanted if minute not in remembered)
        fresh = {minute: remembered.get(minute, []) for minute in wanted if minute < since} | count(since)
        # A new dict: a thread that reads the old one meanwhile is not disturbed.
        self.minutes = {minute: fresh.get(minute, []) for minute in wanted if minute < newest - SETTLED}
        return fresh


memory = Memory()


def flows(now: datetime) -> dict[str, Flow]:
    """Return the flow of each queue in which anything came or went."""
    found: dict[str, Flow] = {}
    first = now.astimezone(UTC).replace(second=0, microsecond=0) - (MINUTES - 1) * MINUTE
    for minute, counts in memory.counts(now).items():
        place = (minute - first) // MINUTE
        for queue, direction, jobs in counts if 0 <= place < MINUTES else ():
            getattr(found.setdefault(queue, Flow()), direction)[place] += jobs
    return found


def count(since: datetime) -> Counts:
    """Count the jobs of a minute and of those after it."""
    found: Counts = {}
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"since": since, "first": first_id(since, -CLOCKS_DIFFER)})
        for queue, direction, minute, jobs in cursor.fetchall():
            found.setdefault(minute, []).append((queue, direction, jobs))
    return found
