"""What a tenth of `./run bench day` was like: its rate, its starts, the ledger's size, and what it cost."""

from __future__ import annotations

import contextlib
import time

import psutil

TABLE = "offbeat_jobs_job"

LEDGER = """
    SELECT pg_table_size(relid), pg_indexes_size(relid), n_dead_tup, autovacuum_count, n_tup_upd, n_tup_hot_upd,
        pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')
    FROM pg_stat_user_tables WHERE relname = 'offbeat_jobs_job'
"""
STARTS = """
    SELECT percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (
        ORDER BY extract(epoch FROM started_at - published_at)::float * 1000)
    FROM offbeat_jobs_job WHERE state IN ('succeeded', 'cancelled', 'expired') AND finished_at >= %s
"""


class DaySampler:
    """Measures since the sample before; `workers` are the process ids of the workers' main processes, each with a session."""

    def __init__(self, workers):
        self.workers = workers
        self.sizes = []  # bytes of the table and its indexes, and live rows

    def begin(self, done):
        self.before = self._now(done)

    def sample(self, done):
        """Return what to tell of the jobs since the last sample, in the order of the page's columns."""
        now, before = self._now(done), self.before
        self.before = now
        jobs = now["done"] - before["done"]
        each = {name: (now[name] - before[name]) / jobs for name in ("wal", "postgres", "work")}
        live, median, p99 = self._starts(before["at"])
        self.sizes.append((now["table"] + now["indexes"], live))
        return {
            "rate": jobs / (now["moment"] - before["moment"]),
            "p50": median,
            "p99": p99,
            "table": now["table"] / 1e6,
            "indexes": now["indexes"] / 1e6,
            "live": live,
            "dead": now["dead"],
            "vacuums": now["vacuums"] - before["vacuums"],
            "wal": each["wal"],
            "postgres": each["postgres"] * 1000,
            "work": each["work"] * 1000,
            "memory": sum(memory(family(pid)) for pid in self.workers),
            "hot": (now["hot"] - before["hot"]) / max(1, now["updates"] - before["updates"]),
        }

    def compact(self, rows):
        """Add to each sample how large the ledger was, compared with its live rows alone: what VACUUM FULL makes of the last."""
        (live,) = fetch(f"SELECT count(*) FROM {TABLE}")
        fetch(f"VACUUM FULL {TABLE}")
        (compact,) = fetch(f"SELECT pg_total_relation_size('{TABLE}')")
        for row, (size, then) in zip(rows, self.sizes, strict=True):
            row["to live"] = size / (compact / live * then)

    def _now(self, done):
        at, backend = fetch("SELECT clock_timestamp(), pg_backend_pid()")
        names = ("table", "indexes", "dead", "vacuums", "updates", "hot", "wal")
        ledger = dict(zip(names, map(float, fetch(LEDGER)), strict=True))
        return ledger | {
            "done": done,
            "at": at,
            "moment": time.monotonic(),
            "postgres": seconds(family(psutil.Process(backend).ppid())),
            "work": sum(seconds(family(pid)) for pid in self.workers),
        }

    @staticmethod
    def _starts(since):
        (live,) = fetch(f"SELECT count(*) FROM {TABLE}")
        return (live, *fetch(STARTS, [since])[0])


def fetch(statement, values=None):
    """Return the first row, where there is one."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone() if cursor.description else None


def family(pid):
    """Return a process and all that it has started."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def seconds(processes):
    """Return the CPU seconds of processes, with those of their children that have ended."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])  # own and children's, user and system
    return total


def memory(processes):
    """Return what processes hold for themselves, in MiB."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().uss
    return total / 2**20
