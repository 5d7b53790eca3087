"""What this process has seen of a queue of SQS, and what that says of messages that are lost.

SQS does not lose messages by itself. A purge does, a deleted queue, another deployment's worker, a redrive policy. It tells neither
the oldest message nor an exact count, and keeps no order. So two things are concluded, and both slowly:

1. a queue in which nothing has waited at every look, for as long as Amazon's counts may be late: whatever was published before
   that time is not there any more. Where SQS counts hidden messages, one may be a dead worker's, and comes back by itself: then for
   as long as they stay hidden, too;
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
        self._empty_since: float | None = None  # nothing waited, monotonic seconds
        self._bare_since: float | None = None  # and nothing was hidden
        self._received: deque[float] = deque(
            maxlen=ENOUGH
        )  # when they were published, Unix seconds by PostgreSQL's clock

    def note_message(self, published_at: float | None) -> None:
        if published_at is not None:
            with self._lock:
                self._received.append(published_at)

    def note_count(self, waiting: int, hidden: int = 0) -> None:
        with self._lock:
            self._empty_since = _since(self._empty_since, waiting)
            self._bare_since = _since(self._bare_since, waiting + hidden)

    def lost_before(self, now: float, hidden: float) -> float:
        """Return the time `lost_message_after` behind which what is not begun is lost, 0 for none.

        `now` is by PostgreSQL's clock, `hidden` for how many seconds a message stays hidden.
        """
        margin = conf().lost_message_after
        late = LATE_COUNTS * margin
        with self._lock:
            for since, quiet in ((self._bare_since, late), (self._empty_since, late + hidden)):
                if since is not None and time.monotonic() - since > quiet:
                    return now - quiet + margin
            is_enough = len(self._received) == ENOUGH
            return max(0.0, min(self._received) - OVERTAKEN * margin) if is_enough else 0.0


def _since(before: float | None, number: int) -> float | None:
    return None if number else before or time.monotonic()


_watches: dict[str, QueueWatch] = {}


def watch(name: str) -> QueueWatch:
    return _watches.setdefault(name, QueueWatch())
