"""What has finished in the last hour, day and week, by task or by queue, as the ledger has it now.

Counted among the newest million finished jobs: some seconds at worst, for a command. Pages read trends instead (`offbeat.ops`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from offbeat.jobs import sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

SPANS = {"hour": "1 hour", "day": "1 day", "week": "7 days"}
MOST = 1_000_000
BY = ("task", "queue")

COUNTS = ", ".join(
    f"count(*) FILTER (WHERE {of} AND finished_at >= now() - interval '{length}')"
    for length in SPANS.values()
    for of in ("true", "state IN ('dead', 'expired')")
)
# Each by an index of its own: asked for all states at once, PostgreSQL would read the whole table.
NEWEST = """
    SELECT {{by}} AS name, state, finished_at FROM offbeat_jobs_job
    WHERE state IN ({states}) AND finished_at >= now() - interval '7 days' ORDER BY finished_at DESC LIMIT %(most)s
"""
COUNT = f"""
    WITH found AS (({NEWEST.format(states="'succeeded', 'cancelled', 'expired'")}) UNION ALL ({NEWEST.format(states="'dead'")}))
    SELECT name, {COUNTS}, min(finished_at) FILTER (WHERE state <> 'dead'), count(*) FILTER (WHERE state <> 'dead')
    FROM found GROUP BY GROUPING SETS ((name), ())
"""  # noqa: S608  constants


@dataclass(frozen=True, slots=True)
class Finished:
    """How many jobs finished in each span, and how many of them failed: are dead letters, or expired."""

    name: str  # of a task or a queue; "" for all
    jobs: Mapping[str, int]
    failed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FinishedCounts:
    """By task or queue, those with most jobs first."""

    by: str
    all: Finished
    each: Sequence[Finished] = field(default_factory=list)
    counted_back_to: datetime | None = None  # where there were too many to count a week


def count_finished(by: str = "task", most: int = MOST) -> FinishedCounts:
    """Count the finished jobs. Cancelled ones are among them; a dead letter that was retried is not."""
    if by not in BY:
        raise ValueError(f"by should be one of {', '.join(BY)}, got {by!r}")
    rows = {name: counts for name, *counts in sql.fetch_all(COUNT.format(by=by), {"most": most})}
    *counts, oldest, total = rows.pop(None)
    each = [_finished(name, found[:-2]) for name, found in rows.items()]
    each.sort(key=lambda found: (-found.jobs["week"], found.name))
    return FinishedCounts(by, _finished("", counts), each, oldest if total >= most else None)


def _finished(name: str, counts: Sequence[int]) -> Finished:
    return Finished(
        name,
        dict(zip(SPANS, counts[0::2], strict=True)),
        dict(zip(SPANS, counts[1::2], strict=True)),
    )
