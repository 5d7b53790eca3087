"""`./run bench digest [SUBSCRIBERS]`: the example's weekly digest into a mail server that drops it; writes benchmarks-digest.md.

One message a subscriber is the same code with a chunk of one, so what is compared is the cutting alone.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.digest_runs import chunk_as_shipped, memory_of_waiting, send
from bench.report import Report
from bench.stand import CHECKOUT, percentile, stand

if TYPE_CHECKING:
    from bench.digest_runs import Run

SIZE = 100_000
SLOW = 5  # milliseconds that the slow mail server takes for a mail
CPUS = 6  # for two workers of two slots and the servers: with fewer, the CPUs are what limits two workers


@dataclass
class Found:
    """What is measured: `redis` is bytes by the size of chunks, `slow` is by the number of workers."""

    redis: dict[int, int]
    singles: list[Run]
    full: Run
    two: Run
    slow: dict[int, Run]


def main():
    size = int(sys.argv[1]) if len(sys.argv) > 1 else SIZE
    load = os.getloadavg()[0]
    with stand():
        found = measure(size)
    report = tell(found, size, load)
    report.write()
    sys.stdout.write(report.text)
    return 0 if report.all_met else 1


def measure(size):
    redis = {chunk: memory_of_waiting(size, chunk) for chunk in (1, chunk_as_shipped())}
    first = send(share(size, 25), chunk=1)
    full = send(size)
    last = send(share(size, 25), chunk=1)
    two = send(share(size, 2), workers=2)
    slow = {workers: send(share(size, 10), workers=workers, wait=SLOW) for workers in (1, 2)}
    return Found(redis, [first, last], full, two, slow)


def share(size, part):
    return max(size // part, 400)


# The page


def tell(found, size, load):
    report = Report(
        CHECKOUT / "docs" / "offbeat" / "benchmarks-digest.md", "What a digest to a long list costs"
    )
    chunk, redis, full = chunk_as_shipped(), found.redis, found.full
    report.say(
        f"Written by `./run bench digest` on {dt.datetime.now(dt.UTC):%Y-%m-%d}, Python {platform.python_version()}, "
        f"{os.cpu_count()} CPUs, PostgreSQL with fsync and Redis on the same machine. The weekly digest of the example goes to "
        f"{size:,} subscribers, by workers of two processes each. The mail server counts the mails and drops them. Nothing goes "
        "over a network, and no mail is written as MIME: with a real server, both add to all rows alike."
    )
    report.say(
        f"In the minute before, the load of the machine was {load:.1f}: near 0, the ratios are to be trusted."
    )
    single = sum(each.rate for each in found.singles) / len(found.singles)
    report.head("Chunks, or one message a subscriber")
    report.table(
        ["", "mails/s", "ratio", "waiting in Redis, MB"],
        [
            ["one message a subscriber", f"{single:.0f}", "1.0", f"{redis[1] / 1e6:.2f}"],
            [f"chunks of {chunk}", f"{full.rate:.0f}", f"{full.rate / single:.1f}", f"{redis[chunk] / 1e6:.2f}"],
        ],
    )  # fmt: skip
    report.say(
        f"The first row was measured with {share(size, 25):,} subscribers, before and after the second. "
        "Each delivery is committed before the next mail is sent, in both."
    )
    report.target("chunks to one message a subscriber, mails/s", full.rate / single, 5, at_least=True)
    report.target("one message a subscriber to chunks, Redis", redis[1] / redis[chunk], 20, at_least=True)
    tell_memory(report, full)
    tell_two(report, full, found.two, found.slow)
    tell_confirmations(report, full, found.slow)
    return report


def tell_memory(report, full):
    early, late = full.memory[len(full.memory) // 10], full.memory[-1]
    report.head("The worker's memory")
    report.table(
        ["", "MB"],
        [["after a tenth of the digest", f"{early:.0f}"], ["at its end", f"{late:.0f}"],
         ["at most", f"{max(full.memory):.0f}"]],
    )  # fmt: skip
    report.target("at its end to after a tenth", late / early, 1.1, at_least=False)
    report.target("mails that were sent twice", full.twice, 0, at_least=False)


def tell_two(report, full, two, slow):
    report.head("Two workers")
    bare, waiting = two.rate / full.rate, slow[2].rate / slow[1].rate
    report.table(
        ["the mail server takes", "one worker, mails/s", "two", "ratio", "CPUs busy, one and two, %"],
        [
            ["no time", f"{full.rate:.0f}", f"{two.rate:.0f}", f"{bare:.2f}", f"{full.cpu:.0f}, {two.cpu:.0f}"],
            [f"{SLOW} ms a mail", f"{slow[1].rate:.0f}", f"{slow[2].rate:.0f}", f"{waiting:.2f}",
             f"{slow[1].cpu:.0f}, {slow[2].cpu:.0f}"],
        ],
    )  # fmt: skip
    report.target(f"two workers to one, {SLOW} ms a mail", waiting, 1.7, at_least=True)
    if os.cpu_count() >= CPUS:
        report.target("two workers to one, no time", bare, 1.7, at_least=True)
    else:
        report.say(
            f"Where the mail server takes no time, one worker and PostgreSQL keep this machine's {os.cpu_count()} CPUs busy. So "
            f"that row says nothing about two workers on two machines, and is judged with {CPUS} CPUs or more."
        )


def tell_confirmations(report, full, slow):
    report.head("Who subscribes meanwhile")
    report.say(
        "Twice a second a person subscribed while the digest went out. The times are from then to the start of the job that mails "
        "the confirmation."
    )
    kinds = {"no time": full, f"{SLOW} ms a mail": slow[1]}
    report.table(
        ["the mail server takes", "p50, ms", "p95, ms", "confirmations"],
        [
            [name, f"{percentile(run.latencies, 0.5):.0f}", f"{percentile(run.latencies, 0.95):.0f}", str(len(run.latencies))]
            for name, run in kinds.items()
        ],
    )  # fmt: skip
    report.target(
        "start of a confirmation, p95 in ms", percentile(full.latencies, 0.95), 1000, at_least=False
    )
    report.say(
        "A confirmation starts before all chunks that wait, and after one that runs. So a slow mail server makes it wait. If that "
        "is too long, lower `CHUNK` in `src/newsletter/digest.py`."
    )


if __name__ == "__main__":
    sys.exit(main())
