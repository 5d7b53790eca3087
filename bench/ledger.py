"""The ledger's own statements with a thousand and a million finished jobs behind them."""

from __future__ import annotations

import datetime as dt
import json
import time
import uuid

from bench.bulk import empty
from bench.stand import median, say

FILL = """
    INSERT INTO offbeat_jobs_job (id, task, args, kwargs, queue, state, max_attempts, attempt, published_at, started_at,
        finished_at,
        created_at, due_at, publish_at, worker)
    SELECT gen_random_uuid(), 'bench.tasks.nothing', '[]', '{}', 'default', 'succeeded', 5, 1, at, at, at, at, at, at, %s
    FROM (SELECT now() - make_interval(secs => n) AS at FROM generate_series(1, %s) AS n) AS times
"""
PENDING = """
    INSERT INTO offbeat_jobs_job (id, task, queue, state, max_attempts)
    SELECT gen_random_uuid(), 'bench.tasks.nothing', 'default', %s, 5
    FROM generate_series(1, 100)
"""


def statements():
    """Return the statements that run all the time, with their values."""
    from offbeat.jobs import attempts, batches, concurrency_keys, reconciler, refusal, relay, silence

    return {
        "relay: claim": (relay.CLAIM, [500, 500]),
        "attempt: begin": (
            attempts.BEGIN_WITHOUT_KEY,
            {"id": uuid.uuid4(), "task": "x", "worker": uuid.uuid4(), "pid": 1},
        ),
        "attempt: finish": (attempts.FINISH, [None, uuid.uuid4(), 1, None]),
        "worker: jobs that others refused": (refusal.CLAIM, [["default"], ["x"], '["x"]', 3]),
        "reconciler: queues and priorities of published jobs": (reconciler.WAITING, []),
        "reconciler: late jobs": (reconciler.EXPIRING, []),
        "reconciler: free keys": (concurrency_keys.WAITED_FOR, [500]),
        "reconciler: batches to settle": (
            f"SELECT id FROM offbeat_jobs_batch WHERE {batches.DONE} LIMIT 100",
            [],
        ),
        "reconciler: signs of life": (silence.SIGNS, {"now": dt.datetime.now(dt.UTC)}),
    }


def measure(sizes=(1_000, 1_000_000)):
    """Return by statement the median ms at each size, and the plan's nodes at the largest."""
    found = {name: {} for name in statements()}
    for size in sizes:
        fill(size)
        for name, (sql, values) in statements().items():
            found[name][size] = timed(sql, values)
            found[name]["plan"] = plan(sql, values)
        say(f"  ledger: measured with {size:,} finished jobs")
    empty()
    return found


def fill(size):
    from django.db import connection

    empty()
    say(f"  ledger: writing {size:,} finished jobs ...")
    with connection.cursor() as cursor:
        cursor.execute(FILL, [uuid.uuid4(), size])
        for state in ("pending", "published", "running"):
            cursor.execute(PENDING, [state])
        cursor.execute("UPDATE offbeat_jobs_job SET published_at = now() WHERE state = 'published'")
        cursor.execute(
            "UPDATE offbeat_jobs_job SET worker = %s, started_at = now() WHERE state = 'running'",
            [uuid.uuid4()],
        )
        cursor.execute("VACUUM ANALYZE offbeat_jobs_job")


def timed(sql, values, rounds=40):
    """Return the median ms of a statement, each time rolled back."""
    from django.db import connection, transaction

    times = []
    for _ in range(rounds):
        with transaction.atomic(), connection.cursor() as cursor:
            begun = time.perf_counter()
            cursor.execute(sql, values)
            times.append((time.perf_counter() - begun) * 1000)
            transaction.set_rollback(True)
    return median(times)


def plan(sql, values):
    """Return the nodes that read a table, from EXPLAIN."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", values)
        answer = cursor.fetchone()[0]
        transaction.set_rollback(True)
    tree = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
    return sorted({line for line in nodes(tree) if "Scan" in line})


def nodes(tree):
    name = tree["Node Type"]
    where = tree.get("Index Name") or tree.get("Relation Name")
    yield f"{name} ({where})" if where else name
    for below in tree.get("Plans", []):
        yield from nodes(below)
