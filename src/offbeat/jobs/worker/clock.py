"""PostgreSQL's clock as a worker counts it on: told at each beat, compared with this machine's monotonic one.

Who is silent for how long is a difference of two times of that clock. When it is set, all of them are wrong at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

TOLERANCE = 2.0  # seconds by which the two may differ between two beats; a clock that is set right slowly stays far below


@dataclass(frozen=True)
class ClockStep:
    """PostgreSQL's clock was set between two beats."""

    seconds: float  # forward, or back if negative
    since: datetime  # by the new clock, when at the earliest


class LedgerClock:
    """Knows by how much PostgreSQL's clock is ahead of the monotonic one: between two bounds, as an answer takes its time."""

    def __init__(self) -> None:
        self.ahead: tuple[float, float] | None = None  # seconds, Unix time
        self._told: datetime | None = None

    def note(self, asked: float, told: datetime, answered: float) -> ClockStep | None:
        """Take in what the clock showed between two moments, in monotonic seconds; return how far it was set, if it was."""
        before, self.ahead = self.ahead, (told.timestamp() - answered, told.timestamp() - asked)
        last, self._told = self._told, told
        if before is None or last is None:
            return None
        forward, back = self.ahead[0] - before[1], before[0] - self.ahead[1]
        if max(forward, back) <= TOLERANCE:
            return None
        seconds = forward if forward > 0 else -back
        return ClockStep(seconds, last + timedelta(seconds=seconds))

    def now(self) -> datetime:
        """Return what the clock shows now, unless it was set after the last beat. Before the first one: the beginning of time."""
        ahead = self.ahead[0] if self.ahead else -time.monotonic()
        return datetime.fromtimestamp(time.monotonic() + ahead, UTC)
