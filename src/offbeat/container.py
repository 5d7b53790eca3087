"""What this container may use, read from its cgroup: a host's CPU count inside a small container ends in a memory kill."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
MIB = 1024 * 1024
UNLIMITED = 1 << 60  # cgroup v1 writes a number near 2^63 where there is no limit


def cpus(root: Path = CGROUP) -> int:
    """Return the whole CPUs that this container may use, at least one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cpu_quota(root)
    return max(1, min(allowed, int(quota) if quota else allowed))


def memory(root: Path = CGROUP) -> int | None:
    """Return the container's memory limit in bytes, None where there is none."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # cgroup v2, v1
        value = _read(root / name)
        if value.isdigit() and int(value) < UNLIMITED:
            return int(value)
    return None


def processes(each: int, base: int, root: Path = CGROUP) -> int:
    """Return how many processes of `each` bytes fit beside `base` bytes, at most one a CPU and at least one."""
    limit = memory(root)
    fitting = (limit - base) // each if limit else cpus(root)
    return max(1, min(cpus(root), fitting))


def _cpu_quota(root: Path) -> float | None:
    words = _read(root / "cpu.max").split()  # cgroup v2: "50000 100000", or "max 100000"
    if len(words) != 2:
        words = [_read(root / "cpu/cpu.cfs_quota_us"), _read(root / "cpu/cpu.cfs_period_us")]  # cgroup v1
    quota, period = words
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
