"""`./run bench jobs`: measures what durability costs, prints the tables and writes docs/offbeat/benchmarks.md."""

from __future__ import annotations

import datetime as dt
import os
import platform
import sys

from bench import bulk, latency, ledger, priorities, request, throughput
from bench.report import Report
from bench.stand import CHECKOUT, median, ratio, say, stand


def main():
    with stand() as (postgres, redis):
        say("Throughput ...")
        rates = throughput.measure(postgres)
        bulk.empty()
        say("Bulk ...")
        bulks = bulk.measure()
        say("Requests ...")
        requests = request.measure(redis)
        bulk.empty()
        say("Latency ...")
        latencies = latency.measure()
        say("Priorities ...")
        levels, urgent = priorities.measure()
        say("Ledger ...")
        statements = ledger.measure()
    report = Report(CHECKOUT / "docs" / "offbeat" / "benchmarks.md", "What durability costs")
    introduce(report)
    tell_throughput(report, rates)
    tell_bulk(report, bulks)
    tell_requests(report, requests)
    tell_latency(report, latencies)
    tell_priorities(report, levels, urgent)
    tell_ledger(report, statements)
    report.write()
    sys.stdout.write(report.text)
    return 0 if report.all_met else 1


def introduce(report):
    report.say(
        f"Written by `./run bench jobs` on {dt.datetime.now(dt.UTC):%Y-%m-%d}, Python {platform.python_version()}, "
        f"{os.cpu_count()} CPUs, PostgreSQL with fsync and Redis on the same machine. Rates and times are this machine's; what "
        "counts are the ratios, measured in one run, in turns."
    )


def tell_throughput(report, rates):
    report.head("Throughput: no-op tasks through one worker with two slots")
    rows = [[name, f"{median(rates[key]):.0f}", f"{ratio(rates[key], rates['plain']):.2f}"] for name, key in (
        ("plain Celery `.delay()`, acks_late, prefetch 1: the unsafe floor", "plain"),
        ("durable `enqueue`", "durable"),
        ("Procrastinate, concurrency 2", "procrastinate"),
    )]  # fmt: skip
    report.table(["", "tasks/s", "ratio to plain"], rows)
    report.picture(
        "benchmarks-throughput",
        {row[0].split(",")[0].replace("`", ""): float(row[1]) for row in rows},
        "tasks/s",
    )
    report.target("durable at least 0.5 x plain", ratio(rates["durable"], rates["plain"]), 0.5, at_least=True)
    report.target(
        "durable ahead of Procrastinate", ratio(rates["durable"], rates["procrastinate"]), 1.0, at_least=True
    )


def tell_bulk(report, found):
    report.head("Bulk")
    few, huge = found["peaks"]
    report.table(
        ["", "jobs/s"],
        [
            ["`enqueue`, one by one", f"{found['single']:.0f}"],
            ["`enqueue_many` of 10,000", f"{found['many']:.0f}"],
        ],
    )
    report.table(
        ["streamed", "peak memory, MiB"], [[f"{n:,}", f"{peak:.0f}"] for n, peak in found["peaks"].items()]
    )
    report.target("enqueue_many at least 10 x", found["many"] / found["single"], 10, at_least=True)
    report.target(
        "memory at a hundred times the jobs", found["peaks"][huge] / found["peaks"][few], 1.2, at_least=False
    )


def tell_requests(report, found):
    report.head("A web request")
    rows = [["bare", f"{found['bare']:.2f}"], ["with one `enqueue`", f"{found['enqueueing']:.2f}"]]
    report.table(["", "p50, ms"], rows)
    away = [[name, f"{found[name]['first']:.0f}", f"{found[name]['p99']:.1f}", f"{found[name]['worst']:.0f}"]
            for name in ("there", "refusing", "silent")]  # fmt: skip
    report.table(["Redis is", "first request, ms", "p99 of the next 299, ms", "worst, ms"], away)
    report.target("enqueue adds, ms", found["enqueueing"] - found["bare"], 3, at_least=False)
    for name in ("refusing", "silent"):
        report.target(f"Redis {name}: first request, ms", found[name]["first"], 1000, at_least=False)
        report.target(f"Redis {name}: p99 after it, ms", found[name]["p99"], 100, at_least=False)


def tell_latency(report, found):
    report.head("Start latency: from the call to the task's first line, fifty of each a second")
    names = {
        "plain": "plain",
        "durable": "durable",
        "commit": "one bare commit, to compare",
        "resting": "durable, alone",
        "checkpointing": "durable, while PostgreSQL checkpoints",
    }
    rows = [[told, f"{found[name]['p50']:.1f}", f"{found[name]['p99']:.1f}"] for name, told in names.items()]
    report.table(["", "p50, ms", "p99, ms"], rows)
    plain, durable, commit = (found[name]["p50"] for name in ("plain", "durable", "commit"))
    report.say(
        "A durable job commits twice before its first line: its row, and its start. Two bare commits at this pace would make "
        f"{(plain + 2 * commit) / plain:.2f} x plain; giving one up would let a crash of PostgreSQL run a job twice. "
        "So where the disk rules, one bare commit is subtracted."
    )
    report.target("durable p50 to plain p50", durable / plain, 1.25, at_least=False)
    report.target(
        "durable p50 to plain p50, a bare commit subtracted", (durable - commit) / plain, 1.25, at_least=False
    )
    report.say(
        f"The last two rows were measured in turns. There were {found['checkpoints']} checkpoints, each of "
        f"{latency.DIRTY:,} changed rows of a kilobyte, which were changed meanwhile."
    )
    busy = found["checkpointing"]
    report.target("p99 to p50 while PostgreSQL checkpoints", busy["p99"] / busy["p50"], 3, at_least=False)


def tell_priorities(report, levels, urgent):
    report.head("Priorities")
    rows = [[name, f"{median(kind['rates']):.0f}", f"{kind['p50']:.2f}"] for name, kind in levels.items()]
    report.table(["", "jobs/s", "start p50, ms"], rows)
    before, default, spread = levels.values()
    report.target("seven lists to one, jobs/s", ratio(default["rates"], before["rates"]), 0.9, at_least=True)
    report.target(
        "jobs of all levels to one list, jobs/s", ratio(spread["rates"], before["rates"]), 0.9, at_least=True
    )
    report.target("seven lists to one, start p50", default["p50"] / before["p50"], 1.1, at_least=False)
    report.table(
        ["start of an urgent job", "p50, ms"],
        [
            ["on an empty queue", f"{urgent['empty']:.2f}"],
            [
                f"while low ones run and {urgent['left']:,} to 100,000 of them wait",
                f"{urgent['backlog']:.2f}",
            ],
        ],
    )
    report.target(
        "behind a backlog to an empty queue, p50", urgent["backlog"] / urgent["empty"], 2, at_least=False
    )


def tell_ledger(report, found):
    report.head("The ledger behind a million finished jobs")
    few, huge = (size for size in next(iter(found.values())) if size != "plan")
    ledger.tell_statements(report, found, few, huge)


if __name__ == "__main__":
    sys.exit(main())
