"""`./run bench ledger [JOBS]`: the ledger and its pages behind ten million jobs and behind a tenth; writes benchmarks-ledger.md."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import os
import platform
import sys
import time
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.bulk import empty
from bench.report import Report
from bench.stand import CHECKOUT, median, process, say, stand, wait_until

JOBS = 10_000_000
PAGES = (
    "overview",
    "jobs, newest first",
    "jobs, a page far down",
    "jobs, dead letters",
    "jobs, by a key",
    "cronjobs",
)

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
    from offbeat.jobs import (
        attempts,
        batches,
        concurrency_keys,
        guard,
        reconciler,
        refusal,
        relay,
        retention,
        silence,
    )

    moment, nobody = (
        dt.datetime.now(dt.UTC),
        {"id": uuid.uuid4(), "task": "x", "queue": "default", "reason": ""},
    )
    return {
        "relay: claim": (relay.CLAIM, [500, 500]),
        "relay: claim what Redis has lost": (
            relay.CLAIM_LOST,
            [moment, moment - dt.timedelta(days=1), 500, 500],
        ),
        "guard: a pause": (guard.HOLD, nobody),
        "guard: a busy key": (guard.STEP_BACK, nobody),
        "guard: too late": (guard.EXPIRE, [uuid.uuid4()]),
        "attempt: begin": (
            attempts.BEGIN_WITHOUT_KEY,
            nobody | {"worker": uuid.uuid4(), "pid": 1},
        ),
        "attempt: finish": (
            attempts.FINISH,
            {"result": None, "ended": uuid.uuid4(), "number": 1, "idle": None},
        ),
        "worker: jobs that others refused": (refusal.CLAIM, [["default"], ["x"], '["x"]', 3]),
        "reconciler: queues and priorities of published jobs": (reconciler.WAITING, []),
        "reconciler: late jobs": (reconciler.EXPIRING, []),
        "reconciler: lost messages": (
            reconciler.LOST_MESSAGES,
            [moment, "default", 0, 86_400, moment, 5_000],
        ),
        "reconciler: free keys": (concurrency_keys.WAITED_FOR, [500]),
        "reconciler: batches to settle": (
            f"SELECT id FROM offbeat_jobs_batch WHERE {batches.DONE} LIMIT 100",
            [],
        ),
        "reconciler: signs of life": (silence.SIGNS, {"now": moment}),
        "prune: a portion": (retention.PRUNE, ["-infinity", 0.1, retention.CHUNK]),
    }


def measure(sizes=(1_000, 1_000_000)):
    """Return by statement the median ms at each size, and the plan's nodes at the largest."""
    found = {name: {} for name in statements()}
    for size in sizes:
        fill(size)
        add_statements(found, size)
    empty()
    return found


def add_statements(found, size):
    for name, (sql, values) in statements().items():
        found[name][size] = timed(sql, values)
        found[name]["plan"] = plan(sql, values)
    say(f"  ledger: measured with {size:,} finished jobs")


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


def main():
    from bench import ops

    jobs, load = int(sys.argv[1]) if sys.argv[1:] else JOBS, os.getloadavg()[0]
    sizes = jobs // 10, jobs
    say(f"ledger: {jobs:,} jobs, at a load of {load:.1f}; ten million take 6 GB of disk, and some minutes")
    with TemporaryDirectory() as name, stand():
        folder = Path(name)
        folder.chmod(0o711)
        ops.platform(folder)
        headers = {"Host": "localhost", "Cookie": ops.cookie(folder)}
        found = {name: {} for name in statements()}
        for size in sizes:
            empty_pages()
            ops.fill(size)
            add_statements(found, size)
            add_pages(found, size, headers)
        written = rows_and_gigabytes()
    report = tell(found, sizes, load, *written)
    report.write()
    sys.stdout.write(report.text)
    return 0 if report.all_met else 1


def rows_and_gigabytes():
    """Return how many rows the ledger has, and what it takes with its indexes."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), pg_total_relation_size('offbeat_jobs_job') / 1e9 FROM offbeat_jobs_job"
        )
        return cursor.fetchone()


def empty_pages():
    """Empty what the pages show, the ledger with it."""
    from django.db import connection

    empty()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE offbeat_jobs_worker, offbeat_metrics_taskhour, offbeat_cronjobs_slot")


def add_pages(found, size, headers):
    from bench import ops
    from bench.request import answers
    from offbeat.dev.ports import free_port

    port = free_port()
    with process(
        ops.COMMAND.format(port=port), DJANGO_SETTINGS_MODULE="bench.ops_settings", WEB_CONCURRENCY="1"
    ):
        wait_until(lambda: answers(port))
        times = ops.measure(http.client.HTTPConnection("127.0.0.1", port), headers, PAGES, rounds=20)
    for name, (p50, _) in times.items():
        found.setdefault(f"page: {name}", {"plan": []})[size] = p50


def tell(found, sizes, load, rows, gigabytes):
    few, many = sizes
    report = Report(
        CHECKOUT / "docs" / "offbeat" / "benchmarks-ledger.md", f"The ledger behind {many:,} jobs"
    )
    report.say(
        f"Written by `./run bench ledger` on {dt.datetime.now(dt.UTC):%Y-%m-%d}, Python {platform.python_version()}, "
        f"{os.cpu_count()} CPUs, PostgreSQL with fsync and its own defaults. Medians, in milliseconds. "
        f"In the minute before, the load of the machine was {load:.1f}. "
        f"The ledger had {rows:,} rows at the end, with those of open jobs, and took {gigabytes:.1f} GB with its indexes."
    )
    tell_statements(report, found, few, many)
    for group in ("relay", "guard", "attempt", "reconciler", "page", "prune"):
        own = [times for name, times in found.items() if name.startswith(f"{group}:")]
        ratio = sum(times[many] for times in own) / sum(times[few] for times in own)
        report.target(f"{group}, all together, to its time at {few:,}", ratio, 1.5, at_least=False)
    return report


def tell_statements(report, found, few, many):
    rows = [
        [
            name,
            f"{times[few]:.2f}",
            f"{times[many]:.2f}",
            f"{times[many] / times[few]:.2f}",
            "<br>".join(f"`{each}`" for each in times["plan"]),
        ]
        for name, times in found.items()
    ]
    report.table(["", f"ms at {few:,}", f"ms at {many:,}", "ratio", "reads by"], rows)
    scans = [name for name, times in found.items() if "Seq Scan (offbeat_jobs_job)" in times["plan"]]
    report.target("statements that scan the whole table", len(scans), 0, at_least=False)


if __name__ == "__main__":
    sys.exit(main())
