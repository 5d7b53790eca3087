"""The page of the peers and its picture."""

from __future__ import annotations

import datetime as dt
import os
import platform
from html import escape

from bench import peer_losses, peer_rates
from bench.peer_setups import ALL, POSTGRES, REDIS, SLOTS
from bench.report import Report
from bench.stand import CHECKOUT

OURS = ALL[0].name
PICTURE = "benchmarks-peers"
ROW, LEFT, WIDEST = 28, 215, 260  # pixels
STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #24292f } .lost { fill: #b35900 }
rect { fill: #2f6f4f } rect.lost { fill: #c9a27a }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .lost { fill: #f0a35e } rect { fill: #57ab7d } rect.lost { fill: #8a6a48 } }
</style>"""
WORDS = {"kill": "worker killed", "flush": "Redis emptied", "restart": "PostgreSQL restarted"}


def page(peers, rates, losses, options, load):
    report = Report(CHECKOUT / "docs" / "offbeat" / "benchmarks-peers.md", "Peers, and what they lose")
    report.say(
        f"Written by `./run bench peers` on {dt.datetime.now(dt.UTC):%Y-%m-%d}, Python {platform.python_version()}, "
        f"{os.cpu_count()} CPUs, PostgreSQL with fsync and Redis on the same machine. Every peer has {SLOTS} slots, servers of its "
        "own, and the settings that its documentation recommends (last table). The same script measures all. "
        "`ANALYZE` runs before each rate, as autovacuum does it within a minute. Rates and times are this machine's; what counts "
        "are the ratios."
    )
    report.say(
        f"In the minute before, the load of the machine was {load:.1f}: near 0, the ratios are to be trusted."
    )
    if rates:
        tell_rates(report, peers, rates, options.jobs)
    if losses:
        tell_losses(report, peers, losses, options.wait)
    tell_setups(report, peers)
    tell_targets(report, peers, rates, losses)
    return report


def tell_rates(report, peers, rates, jobs):
    report.head("What they take")
    ours = rates.get(OURS, {}).get("rate")
    report.table(
        ["", "jobs/s", "of ours", "sent, jobs/s", "start p50, ms", "p99, ms", "memory, MB", "Redis commands a job",
         "PostgreSQL statements a job"],
        [
            [peer.name, f"{each['rate']:.0f}", f"{each['rate'] / ours:.2f}" if ours else "", f"{each['sent']:.0f}",
             f"{each['p50']:.1f}", f"{each['p99']:.1f}", f"{each['memory']:.0f}",
             f"{each['commands']:.1f}" if REDIS in peer.servers else "-",
             f"{each['statements']:.1f}" if POSTGRES in peer.servers else "-"]
            for peer in peers for each in [rates[peer.name]]
        ],
    )  # fmt: skip
    report.say(
        f"A job does nothing. *jobs/s*: {jobs:,} jobs wait for a fresh worker. *sent*: by one process, each job in a "
        f"call and a transaction of its own. *start*: from the call to the job's first line, {peer_rates.PACE} jobs a second. "
        "*memory*: all processes of the worker, shared pages counted once (PSS). Commands and statements count the sending of the "
        "job too, `BEGIN` and `COMMIT` among them, and those that a script in Redis carries out."
    )


def tell_losses(report, peers, losses, wait):
    report.head("What they lose")
    report.table(
        ["", "joins the caller's transaction", *(WORDS[fault] for fault in peer_losses.FAULTS)],
        [
            [peer.name, "yes" if peer.joins else "no",
             *(str(losses[peer.name].get(fault, "-")) for fault in peer_losses.FAULTS)]
            for peer in peers
        ],
    )  # fmt: skip
    report.say(
        f"{peer_losses.JOBS} jobs of {peer_losses.REST * 1000:.0f} ms each wait for a worker. After {peer_losses.BEFORE}, while "
        f"{SLOTS} run, the worker with all its processes gets SIGKILL and a new one starts; or Redis gets `FLUSHALL`; or "
        "PostgreSQL ends at once (immediate shutdown) and starts again. A worker that exits starts again after a second."
    )
    report.say(
        f"*missing*: had not ended {wait:.0f} seconds later; the last table says what comes back after that. *doubled*: ran twice, "
        "and was not running at the fault. *repeated*: ran at the fault, and once more. The seconds: from the fault until all jobs "
        "had ended. *-*: does not use that server."
    )


def tell_setups(report, peers):
    report.head("How they are set up")
    report.table(
        ["", "settings", "jobs that a killed worker was running come back"],
        [[peer.name, peer.setup, peer.killed] for peer in peers],
    )


def tell_targets(report, peers, rates, losses):
    for peer in peers:
        if rates and OURS in rates and peer.name != OURS and POSTGRES in peer.servers:
            report.target(
                f"rate to {peer.name}", rates[OURS]["rate"] / rates[peer.name]["rate"], 1, at_least=True
            )
    for fault, loss in losses.get(OURS, {}).items():
        report.target(
            f"{WORDS[fault]}: ours missing or doubled", loss.missing + loss.doubled, 0, at_least=False
        )


def draw(report, peers, rates, losses):
    """Put the picture above the first table: rates as bars, and beside each what was lost."""
    path = report.path.parent / "images" / f"{PICTURE}.svg"
    path.write_text(picture(peers, rates, losses))
    alt = "Jobs a second of each peer, and how many of 500 jobs each fault costs"
    report.blocks.insert(3, f"![{alt}](images/{PICTURE}.svg)")


def picture(peers, rates, losses):
    most, lines = max(rates[peer.name]["rate"] for peer in peers), []
    for number, peer in enumerate(peers):
        top, width = number * ROW, WIDEST * rates[peer.name]["rate"] / most
        found = losses[peer.name]
        kind = ' class="lost"' if any(loss.missing or loss.doubled for loss in found.values()) else ""
        lines.append(
            f'<text x="0" y="{top + 17}">{escape(peer.name)}</text>'
            f'<rect{kind} x="{LEFT}" y="{top + 4}" width="{width:.0f}" height="18" rx="3"/>'
            f'<text x="{LEFT + 6 + width:.0f}" y="{top + 17}">{rates[peer.name]["rate"]:.0f} jobs/s</text>'
            f'<text{kind} x="{LEFT + WIDEST + 90}" y="{top + 17}">{escape(summary(found))}</text>'
        )
    height = len(peers) * ROW
    body = "\n".join(lines)
    size = f'viewBox="0 0 1080 {height}" width="1080" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n{STYLE}\n{body}\n</svg>\n'


def summary(found):
    """Say in a few words what the faults have cost."""
    told = []
    for fault, loss in found.items():
        cost = [f"{loss.missing} missing"] * bool(loss.missing) + [f"{loss.doubled} doubled"] * bool(
            loss.doubled
        )
        if cost:
            told.append(f"{WORDS[fault]}: {', '.join(cost)}")
    return "; ".join(told) or "nothing missing, nothing doubled"
