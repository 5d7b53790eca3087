"""Folds the ends of attempts into counters, which outlive the pruning of jobs.

1. take the ends away, at most CHUNK in one transaction;
2. add them to the counters, and to their hours, in the same transaction.

Death in between: both are undone, and any worker counts them. Two workers at once: the second finds the lock taken and passes.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from offbeat.ops.metrics import buckets, hours

if TYPE_CHECKING:
    from collections.abc import Sequence

CHUNK = 20_000  # ends a transaction: about a tenth of a second, and twenty seconds' worth of a busy worker
LOCK = 0x0FF_C0047  # the key of an advisory lock; any number that nothing else in this database locks

TAKEN = """
    taken AS (
        DELETE FROM offbeat_metrics_jobend WHERE id IN (SELECT id FROM offbeat_metrics_jobend ORDER BY id LIMIT %s)
        RETURNING task, outcome, state, wait, run, at
    )
"""
COUNTED = """
    SELECT 'attempts' AS name, task, outcome AS label, count(*)::float AS value FROM taken WHERE outcome IS NOT NULL GROUP BY 2, 3
    UNION ALL SELECT 'finished', task, state, count(*) FROM taken WHERE state IS NOT NULL GROUP BY 2, 3
    UNION ALL SELECT 'run_sum', task, '', sum(run) FROM taken WHERE run IS NOT NULL GROUP BY 2
    UNION ALL SELECT 'wait_sum', task, '', sum(wait) FROM taken WHERE wait IS NOT NULL GROUP BY 2
    UNION ALL SELECT 'run', task, (%s::text[])[1 + width_bucket(-run, %s::float[])], count(*) FROM taken
        WHERE run IS NOT NULL GROUP BY 2, 3
    UNION ALL SELECT 'wait', task, (%s::text[])[1 + width_bucket(-wait, %s::float[])], count(*) FROM taken
        WHERE wait IS NOT NULL GROUP BY 2, 3
"""
FOLD = f"""
    WITH {TAKEN}, counted AS ({COUNTED}), added AS (
        INSERT INTO offbeat_metrics_counter (name, subject, label, value) SELECT name, task, label, value FROM counted
        ON CONFLICT (name, subject, label) DO UPDATE SET value = offbeat_metrics_counter.value + excluded.value
    ), {hours.ADD}
    SELECT count(*) FROM taken
"""  # noqa: S608  constants


Labels = dict[str, float]


def read() -> dict[str, dict[str, Labels]]:
    """Return every counter as {name: {subject: {label: value}}}."""
    found: dict[str, dict[str, Labels]] = defaultdict(lambda: defaultdict(dict))
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, subject, label, value FROM offbeat_metrics_counter")
        for name, subject, label, value in cursor.fetchall():
            found[name][subject][label] = value
    return found


def fold() -> int:
    """Count every end that was not counted yet; return how many. Another worker is at it: none."""
    total = 0
    while (taken := fold_chunk()) > 0:
        total += taken
        if taken < CHUNK:
            break
    return total


def fold_chunk() -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(FOLD, [CHUNK, *bounds(buckets.RUN), *bounds(buckets.WAIT)])
        return int(cursor.fetchone()[0])


def bounds(of: Sequence[float]) -> list[Any]:
    """Return a histogram's labels and bounds, as FOLD takes them.

    Both from the end, and the bounds negative: PostgreSQL's buckets hold their lower bound, Prometheus' their upper one.
    """
    return [[buckets.BEYOND, *map(buckets.text, reversed(of))], [-bound for bound in reversed(of)]]
