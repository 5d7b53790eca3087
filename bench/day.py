"""`./run bench day [JOBS]`: a day's jobs without a pause through two workers, pruned meanwhile; writes benchmarks-day.md."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import platform
import sys
import threading
import time

from bench.day_sampler import DaySampler, fetch
from bench.report import Report
from bench.stand import CHECKOUT, LEAN, WORKER, median, process, say, stand, wait_until

JOBS = 1_000_000
WORKERS = 2
LOW, BATCH = (
    25,
    50,
)  # jobs that wait at least, and that are enqueued together: a short queue that is never empty
WARM_UP = 500
KEPT = 0.3  # of all jobs: older ones are pruned
NAPTIME = (
    60.0  # seconds between autovacuum's looks, as PostgreSQL has it, for JOBS; for fewer as much shorter
)
UNFINISHED = "SELECT count(*) FROM offbeat_jobs_job WHERE state IN ('pending', 'published', 'running')"
HEADER = ["tenth", "jobs/s", "start p50, ms", "start p99, ms", "table, MB", "indexes, MB", "to the live rows' size", "dead rows",
          "autovacuums", "WAL, bytes a job", "PostgreSQL, CPU ms a job", "workers, CPU ms a job", "workers, MiB"]  # fmt: skip


def main():
    jobs = int(sys.argv[1]) if sys.argv[1:] else JOBS
    load = os.getloadavg()[0]
    say(f"day: {jobs:,} jobs, at a load of {load:.1f}; a million takes about an hour")
    with stand():
        from offbeat.jobs import loss_token

        loss_token.check()  # else the first worker takes Redis for one that has lost its data
        shorten_naptime(jobs)
        with contextlib.ExitStack() as stack:
            workers = [stack.enter_context(process(WORKER + LEAN)).pid for _ in range(WORKERS)]
            rows, pruned = run(jobs, DaySampler(workers))
        missing, repeated = count_others(jobs, pruned)
    report = tell(jobs, rows, (missing, repeated), load)
    report.write()
    sys.stdout.write(report.text)
    return 0 if report.all_met else 1


def shorten_naptime(jobs):
    """Let autovacuum look as often in a smaller run, by its jobs, as in a whole one."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            f"ALTER SYSTEM SET autovacuum_naptime = {max(1, round(NAPTIME * min(1, jobs / JOBS)))}"
        )
        cursor.execute("SELECT pg_reload_conf()")


class Feeder:
    """Keeps the queue short and never empty; knows how many jobs have ended."""

    def __init__(self, jobs):
        self.jobs, self.fed, self.done = jobs, 0, 0

    def feed(self):
        from bench.tasks import nothing
        from offbeat.jobs import broker

        waiting = broker.waiting("default")
        self.done = self.fed - waiting - broker.client().hlen(broker.key("unacked"))
        if waiting < LOW and self.fed < self.jobs:
            self.fed += nothing.enqueue_many([((), {})] * min(BATCH, self.jobs - self.fed))
        else:
            time.sleep(0.005)


class Pruner(threading.Thread):
    """Prunes all the time, as the shipped cronjob does once a day: what ended before the last so many jobs."""

    def __init__(self, jobs):
        super().__init__(daemon=True)
        self.kept, self.pruned, self.ends, self.stopped = round(KEPT * jobs), 0, [], threading.Event()

    def note(self, done):
        self.ends.append((done, time.monotonic()))

    def run(self):
        from offbeat.jobs import retention

        while not self.stopped.wait(1):
            old = [moment for done, moment in self.ends if done <= self.ends[-1][0] - self.kept]
            if old:
                self.pruned += retention.prune(days=(time.monotonic() - old[-1]) / 86_400)

    def stop(self):
        self.stopped.set()
        self.join()


def run(jobs, sampler):
    """Return a sample for each tenth, and how many jobs were pruned."""
    feeder, pruner = Feeder(jobs + WARM_UP), Pruner(jobs)
    while feeder.done < WARM_UP:
        feeder.feed()
    sampler.begin(feeder.done)
    pruner.start()
    rows, noted = [], 0.0
    for tenth in range(1, 11):
        while feeder.done < WARM_UP + jobs * tenth // 10:
            feeder.feed()
            if time.monotonic() - noted > 1:
                noted = time.monotonic()
                pruner.note(feeder.done)
        rows.append(sampler.sample(feeder.done))
        say(f"  {tenth}/10: " + ", ".join(f"{name} {value:,.1f}" for name, value in rows[-1].items()))
    pruner.stop()
    wait_until(lambda: fetch(UNFINISHED)[0] == 0)
    sampler.compact(rows)
    return rows, pruner.pruned


def count_others(jobs, pruned):
    """Return how many jobs did not succeed, and how many of those that are left were begun more than once."""
    succeeded, repeated = fetch(
        "SELECT count(*) FILTER (WHERE state = 'succeeded'), count(*) FILTER (WHERE attempt > 1) FROM offbeat_jobs_job"
    )
    return jobs + WARM_UP - pruned - succeeded, repeated


def tell(jobs, rows, others, load):
    report = Report(CHECKOUT / "docs" / "offbeat" / "benchmarks-day.md", "A day of jobs in one go")
    report.say(
        f"Written by `./run bench day` on {dt.datetime.now(dt.UTC):%Y-%m-%d}, Python {platform.python_version()}, "
        f"{os.cpu_count()} CPUs, PostgreSQL with fsync and its own defaults. {jobs:,} no-op jobs through {WORKERS} workers of two "
        f"slots, as fast as they go, while finished jobs are pruned: the last {KEPT * jobs:,.0f} are kept. "
        f"In the minute before, the load of the machine was {load:.1f}."
    )
    if jobs < JOBS:
        report.say(f"Fewer jobs than {JOBS:,}: autovacuum looks as much more often.")
    report.table(HEADER, [[str(number), *told(row)] for number, row in enumerate(rows, 1)])
    report.say(
        "The live rows' size is that of the table and its indexes after `VACUUM FULL`, by the row. A start's time includes that in "
        f"the queue, in which {LOW} to {LOW + BATCH} jobs wait. No update of a job's state can be HOT, because its state decides "
        f"which index lists it: {rows[-1]['hot']:.1%} were in the last tenth."
    )
    first, last = rows[:5], rows[5:]
    report.target(
        "rate of the last tenth to the first", rows[-1]["rate"] / rows[0]["rate"], 0.95, at_least=True
    )
    report.target("table and indexes to the live rows' size, last five tenths", max(row["to live"] for row in last), 1.5,
                  at_least=False)  # fmt: skip
    for name, what in (("p99", "start p99"), ("memory", "memory of the workers")):
        ratio = median([row[name] for row in last]) / median([row[name] for row in first])
        report.target(f"{what}, last five tenths to the first five", ratio, 1.2, at_least=False)
    report.target("jobs that did not succeed", others[0], 0, at_least=False)
    report.target("jobs that were begun more than once", others[1], 0, at_least=False)
    return report


def told(row):
    """Return a sample as the cells of its line."""
    return [
        f"{row['rate']:.0f}", f"{row['p50']:.0f}", f"{row['p99']:.0f}", f"{row['table']:.1f}", f"{row['indexes']:.1f}",
        f"{row['to live']:.2f}", f"{row['dead']:,.0f}", f"{row['vacuums']:.0f}", f"{row['wal']:.0f}", f"{row['postgres']:.2f}",
        f"{row['work']:.2f}", f"{row['memory']:.0f}",
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
