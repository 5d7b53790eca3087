"""The keeper: a thread of the worker's main process that relays and reconciles; others like it beat, and do other apps' duties.

Threads, not timers of Celery's event loop: that loop stands still while it waits for a lost broker, and nothing of this may.
Each has a connection of its own, on which no statement waits long for what somebody else has locked.
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

from offbeat.jobs import broker, locks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from offbeat.jobs.worker.periodic_tasks import Duty

logger = logging.getLogger(__name__)


@dataclass
class Senses:
    """What the main thread tells the keeper. Times are monotonic seconds."""

    inbox: queue.SimpleQueue[Callable[[], Any] | None] = field(default_factory=queue.SimpleQueue)
    away_since: float | None = None
    turned_at: float = field(default_factory=time.monotonic)
    kept_at: float = field(default_factory=time.monotonic)  # the keeper's last turn
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
        with locks.bounded():
            while True:
                self.do_what_is_due()
                self.take_in(until=min(duty.next_at for duty in self.duties))

    def do_what_is_due(self) -> None:
        for duty in self.duties:
            if time.monotonic() >= duty.next_at:
                done = self.attempt(duty.name, duty.act)
                if done:
                    self.unwell.discard(duty.name)
                wait = duty.interval if done or duty.pause is None else duty.pause
                duty.next_at = time.monotonic() + wait

    def take_in(self, until: float) -> None:
        """Take what the main thread submits, at least what is there; keep what PostgreSQL does not take for the next round."""
        senses.kept_at = time.monotonic()
        refused, there = [], senses.inbox.qsize()
        while (wait := until - time.monotonic()) > 0 or there > 0:
            there -= 1
            try:
                act = senses.inbox.get(timeout=max(0.0, wait))
            except queue.Empty:
                break
            if act and not self.attempt("records", act):
                refused.append(act)
        for act in refused:
            senses.inbox.put(act)
        if not refused:
            self.unwell.discard("records")

    def attempt(self, name: str, act: Callable[[], Any]) -> bool:
        """Do it; tell whether that was all that could be done: False asks for another try."""
        try:
            act()
        except Exception as error:
            if not is_outage(error):
                logger.exception("%s failed", name, extra={"action": "keeper_failed"})
                return True  # a defect: trying again would not help
            self.tell_once(name, error)
            if isinstance(error, DatabaseFailure) and not locks.is_held(error):
                connection.close()
            return False
        return True

    def tell_once(self, name: str, error: Exception) -> None:
        if name not in self.unwell:
            self.unwell.add(name)
            line = " ".join(str(error).split())
            if locks.is_held(error):
                line += f"; held by {locks.holders() or 'nobody that can be seen'}"
            logger.warning(
                "%s waits: %s: %s", name, type(error).__name__, line, extra={"action": "keeper_waits"}
            )


class Assistant(Keeper):
    """Does duties in a thread of its own, and takes no records: however long one takes, those of others are not kept waiting."""

    def take_in(self, until: float) -> None:
        time.sleep(max(0.0, until - time.monotonic()))


def is_outage(error: Exception) -> bool:
    """Tell whether the same may succeed later: not where the database is there, and refuses the values."""
    refused = isinstance(error, DataError | IntegrityError)
    return not refused and isinstance(
        error, DatabaseFailure | redis.RedisError | broker.BrokerAwayError | OSError
    )
