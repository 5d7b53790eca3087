"""Messages that a worker takes before a child is free, while its jobs are short: the next job begins the moment one ends.

Without them a child waits until its worker has acknowledged the job, asked Redis, and received what came.
1. A job that took less than `LONGEST` seconds allows spare messages for as long: one for each child.
2. They wait in Celery's semaphore, which hands the first one to the child that is free next.
3. Those that wait for longer, because of a long job, go back to the head of their queue: another worker may be free.
Death in between: the reconciler finds the job, as that of any message in hand; a plain message is on record in Redis.
"""

from __future__ import annotations

import time
from typing import Any

from celery.worker import state

LONGEST = 0.02  # seconds that a spare message waits before it is looked at; it goes back within twice of that


class SpareMessages:
    """Those of this worker; none but for prefork with Redis."""

    def __init__(self) -> None:
        self._hub = self._semaphore = None
        self._children = 0
        self._allowed_until = 0.0  # monotonic seconds
        self._tags: set[str] = set()  # of those that may wait
        self._looked_at: Any = None  # what was the first to wait at the last look

    def serve(self, hub: Any, semaphore: Any, children: int) -> None:
        """Take some for so many children, whose semaphore this is; nothing is in hand yet."""
        self._hub, self._semaphore, self._children = hub, semaphore, children
        self._tags.clear()

    def note_end(self, task_id: str, began_at: float) -> None:
        """Note that a child is free. Plain tasks allow none: what a dead worker had of them is delivered again much later."""
        now = time.monotonic()
        if now - began_at < LONGEST and getattr(state.requests.get(task_id), "is_job", False):
            self._allowed_until = now + LONGEST

    def count(self) -> int:
        """Return how many messages may be taken beyond one for each child."""
        return self._children if time.monotonic() < self._allowed_until else 0

    def in_hand(self) -> int:
        """Return how many wait; asked by other threads, too."""
        return len(self._waiting()) if self._semaphore else 0

    def note(self, delivery_tag: str) -> None:
        """Note that a message has come which may have to wait."""
        if self._hub and not self._tags:
            self._hub.call_later(LONGEST, self._look)
        self._tags.add(delivery_tag)

    def _look(self) -> None:
        waiting = self._waiting()
        if waiting and waiting[0] is self._looked_at:
            for each in reversed(waiting):
                self._give_back(each)
            waiting = []
        self._looked_at = waiting[0] if waiting else None
        self._tags = {_message(each).delivery_tag for each in waiting}
        if waiting:
            self._hub.call_later(LONGEST, self._look)

    def _waiting(self) -> list[Any]:
        every = list(self._semaphore._waiting)  # noqa: SLF001  in one step, as the loop adds to it
        return [each for each in every if _message(each).delivery_tag in self._tags]

    def _give_back(self, waiting: Any) -> None:
        """Give a message back. Raises the broker's errors, for which the event loop connects anew, with nothing in hand."""
        message = _message(waiting)
        message.channel.qos.give_back(message.delivery_tag)
        self._semaphore._waiting.remove(waiting)  # noqa: SLF001
        state.task_ready(waiting[1][0])


def _message(waiting: Any) -> Any:
    """Return the message of what waits in the semaphore: a callback, with a request as its argument."""
    return waiting[1][0].message


spares = SpareMessages()
