"""What ended in each hour, by task: what trends are drawn from, whatever the ledger has pruned or how much it holds.

`counters.fold` adds it in the statement that takes the ends away, so each end is in its hour once, whatever crashes. A row keeps
two histograms whose buckets are a fifth wide, so percentiles are right to a tenth, and sums of rows have percentiles too.
Workers of a release before this one take ends away without adding them here: during that deploy some are missing.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime, timedelta

FINEST, PER_DOUBLING, MOST = (
    0.001,
    4,
    96,
)  # seconds; buckets; the last bucket begins after four and a half hours
KEPT = 30  # days

# NULL of none; PostgreSQL's greatest() passes over a NULL.
BUCKET = f"""CASE WHEN {{0}} IS NOT NULL
                THEN least({MOST}, floor({PER_DOUBLING} * ln(greatest({{0}}, {FINEST}) / {FINEST}) / ln(2.0)))::int END"""
HISTOGRAM = """(
    SELECT hour, task, jsonb_object_agg({0}, ends) AS {0} FROM (
        SELECT hour, task, {0}, count(*) AS ends FROM spread WHERE {0} IS NOT NULL GROUP BY 1, 2, 3
    ) AS each GROUP BY 1, 2
) AS of_{0}"""
SUM = """(
    SELECT coalesce(jsonb_object_agg(key, ends), '{{}}') FROM (
        SELECT key, sum(value::bigint) AS ends FROM (
            SELECT * FROM jsonb_each_text(known.{0}) UNION ALL SELECT * FROM jsonb_each_text(excluded.{0})
        ) AS both_of_them GROUP BY key
    ) AS summed
)"""
# Takes `taken`, the ends; adds them to their hours.
ADD = f"""
    spread AS (
        SELECT date_trunc('hour', at, 'UTC') AS hour, unnest(ARRAY[task, '']) AS task, outcome, state,
            {BUCKET.format("wait")} AS wait, {BUCKET.format("run")} AS run FROM taken
    ), ended AS (
        SELECT hour, task, count(*) FILTER (WHERE state = 'succeeded') AS succeeded, count(*) FILTER (WHERE state = 'dead') AS dead,
            count(*) FILTER (WHERE state = 'expired') AS expired, count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
            count(*) FILTER (WHERE outcome IN ('retried', 'failed', 'crashed')) AS failed_attempts
        FROM spread GROUP BY 1, 2
    ), added_to_hours AS (
        INSERT INTO offbeat_metrics_taskhour AS known
            (hour, task, succeeded, dead, expired, cancelled, failed_attempts, wait, run)
        SELECT hour, task, succeeded, dead, expired, cancelled, failed_attempts, coalesce(wait, '{{}}'), coalesce(run, '{{}}')
        FROM ended LEFT JOIN {HISTOGRAM.format("wait")} USING (hour, task) LEFT JOIN {HISTOGRAM.format("run")} USING (hour, task)
        ON CONFLICT (hour, task) DO UPDATE SET succeeded = known.succeeded + excluded.succeeded, dead = known.dead + excluded.dead,
            expired = known.expired + excluded.expired, cancelled = known.cancelled + excluded.cancelled,
            failed_attempts = known.failed_attempts + excluded.failed_attempts,
            wait = {SUM.format("wait")}, run = {SUM.format("run")}
    )
"""  # noqa: S608  constants
COUNTS = ("succeeded", "dead", "expired", "cancelled", "failed_attempts")
FOUND = f"""
    {", ".join(f"sum({name})::bigint" for name in COUNTS)},
    string_agg(wait::text, ','), string_agg(run::text, ',')
    FROM offbeat_metrics_taskhour WHERE hour >= %(since)s AND hour <= %(until)s
"""
READ = f"SELECT date_bin(%(step)s, hour, %(since)s), {FOUND} AND task = %(task)s GROUP BY 1"
# Of the tasks that ended most often, so that a page is bounded whatever their number.
READ_BY_TASK = f"""
    SELECT task, {FOUND} AND task IN (
        SELECT task FROM offbeat_metrics_taskhour WHERE hour >= %(since)s AND hour <= %(until)s AND task <> ''
        GROUP BY task ORDER BY sum(succeeded + dead + expired + cancelled + failed_attempts) DESC, task LIMIT %(most)s
    ) GROUP BY task
"""  # noqa: S608  constants
SINCE = "SELECT min(hour) FROM offbeat_metrics_taskhour"
PRUNE = "DELETE FROM offbeat_metrics_taskhour WHERE hour < now() - make_interval(days => %s)"


@dataclass(frozen=True)
class Ends:
    """What ended in some time: jobs by state, attempts that failed, and how long attempts waited and ran."""

    succeeded: int = 0
    dead: int = 0
    expired: int = 0
    cancelled: int = 0
    failed_attempts: int = 0
    waits: Mapping[int, int] = field(default_factory=dict)
    runs: Mapping[int, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        return self.dead + self.expired

    @property
    def jobs(self) -> int:
        return self.succeeded + self.failed + self.cancelled


def summed(texts: str) -> dict[int, int]:
    """Return the sum of histograms, written one after another: a page has some ten thousand of them to read."""
    total: dict[str, int] = {}
    for found in json.loads(f"[{texts}]"):
        for bucket, ends in found.items():
            total[bucket] = total.get(bucket, 0) + ends
    return {int(bucket): ends for bucket, ends in total.items()}


def bound(bucket: float) -> float:
    """Return where a bucket begins, in seconds."""
    return FINEST * 2 ** (bucket / PER_DOUBLING)


def percentile(found: Mapping[int, int], share: float) -> float | None:
    """Return the seconds that this share of them took at most, to a tenth; None where there is none."""
    wanted, seen = share * sum(found.values()), 0.0
    for bucket in sorted(found):
        if seen + found[bucket] >= wanted:
            return bound(bucket + (wanted - seen) / found[bucket])
        seen += found[bucket]
    return None


def read(since: datetime, until: datetime, step: timedelta, task: str = "") -> dict[datetime, Ends]:
    """Return what ended by step, of those in which anything of a task, or at all, ended."""
    return dict(_read(READ, {"since": since, "until": until, "step": step, "task": task}))


def read_by_task(since: datetime, until: datetime, most: int) -> dict[str, Ends]:
    """Return what ended by task, of those tasks that ended most often, these first."""
    found = dict(_read(READ_BY_TASK, {"since": since, "until": until, "most": most}))
    return dict(sorted(found.items(), key=lambda each: (-each[1].jobs, each[0])))


def _read(statement: str, values: dict[str, Any]) -> Iterator[tuple[Any, Ends]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        for key, *counts, waits, runs in cursor.fetchall():
            yield key, _ends(counts, summed(waits), summed(runs))


def _ends(counts: Iterable[int], waits: Mapping[int, int], runs: Mapping[int, int]) -> Ends:
    return Ends(**dict(zip(COUNTS, counts, strict=True)), waits=waits, runs=runs)


def add(all_of_them: Iterable[Ends]) -> Ends:
    """Return the sum."""
    found = list(all_of_them)
    counts = [sum(getattr(each, name) for each in found) for name in COUNTS]
    waits, runs = Counter[int](), Counter[int]()
    for each in found:
        waits.update(each.waits)
        runs.update(each.runs)
    return _ends(counts, waits, runs)


def counted_since() -> datetime | None:
    """Return the first hour that is known, None before the first end."""
    with connection.cursor() as cursor:
        cursor.execute(SINCE)
        (first,) = cursor.fetchone()
    return first


def prune() -> None:
    with connection.cursor() as cursor:
        cursor.execute(PRUNE, [KEPT])
