"""The faults with what a worker may have in place of Redis and of prefork: `python -m tests.offbeat.faults.axes`.

Which tests hold there, they say themselves, by marks. All runs at once: such tests wait more than they compute. Greenlets share
their pool with threads, so without `--all` only what is their own is run for them: CI has no time for more.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from typing import IO, NamedTuple

from offbeat.dev.child_processes import start_child
from tests.offbeat.support.running import CHECKOUT

AXES = {
    "rabbitmq": "OFFBEAT_TEST_BROKER",
    "sqs": "OFFBEAT_TEST_BROKER",
    "threads": "OFFBEAT_TEST_POOL",
    "gevent": "OFFBEAT_TEST_POOL",
}
SHORT = {"gevent": "test_lanes.py"}
OPTIONS = ("--numprocesses", "2", "--dist", "worksteal")


class Run(NamedTuple):
    """One run of pytest, and what it prints."""

    name: str
    process: subprocess.Popen[bytes]
    output: IO[bytes]


def main() -> int:
    """Run the faults of each, show them one after the other; returns the exit code of the first that failed."""
    started = time.monotonic()
    runs = [start(name) for name in AXES]
    codes = []
    for name, process, output in runs:
        codes.append(process.wait())
        output.seek(0)
        sys.stdout.write(f"--- {name}\n{output.read().decode(errors='replace')}\n")
        sys.stdout.write(f"{name}: exit code {codes[-1]}, after {time.monotonic() - started:.0f} s\n")
        sys.stdout.flush()
    return next((code for code in codes if code), 0)


def start(name: str) -> Run:
    output = tempfile.TemporaryFile()  # noqa: SIM115  read when its process has ended
    chosen = "" if "--all" in sys.argv else SHORT.get(name, "")
    command = [sys.executable, "-m", "pytest", str(CHECKOUT / "tests/offbeat/faults" / chosen), *OPTIONS]
    environment = os.environ | {AXES[name]: name}
    process = start_child(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
    )
    return Run(name, process, output)


if __name__ == "__main__":
    sys.exit(main())
