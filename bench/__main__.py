"""`./run bench NAME`: runs one of the benchmarks."""

import os
import runpy
import sys
from pathlib import Path

NAMES = (
    "jobs",
    "distance",
    "day",
    "ledger",
    "api",
    "pools",
    "hosts",
    "cron",
    "ops",
    "connections",
    "web",
    "loop",
    "conformance",
)
CHECKOUT = Path(__file__).resolve().parent.parent

if sys.argv[1:2] == [] or sys.argv[1] not in NAMES:
    sys.stderr.write(f"./run bench measures one of: {', '.join(NAMES)}. Example: ./run bench jobs\n")
    sys.exit(os.EX_USAGE)
os.environ["PYTHONPATH"] = f"{CHECKOUT / 'src'}{os.pathsep}{CHECKOUT}"
name = sys.argv.pop(1)
runpy.run_module(f"bench.{name}", run_name="__main__", alter_sys=True)
