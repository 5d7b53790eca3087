"""The time limits of what runs, with one timer of the event loop for all of them.

Celery has a timer for each task, which stays in the loop's heap until the limit would have passed, however soon the task has ended:
with limits of nine minutes and 400 jobs a second, 100 MB of them in the main process, which each child is forked from.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Limit(NamedTuple):
    """The next limit of a task: the moment in monotonic seconds, and that of the hard one which follows a soft one."""

    moment: float
    hard: float | None
    act: Callable[[Any], None]


class TimeLimits:
    """`on_soft` and `on_hard` are given the pool's record of a task that has reached its limit."""

    def __init__(self, on_soft: Callable[[Any], None], on_hard: Callable[[Any], None]) -> None:
        self._on_soft, self._on_hard = on_soft, on_hard
        self._hub: Any = None
        self._limits: dict[Any, Limit] = {}  # of what runs: as many as there are children
        self._looks_at = math.inf  # monotonic seconds

    def serve(self, hub: Any) -> None:
        """Look from this event loop from now on."""
        self._hub, self._looks_at = hub, math.inf
        self._look_in_time()

    def begin(self, task: Any, soft: float | None, hard: float | None) -> None:
        """Note the limits of a task that has begun, in seconds."""
        if task.ready():  # its end was read first
            return
        now = time.monotonic()
        if soft:
            self._limits[task] = Limit(now + soft, now + hard if hard else None, self._on_soft)
        elif hard:
            self._limits[task] = Limit(now + hard, None, self._on_hard)
        self._look_in_time()

    def end(self, task: Any) -> None:
        self._limits.pop(task, None)

    def _look_in_time(self) -> None:
        """Look again when the first limit passes; a look that comes sooner finds out."""
        if self._limits:
            first = min(limit.moment for limit in self._limits.values())
            if first < self._looks_at:
                self._looks_at = first
                self._hub.call_later(max(0.0, first - time.monotonic()), self._look)

    def _look(self) -> None:
        now, self._looks_at = time.monotonic(), math.inf
        try:
            for task, limit in [*self._limits.items()]:
                if limit.moment <= now and task in self._limits:
                    del self._limits[task]
                    if limit.hard:
                        self._limits[task] = Limit(limit.hard, None, self._on_hard)
                    limit.act(task)
        finally:
            self._look_in_time()
