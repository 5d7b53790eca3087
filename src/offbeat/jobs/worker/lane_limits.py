"""The time limits of what runs in lanes. They begin with the task, and not when its call is given to the process.

A greenlet that computes keeps all others of its process from beginning, for as long as it likes. So each lane says in memory that
the main process shares when its task has begun: a message for that would cost each job what a limit needs of few.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from offbeat.jobs.worker.lane_call import LaneCall

DOUBLE = 8  # bytes


def open_shared_file() -> int:
    """Return the descriptor of a file in memory, for a process that inherits nothing else."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("offbeat-lanes")
    with tempfile.TemporaryFile() as file:  # macOS
        return os.dup(file.fileno())


def task_starts(lanes: int, file: int = -1) -> memoryview[float]:
    """Return when the task of each lane has begun, in monotonic seconds that all processes share; 0 where none has."""
    size = lanes * DOUBLE
    if file >= 0:
        os.ftruncate(file, size)
    return memoryview(mmap.mmap(file, size)).cast("d")


def passed(calls: Sequence[LaneCall], now: float) -> Iterator[tuple[LaneCall, bool]]:
    """Tell of each limit that has passed, and whether it is the soft one."""
    for call in calls:
        if call.hard and not call.doom and _is_over(call, call.hard, calls, now):
            yield call, False
        elif call.soft and not call.is_interrupted and _is_over(call, call.soft, calls, now):
            yield call, True


def has_begun(call: LaneCall) -> bool:
    """Tell whether the task of a call has begun and not ended; of a process that has died, whether it had."""
    return bool(_started_at(call))


def _is_over(call: LaneCall, limit: float, calls: Sequence[LaneCall], now: float) -> bool:
    if now - call.limited_at < limit:
        return False
    if started := _started_at(call):
        call.limited_at = started
    elif any(each.process is call.process and has_begun(each) for each in calls):
        # Which may keep it from beginning.
        call.limited_at = now
    return now - call.limited_at >= limit


def _started_at(call: LaneCall) -> float:
    assert call.process is not None  # noqa: S101  it has been given to one
    return call.process.starts[call.lane - call.process.numbers[0]]
