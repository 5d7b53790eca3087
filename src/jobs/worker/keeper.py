"""The keeper: a thread of the worker's main process that beats, relays and reconciles.

A thread, not timers of Celery's event loop: that loop stands still while it waits for a lost broker, and nothing of this may.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import redis
from django.db import DataError, IntegrityError, connection
from django.db import Error as DatabaseFailure

from jobs import broker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jobs.worker.duties import Duty

logger = logging.getLogger(__name__)


@dataclass
class Senses:
    """What the main thread tells the keeper. Times are monotonic seconds."""

    inbox: queue.SimpleQueue[Callable[[], Any] | None] = field(default_factory=queue.SimpleQueue)
    away_since: float | None = None
    turned_at: float = field(default_factory=time.monotonic)
    started_at: float = field(default_factory=time.monotonic)
    stopping: bool = False
    gave_up: bool = False
    gone: bool = False  # from the ledger


senses = Senses()


def submit(act: Callable[[], Any]) -> None:
    """Have something recorded, again and again until PostgreSQL takes it."""
    senses.inbox.put(act)


def note_start() -> None:
    senses.started_at = time.monotonic()


def note_turn() -> None:
    senses.turned_at = time.monotonic()


def broker_is_away() -> None:
    if senses.away_since is None:
        senses.away_since = time.monotonic()


def broker_is_back() -> None:
    senses.away_since = None
    note_turn()


def give_up() -> None:
    """Say that children die now because the worker kills them."""
    senses.gave_up = True


def gave_up() -> bool:
    return senses.gave_up


class Keeper(threading.Thread):
    """Does its duties until the process ends. PostgreSQL or Redis away: it says so once, and goes on trying."""

    def __init__(self, duties: Sequence[Duty], name: str = "jobs-keeper") -> None:
        super().__init__(name=name, daemon=True)
        self.duties = duties
        self.unwell: set[str] = set()

    def run(self) -> None:
        while True:
            self.do_what_is_due()
            self.take_in(until=min(duty.next_at for duty in self.duties))

    def do_what_is_due(self) -> None:
        for duty in self.duties:
            if time.monotonic() >= duty.next_at:
                self.attempt(duty.name, duty.act)
                duty.next_at = time.monotonic() + duty.interval

    def take_in(self, until: float) -> None:
        """Wait for what the main thread submits; keep what PostgreSQL does not take for the next round."""
        refused = []
        while (wait := until - time.monotonic()) > 0:
            try:
                act = senses.inbox.get(timeout=wait)
            except queue.Empty:
                break
            if act and not self.attempt("records", act):
                refused.append(act)
        for act in refused:
            senses.inbox.put(act)

    def attempt(self, name: str, act: Callable[[], Any]) -> bool:
        """Do it; tell whether that was all that could be done: False asks for another try."""
        try:
            act()
        except Exception as error:
            if not is_outage(error):
                logger.exception("%s failed", name, extra={"action": "keeper_failed"})
                return True  # a defect: trying again would not help
            self.tell_once(name, error)
            if isinstance(error, DatabaseFailure):
                connection.close()
            return False
        self.unwell.discard(name)
        return True

    def tell_once(self, name: str, error: Exception) -> None:
        if name not in self.unwell:
            self.unwell.add(name)
            line = " ".join(str(error).split())
            logger.warning(
                "%s waits: %s: %s", name, type(error).__name__, line, extra={"action": "keeper_waits"}
            )


class Assistant(Keeper):
    """Does the duties of other apps, in a thread of its own: however long one takes, the ledger's own are not kept waiting."""

    def take_in(self, until: float) -> None:
        time.sleep(max(0.0, until - time.monotonic()))


def is_outage(error: Exception) -> bool:
    """Tell whether the same may succeed later: not where the database is there, and refuses the values."""
    refused = isinstance(error, DataError | IntegrityError)
    return not refused and isinstance(
        error, DatabaseFailure | redis.RedisError | broker.BrokerAwayError | OSError
    )
