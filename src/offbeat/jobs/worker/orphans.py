"""Processes that tasks have started and that have lost their parents, where this worker is its container's first process.

They are its children then. Nobody else waits for them when they end, and the dead count towards the processes that a container may
have.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from offbeat.jobs import processes

if TYPE_CHECKING:
    from collections.abc import Collection

FIRST = 1  # the pid of a container's first process
# Seconds until nobody is believed to wait for one: a pool waits for its own, and one that was just forked is not in its list yet.
UNWAITED = 10.0


class Orphans:
    """Those that were seen dead, and since when, in monotonic seconds."""

    def __init__(self) -> None:
        self.dead_since: dict[int, float] = {}

    def reap(self, own: Collection[int]) -> None:
        """Let the kernel forget those that are dead for long, but for the pool's `own`."""
        if os.getpid() != FIRST:
            return
        now = time.monotonic()
        found = processes.dead_children() - set(own)
        self.dead_since = {pid: self.dead_since.get(pid, now) for pid in found}
        for pid, since in self.dead_since.items():
            if now - since >= UNWAITED:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
