"""What this container may use, read from its cgroup: a host's CPU count inside a small container ends in a memory kill."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CGROUP = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
MIB = 1024 * 1024
UNLIMITED = 1 << 60  # cgroup v1 writes a number near 2^63 where there is no limit
WEB_THREADS = 4  # of a web process: each may hold a connection of the database, and small plans have twenty

MOST = 1000  # processes or threads by hand: more is bytes or milliseconds, in the wrong variable
HINT = "unset it: then the number follows from the container's CPU and memory."


@dataclass(frozen=True)
class Footprint:
    """What processes of one kind take, in bytes: each of them, and `base` once."""

    each: int
    base: int

    def fitting(self, cpus: float, memory: int | None) -> int:
        """Return how many fit: two a CPU, as one waits while another works, as far as the memory goes; at least one.

        Without a limit of memory it is one a CPU: such a machine is shared with the database and others.
        """
        whole = max(1, int(cpus))
        return max(1, min(2 * whole, (memory - self.base) // self.each)) if memory else whole

    def fitting_here(self) -> int:
        return self.fitting(cpus(), memory())


WEB = Footprint(each=90 * MIB, base=60 * MIB)
WORKER = Footprint(each=110 * MIB, base=110 * MIB)


def cpus(root: Path = CGROUP) -> int:
    """Return the whole CPUs that this container may use, at least one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = filter(None, map(_cpu_quota, _folders(root)))
    return max(1, int(min([allowed, *quotas])))


def memory(root: Path = CGROUP) -> int | None:
    """Return the container's memory limit in bytes, None where there is none."""
    files = (
        folder / name for folder in _folders(root) for name in ("memory.max", "memory/memory.limit_in_bytes")
    )
    limits = (int(text) for text in map(_read, files) if text.isdigit())
    return min((limit for limit in limits if limit < UNLIMITED), default=None)


def _folders(root: Path) -> Iterator[Path]:
    """Give the cgroup v2 of this process, which systemd makes for a service, and those above it; in a container it is the root."""
    own = re.search(r"^0::/(.*)$", _read(OWN), re.MULTILINE)
    parts = own[1].split("/") if own and ".." not in own[1] else []
    return (root.joinpath(*parts[:count]) for count in range(len(parts), -1, -1))


def _cpu_quota(folder: Path) -> float | None:
    words = _read(folder / "cpu.max").split()  # cgroup v2: "50000 100000", or "max 100000"
    if len(words) != 2:
        words = [_read(folder / "cpu/cpu.cfs_quota_us"), _read(folder / "cpu/cpu.cfs_period_us")]  # cgroup v1
    quota, period = words
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
