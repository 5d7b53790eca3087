"""`./run speed [--record] [JOBS]`: prints the ratios beside the recorded ones, as Markdown; --record keeps them.

Exits with 0 whatever it finds: times on shared machines are no test.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import sys
from pathlib import Path

from tests.offbeat.speed.measures import measure
from tests.offbeat.speed.stand import say, stand
from tests.offbeat.speed.table import table

RECORDED = Path(__file__).with_name("recorded.json")
JOBS = 1_200
ROUNDS = 3


def main():
    parser = argparse.ArgumentParser(
        prog="./run speed", description=__doc__.partition(":")[2].partition(".")[0].strip()
    )
    parser.add_argument("--record", action="store_true", help="keep these ratios in recorded.json")
    parser.add_argument("jobs", nargs="?", type=int, default=JOBS, help=f"how many of each kind ({JOBS})")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    say(f"The load of this machine is {load:.1f}; near 0, the ratios are to be trusted.")
    with stand("tests.offbeat.speed.settings"):
        found = measure(options.jobs, ROUNDS if options.jobs >= JOBS else 1)
    sys.stdout.write(table(found, json.loads(RECORDED.read_text()), load))
    if options.record:
        RECORDED.write_text(json.dumps({"where": where(load), "ratios": found}, indent=2) + "\n")


def where(load):
    return f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, Python {platform.python_version()}, {os.cpu_count()} CPUs, a load of {load:.1f}"


if __name__ == "__main__":
    main()
