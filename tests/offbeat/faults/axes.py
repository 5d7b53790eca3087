"""The faults with what a worker may have in place of Redis and of prefork: `python -m tests.offbeat.faults.axes`.

Which tests hold there, they say themselves, by marks: some of them once a week, with `--all`. All runs at once, each in one
process: such tests wait more than they compute, and a process more for a run starts servers more.
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
PAUSE = 0.2  # seconds between two looks for a run that has ended


class Run(NamedTuple):
    """One run of pytest, and what it prints; `at` is when it began, monotonic seconds."""

    name: str
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    at: float


def main() -> int:
    """Run the faults of each, and show each when it has ended; returns the exit code of the first that failed."""
    running, failed = [start(name) for name in AXES], 0
    while running:
        time.sleep(PAUSE)
        for ended in [each for each in running if each.process.poll() is not None]:
            running.remove(ended)
            show(ended)
            failed = failed or ended.process.returncode
    return failed


def start(name: str) -> Run:
    output = tempfile.TemporaryFile()  # noqa: SIM115  read when its process has ended
    command = [sys.executable, "-m", "pytest", str(CHECKOUT / "tests/offbeat/faults")]
    chosen = {AXES[name]: name, "OFFBEAT_TEST_ALL": "true" if "--all" in sys.argv else ""}
    process = start_child(
        command, env=os.environ | chosen, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
    )
    return Run(name, process, output, time.monotonic())


def show(run: Run) -> None:
    run.output.seek(0)
    sys.stdout.write(f"--- {run.name}\n{run.output.read().decode(errors='replace')}\n")
    took = time.monotonic() - run.at
    sys.stdout.write(f"{run.name}: exit code {run.process.returncode}, after {took:.0f} s\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
