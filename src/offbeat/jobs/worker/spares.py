"""Messages that a worker takes before a place is free, while its jobs are short: the next job begins the moment one ends.

Without them a place waits until its worker has acknowledged the job, asked Redis, and received what came.
1. A job that took less than `LONGEST` seconds allows spare messages for as long, `MOST` at most.
2. They wait in the pool, which gives the first one to the place that is free next.
3. Those that wait for longer, because of long jobs, go back to the head of their queue: another worker may be free.
Death in between: the reconciler finds the job, as that of any message in hand; a plain message is on record in Redis.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from celery.worker import state

if TYPE_CHECKING:
    from collections.abc import Collection

LONGEST = 0.02  # seconds that a spare message waits before it is looked at; it goes back within twice of that
MOST = 4  # more would only wait: the main process receives them about as fast as they are done


class Pool(Protocol):
    """Where messages wait for a place, as Celery's requests."""

    def waiting_requests(self) -> Collection[Any]:
        """Return them, the first to begin first; asked by other threads, too."""

    def withdraw(self, request: Any) -> bool:
        """Begin one no more; tell whether it was still waiting."""


class SpareMessages:
    """Those of this worker; none where the broker is not Redis, nor in the solo pool."""

    def __init__(self) -> None:
        self._hub: Any = None
        self._pool: Pool | None = None
        self._most = 0
        self._allowed_until = 0.0  # monotonic seconds
        self._tags: set[str] = set()  # of those that may wait
        self._looked_at: Any = None  # what was the first to wait at the last look

    def serve(self, hub: Any, pool: Pool, places: int) -> None:
        """Take some for the places of a pool; nothing is in hand yet."""
        self._hub, self._pool, self._most = hub, pool, min(places, MOST)
        self._tags = set()

    def note_end(self, task_id: str, began_at: float) -> None:
        """Note that a place is free. Plain tasks allow none: what a dead worker had of them is delivered again much later."""
        now = time.monotonic()
        if now - began_at < LONGEST and getattr(state.requests.get(task_id), "is_job", False):
            self._allowed_until = now + LONGEST

    def count(self) -> int:
        """Return how many messages may be taken beyond one for each place."""
        return self._most if time.monotonic() < self._allowed_until else 0

    def in_hand(self) -> int:
        """Return how many wait; asked by other threads, too."""
        return len(self._waiting())

    def note(self, delivery_tag: str) -> None:
        """Note that a message has come which may have to wait."""
        if self._pool and not self._tags:
            self._hub.call_later(LONGEST, self._look)
        self._tags.add(delivery_tag)

    def _look(self) -> None:
        waiting = self._waiting()
        if waiting and waiting[0] is self._looked_at:
            for request in reversed(waiting):
                self._give_back(request)
            waiting = []
        self._looked_at = waiting[0] if waiting else None
        self._tags = {request.message.delivery_tag for request in waiting}
        if waiting:
            self._hub.call_later(LONGEST, self._look)

    def _waiting(self) -> list[Any]:
        every = self._pool.waiting_requests() if self._pool else ()
        return [request for request in every if request.message.delivery_tag in self._tags]

    def _give_back(self, request: Any) -> None:
        """Give a message back. Raises the broker's errors: then the event loop connects anew, and all in hand goes back."""
        if self._pool and self._pool.withdraw(request):
            request.message.channel.qos.give_back(request.message.delivery_tag)
            state.task_ready(request)


spares = SpareMessages()
