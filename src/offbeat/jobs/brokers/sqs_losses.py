"""What this process has seen of a queue of SQS, and what that says of messages that are lost.

SQS does not lose messages by itself. A purge does, a deleted queue, another deployment's worker, a redrive policy. It tells neither
the oldest message nor an exact count, and keeps no order. So two things are concluded, and both slowly:

1. a queue in which nothing has waited at every look, for as long as a dead worker's messages stay hidden and Amazon's counts may be
   late: whatever was published before that time is not there any more;
2. a hundred messages of jobs in a row, each published half an hour after a job that has not begun: it was overtaken too often.
Behind a long backlog nothing is published twice: it is there at each look, and its order is never wrong by so much.
"""

from __future__ import annotations

import time
from collections import deque
from threading import Lock

from offbeat.jobs.conf import conf

ENOUGH = 100  # messages
OVERTAKEN = 60  # times `lost_message_after`: half an hour
LATE_COUNTS = 2  # times `lost_message_after`: Amazon's counts are right after a minute


class QueueWatch:
    """One queue, by its name at SQS. Called by polling threads and by the maintenance thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._empty_since: float | None = None  # monotonic seconds
        self._received: deque[float] = deque(
            maxlen=ENOUGH
        )  # when they were published, Unix seconds by PostgreSQL's clock

    def note_message(self, published_at: float | None) -> None:
        if published_at is not None:
            with self._lock:
                self._received.append(published_at)

    def note_count(self, number: int) -> None:
        with self._lock:
            if number:
                self._empty_since = None
            elif self._empty_since is None:
                self._empty_since = time.monotonic()

    def lost_before(self, now: float, hidden: float) -> float:
        """Return before when what is not begun is lost, 0 for nothing; `now` by PostgreSQL's clock, `hidden` in seconds."""
        margin = conf().lost_message_after
        with self._lock:
            empty = 0.0 if self._empty_since is None else time.monotonic() - self._empty_since
            if empty > (quiet := hidden + LATE_COUNTS * margin):
                return now - quiet
            is_enough = len(self._received) == ENOUGH
            return max(0.0, min(self._received) - OVERTAKEN * margin) if is_enough else 0.0


_watches: dict[str, QueueWatch] = {}


def watch(name: str) -> QueueWatch:
    return _watches.setdefault(name, QueueWatch())
