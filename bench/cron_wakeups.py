"""One wake-up, one tick, and the floor: real commands on the real platform.yaml, each with a slot to enqueue."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.cron_process import cost_of, least
from bench.stand import CHECKOUT, say

ROUNDS = 15
NAME, COMMAND = "prune-jobs", [sys.executable, "manage.py", "enqueue_prune_jobs"]
TICK = [sys.executable, "manage.py", "tick"]
FLOOR = [sys.executable, "tests/offbeat/speed/floor.py"]

# A day of the five entries: every five minutes, twice hourly, twice daily.
WAKE_UPS, TICKS = 24 * 12 + 2 * 24 + 2, 24 * 6

MAKE_DUE = """
    DELETE FROM offbeat_cronjobs_slot; DELETE FROM offbeat_jobs_job;
    UPDATE offbeat_cronjobs_cronjob SET cursor = now();
    UPDATE offbeat_cronjobs_cronjob SET cursor = now() - interval '8 days' WHERE name = %s
"""


def make_due():
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(MAKE_DUE, [NAME])


def measure():
    """Return the least cost of a wake-up, of one that PROCESS chooses, a tick and the floor, taken in turns."""
    subprocess.run(TICK, cwd=CHECKOUT, check=True, stdout=subprocess.DEVNULL)
    costs = {"wake-up": [], "chosen": [], "tick": [], "floor": []}
    chosen = ["sh", write_script()]
    for number in range(ROUNDS):
        make_due()
        costs["wake-up"].append(cost_of(COMMAND))
        make_due()
        costs["chosen"].append(cost_of(chosen))
        make_due()
        costs["tick"].append(cost_of(TICK))
        costs["floor"].append(cost_of(FLOOR))
        say(f"  round {number + 1} of {ROUNDS}")
    return {name: least(each) for name, each in costs.items()}


def write_script():
    """Write the image's command, and choose the wake-up by PROCESS as a container would."""
    from offbeat.deployment import process, spec

    os.environ.update(PROCESS=NAME, PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    file = Path(tempfile.mkdtemp(prefix="offbeat-bench-")) / "process.sh"
    file.write_text(process.make_script(spec.read(), CHECKOUT))
    return str(file)


def imports():
    """Return the modules that cost a wake-up most, with what they bring along, in ms."""
    make_due()
    told = subprocess.run(
        [sys.executable, "-X", "importtime", *COMMAND[1:]],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    lines = [
        line.split("|")
        for line in told.splitlines()
        if line.startswith("import time:") and "[us]" not in line
    ]
    rows = [(name.strip(), int(own.split(":")[1]) / 1000, int(total) / 1000) for own, total, name in lines]
    packages = {}
    for name, own, _ in rows:
        package = name.partition(".")[0]
        packages[package] = packages.get(package, 0.0) + own
    return sum(own for _, own, _ in rows), sorted(packages.items(), key=lambda each: -each[1])[:12]
