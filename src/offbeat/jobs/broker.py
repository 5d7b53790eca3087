"""The broker as the ledger sees it: every call bounded in time, and a breaker that keeps a request from waiting twice.

What differs by broker is in `offbeat.jobs.brokers`.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from offbeat.jobs.brokers import chosen
from offbeat.jobs.brokers.redis import (
    client,
    count_messages,
    key,
    level_for,
    levels_in_use,
    prefix,
    separator,
)
from offbeat.jobs.conf import conf
from offbeat.machine_limits import start_thread
from offbeat.variables import redis_client

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


__all__ = (
    "Breaker",
    "BrokerAwayError",
    "breaker",
    "client",  # Redis' own, with `key` and those below: for what only Redis has
    "count_messages",
    "errors",
    "has_redis",
    "key",
    "level_for",
    "levels_in_use",
    "list_name",
    "name",
    "oldest_published_at",
    "ping",
    "prefix",
    "publish",
    "refusal",
    "refuse_while_away",
    "refused",
    "separator",
    "waiting",
)


class BrokerAwayError(Exception):
    """The broker did not take the messages. The rows are safe in PostgreSQL: the relay publishes them when it is back."""


class Breaker:
    """Remembers that the broker was away, so that only the call that found out pays for the timeout.

    While it is open, a thread asks the broker until it answers: no request has to try. Should the thread be gone, it
    closes by itself.
    """

    def __init__(self) -> None:
        self._open_until = 0.0  # monotonic seconds
        self._lock = threading.Lock()
        self._asking: threading.Thread | None = None

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._open_until

    def open(self) -> None:
        with self._lock:
            self._open_until = time.monotonic() + conf().breaker
            if self._asking is None or not self._asking.is_alive():
                # Without it the breaker closes by itself: who has just committed a job hears of no thread.
                thread = threading.Thread(target=self._ask, name="jobs-breaker", daemon=True)
                self._asking = thread if start_thread(thread) else None

    def close(self) -> None:
        # Nearly always closed already: a child that is forked while the lock is held would wait for it for ever.
        if not self._open_until:
            return
        with self._lock:
            self._open_until, self._asking = 0.0, None

    def _ask(self) -> None:
        while True:
            time.sleep(conf().breaker / 3)
            away = not _answers()
            with self._lock:
                if self._asking is not threading.current_thread():  # closed meanwhile
                    return
                if not (away and self.is_open):
                    self._open_until, self._asking = 0.0, None
                    return
                self._open_until = time.monotonic() + conf().breaker


def _answers() -> bool:
    try:
        return ping()
    except errors():
        return False


breaker = Breaker()


def name() -> str:
    """Return what people call the broker."""
    return str(chosen().NAME)


def has_redis() -> bool:
    """Tell whether the broker is Redis, where other things are kept too."""
    return name() == "Redis"


def errors() -> tuple[type[Exception], ...]:
    """Return what a call raises while the broker is down, or refuses it."""
    return tuple(chosen().ERRORS)


def refused() -> tuple[type[Exception], ...]:
    """Return what a call raises for a queue that is something else: others must not wait for it."""
    return tuple(chosen().REFUSED)


def refusal(queues: str) -> str:
    """Return what to say of queues that are something else, and what to do."""
    return str(chosen().REFUSAL).format(queues)


def ping() -> bool:
    """Ask the broker whether it is there. Raises its errors."""
    return bool(chosen().ping())


def list_name(queue: str, level: int) -> str:
    """Return the name of what messages of a level wait in."""
    return str(chosen().list_name(queue, level))


def refuse_while_away() -> None:
    """Raise BrokerAwayError while the breaker is open."""
    if breaker.is_open:
        raise BrokerAwayError(f"{name()} did not answer some seconds ago")


def publish(messages: Mapping[str, Sequence[str]], *, in_front: bool = False) -> list[str]:
    """Push messages, by the name of their list, those of one in one command; return the lists whose key is something else.

    The last one pushed `in_front` is the next one taken.

    An error does not mean "not sent": after a timeout the messages may be there all the same. That is why publishing
    again must always be safe, and is: the ledger starts each job once.
    Raises BrokerAwayError, at once while the breaker is open.
    """
    refuse_while_away()
    not_sent = []
    try:
        for each, batch in messages.items():
            if not chosen().push(each, batch, in_front=in_front):
                not_sent.append(each)
    except errors() as error:
        breaker.open()
        raise BrokerAwayError(redis_client.explained(error)) from error
    breaker.close()
    return not_sent


def waiting(queue: str) -> int:
    """Return how many messages wait in a queue, of all levels. Raises the broker's errors."""
    return int(chosen().waiting(queue))


def oldest_published_at(queue: str, level: int = 0) -> float | None:
    """Return a time, Unix seconds, before which no message of a job and level waits in the queue; None when none waits at all."""
    found: float | None = chosen().oldest_published_at(queue, level)
    return found
