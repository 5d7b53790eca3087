"""What one job costs the servers, whoever runs it: commits, log and bytes of PostgreSQL, memory of Redis."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from bench import bulk
from bench.stand import LEAN, WORKER, process, say, wait_until

COUNT = 2_000
WAITING = 20_000
SECONDS = 3
STATS = "SELECT xact_commit, pg_current_wal_lsn() - '0/0'::pg_lsn FROM pg_stat_database WHERE datname = current_database()"


def cost_of_a_job(postgres):
    """Return what the page says, by its words."""
    say("Costs ...")
    memory = memory_of_waiting()
    commits, log, bytes_of_rows = through_a_worker()
    one, eight = bare_commits(postgres, 1), bare_commits(postgres, 8)
    return {
        "commits of PostgreSQL a job, enqueued alone": f"{commits + 1:.1f}",
        "commits of PostgreSQL a job, of many enqueued together": f"{commits:.1f}",
        "write-ahead log a job": f"{log:,.0f} bytes",
        "a finished job in the ledger, with its indexes": f"{bytes_of_rows:,.0f} bytes",
        "a waiting job in Redis": f"{memory:,.0f} bytes",
        "bare commits a second of this PostgreSQL, 1 connection": f"{one:,.0f}",
        "bare commits a second of this PostgreSQL, 8 connections": f"{eight:,.0f}",
    }


def memory_of_waiting():
    """Return the bytes that Redis needs for one job that waits."""
    from bench.tasks import nothing
    from offbeat.jobs import broker

    before = broker.client().info("memory")["used_memory"]
    nothing.enqueue_many([((), {})] * WAITING)
    after = broker.client().info("memory")["used_memory"]
    bulk.empty()
    return (after - before) / WAITING


def through_a_worker():
    """Return commits, bytes of the log and bytes of rows a job, from waiting to finished."""
    from django.db import connection

    from bench.tasks import nothing
    from offbeat.jobs import loss_token
    from offbeat.jobs.models import Job

    loss_token.check()  # else the worker takes Redis for one that has lost its data
    with connection.cursor() as cursor:
        cursor.execute("VACUUM FULL offbeat_jobs_job")
        nothing.enqueue_many([((), {})] * COUNT)
        cursor.execute("CHECKPOINT")
        time.sleep(1.5)  # statistics are written once a second
        cursor.execute(STATS)
        before = cursor.fetchone()
        with process(WORKER + LEAN):
            wait_until(lambda: not Job.objects.exclude(state__in=Job.FINISHED).exists(), pause=0.5)
            time.sleep(1.5)
            cursor.execute(STATS)
            after = cursor.fetchone()
        cursor.execute("VACUUM FULL offbeat_jobs_job")
        cursor.execute("SELECT pg_total_relation_size('offbeat_jobs_job')")
        (size,) = cursor.fetchone()
    bulk.empty()
    commits, log = (int(late - early) / COUNT for early, late in zip(before, after, strict=True))
    return commits, log, size / COUNT


def bare_commits(postgres, clients):
    """Return commits of one row a second, by so many connections at once."""
    with postgres.connect("offbeat") as server:
        server.execute("CREATE TABLE IF NOT EXISTS bench_bare (n int)")

    def commit():
        done, deadline = 0, time.monotonic() + SECONDS
        with postgres.connect("offbeat") as connection:
            while time.monotonic() < deadline:
                connection.execute("INSERT INTO bench_bare VALUES (1)")
                done += 1
        return done

    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(commit) for _ in range(clients)]
    return sum(each.result() for each in running) / SECONDS
