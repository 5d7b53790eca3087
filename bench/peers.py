"""`./run bench peers`: durable jobs beside nine peers, with what each loses; writes benchmarks-peers.md and its picture.

`--only rq,arq` measures some, and prints the page; `--wait 400` gives what was lost more time to come back; `--jobs 400` is
quicker and less exact; `--part rates` or `--part losses` measures one of both.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys

from bench import peer_losses, peer_packages, peer_page, peer_rates, peer_setups
from bench.peer_stand import PeerStand
from bench.stand import median, say

ROUNDS = 3  # of which the one in the middle counts
WAIT = 120  # seconds


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what has been started is ended
    load = os.getloadavg()[0]
    peers = peer_setups.chosen(options.only)
    peer_packages.install()
    rates = measure_rates(peers, options.jobs) if options.part != "losses" else {}
    losses = peer_losses.measure(peers, options.wait) if options.part != "rates" else {}
    whole = rates and losses and not options.only
    report = peer_page.page(peers, rates, losses, options, load)
    if whole:
        peer_page.draw(report, peers, rates, losses)
        report.write()
    sys.stdout.write(report.text)
    return 0 if report.all_met else 1


def parse():
    parser = argparse.ArgumentParser(prog="./run bench peers", description=__doc__)
    parser.add_argument("--only", default="", help="beginnings of peers' names")
    parser.add_argument("--part", choices=("rates", "losses"), help="one of both")
    parser.add_argument("--wait", type=float, default=WAIT, help="seconds until what is not back is missing")
    parser.add_argument("--jobs", type=int, default=peer_rates.JOBS, help="jobs of one rate")
    return parser.parse_args()


def measure_rates(peers, jobs):
    """Return what each peer takes; the rates in turns, because the machine's pace changes."""
    with contextlib.ExitStack() as stack:
        stands = {peer.name: PeerStand(peer, stack) for peer in peers}
        found = {name: {"rates": [], "sent": []} for name in stands}
        for name, stand in stands.items():
            found[name]["p50"], found[name]["p99"] = peer_rates.latency(stand, jobs)
            say(f"  latency: {name} p50 {found[name]['p50']:.1f} ms, p99 {found[name]['p99']:.1f} ms")
        for number in range(ROUNDS):
            for name, stand in stands.items():
                each, sent = peer_rates.rate(stand, jobs)
                found[name]["rates"].append(each)
                found[name]["sent"].append(sent)
                stand.forget_jobs()
                say(f"  rate, round {number + 1}: {name} {each:.0f}/s, sent {sent:.0f}/s")
        for name, stand in stands.items():
            memory, commands, statements = peer_rates.costs(stand, jobs)
            found[name] |= {"memory": memory, "commands": commands, "statements": statements}
            say(f"  costs: {name} {memory:.0f} MB, {commands:.1f} commands, {statements:.1f} statements")
    return {
        name: each | {"rate": median(each["rates"]), "sent": median(each["sent"])}
        for name, each in found.items()
    }


if __name__ == "__main__":
    sys.exit(main())
