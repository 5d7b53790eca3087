"""What a process costs: its wall time, its peak of memory, and the memory it held over that time, in GB·seconds."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass

import psutil

from bench.stand import CHECKOUT

GB = 1e9
PAUSE = 0.002  # seconds between two looks at its memory


@dataclass(frozen=True)
class Cost:
    seconds: float
    peak: float  # MB
    gb_seconds: float


def resident(pid):
    """Return the resident memory of a process in bytes; 0 when it is gone."""
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return 0


def cost_of(command, expected=0):
    """Run a command to its end, and look at its memory all the time."""
    begun = last = time.perf_counter()
    running = subprocess.Popen(
        command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    held = peak = 0.0
    while running.poll() is None:
        now, memory = time.perf_counter(), resident(running.pid)
        held, peak, last = held + memory * (now - last), max(peak, memory), now
        time.sleep(PAUSE)
    output = running.communicate()[0]
    if running.returncode != expected:
        raise RuntimeError(f"{command} ended with {running.returncode}: {output}")
    return Cost(time.perf_counter() - begun, peak / 1e6, held / GB)


def least(costs):
    """Return the least of each: what other processes on the machine add is not a command's own."""
    return Cost(*(min(getattr(each, name) for each in costs) for name in ("seconds", "peak", "gb_seconds")))
