"""`./run bench cron`: measures what scheduling costs, prints the tables and writes docs/offbeat/benchmarks-cron.md."""

from __future__ import annotations

import datetime as dt
import os
import platform
import sys

from bench import cron_beats, cron_ticks, cron_wakeups
from bench.report import Report
from bench.stand import CHECKOUT, say, stand


def main():
    with stand():
        say("Wake-ups ...")
        costs = cron_wakeups.measure()
        imports = cron_wakeups.imports()
        say("Beats ...")
        beats = cron_beats.measure()
        say("Ticks ...")
        ticks = cron_ticks.measure()
    report = Report(CHECKOUT / "docs" / "offbeat" / "benchmarks-cron.md", "What scheduling costs")
    introduce(report)
    tell_day(report, costs, beats)
    tell_wake_up(report, costs, imports)
    tell_ticks(report, ticks)
    report.write()
    sys.stdout.write(report.text)
    return 0 if report.all_met else 1


def introduce(report):
    report.say(
        f"Written by `./run bench cron` on {dt.datetime.now(dt.UTC):%Y-%m-%d}, Python {platform.python_version()}, "
        f"{os.cpu_count()} CPUs, PostgreSQL with fsync and Redis on the same machine. Times are this machine's; what counts are "
        "the ratios, measured in one run, in turns. Memory is the resident set, a cost the least of "
        f"{cron_wakeups.ROUNDS} runs."
    )


def tell_day(report, costs, beats):
    report.head("A day of five entries: every five minutes, twice hourly, twice daily")
    ours = {
        f"{cron_wakeups.WAKE_UPS} wake-ups": cron_wakeups.WAKE_UPS * costs["wake-up"].gb_seconds,
        f"{cron_wakeups.TICKS} ticks, one each ten minutes": cron_wakeups.TICKS * costs["tick"].gb_seconds,
    }
    cheapest = min(beats.values())
    report.say(
        "Memory held over time, as platforms bill it. A scheduler holds its memory all day; a wake-up holds its own for as long as "
        "it runs. What a platform adds to start a container is not in it."
    )
    rows = [[name, f"{value:,.1f}", f"{cheapest / value:,.0f}"] for name, value in {**beats, **ours}.items()]
    report.table(["", "GB·s a day", "times less than the cheapest Beat"], rows)
    for name, value in ours.items():
        report.target(f"{name}: times less", cheapest / value, 500, at_least=True)


def tell_wake_up(report, costs, imports):
    report.head("One wake-up")
    report.say(
        "The floor is a script that sets Django up on the same settings, asks PostgreSQL once and publishes one message to Redis."
    )
    names = {
        "wake-up": "a wake-up that enqueues a slot",
        "chosen": "the same, chosen by `PROCESS`",
        "tick": "a tick with one slot due",
        "floor": "the floor",
    }
    rows = [
        [names[name], f"{each.seconds * 1000:.0f}", f"{each.peak:.1f}", f"{each.gb_seconds:.4f}"]
        for name, each in costs.items()
    ]
    report.table(["", "wall, ms", "peak, MB", "GB·s"], rows)
    wake_up, floor = costs["wake-up"], costs["floor"]
    report.target("wall time to the floor's", wake_up.seconds / floor.seconds, 1.35, at_least=False)
    report.target("memory to the floor's", wake_up.peak / floor.peak, 1.35, at_least=False)
    total, packages = imports
    report.say(f"Its imports, by `-X importtime`, {total:.0f} ms in all, slowed by the measuring:")
    report.table(["package", "ms"], [[f"`{name}`", f"{own:.0f}"] for name, own in packages])


def tell_ticks(report, ticks):
    report.head("A tick over many cronjobs, a tenth of them due")
    report.table(["cronjobs", "due", "s", "ms a cronjob"], [
        [f"{size:,}", f"{size // 10:,}", f"{seconds:.2f}", f"{seconds / size * 1000:.2f}"] for size, seconds in ticks.items()
    ])  # fmt: skip
    report.target("10,000 cronjobs with 1,000 due, ms a cronjob", ticks[10_000] / 10, 0.5, at_least=False)
    report.target("10,000 to 1,000", ticks[10_000] / ticks[1_000], 10.5, at_least=False)


if __name__ == "__main__":
    sys.exit(main())
