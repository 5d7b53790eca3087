"""In the process of a worker's lanes."""

import subprocess
import sys

SMALL = "from offbeat.jobs.worker import lane_threads; print(lane_threads._kilobytes())"
LARGE = f"""
import subprocess, sys
hoard = bytearray(300 * 2**20)
subprocess.run([sys.executable, "-c", {SMALL!r}], check=True)
"""


def test_the_memory_of_a_process_is_its_own():
    """For `--max-memory-per-child`: the kernel's own count begins with that of the process that has started it."""
    done = subprocess.run([sys.executable, "-c", LARGE], stdout=subprocess.PIPE, text=True, check=True)

    assert int(done.stdout) < 200 * 1024
