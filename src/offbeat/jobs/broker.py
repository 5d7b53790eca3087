"""Redis as the ledger sees it: every call bounded in time, and a breaker that keeps a request from waiting twice."""

from __future__ import annotations

import threading
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import redis
from celery import current_app

from offbeat.jobs.conf import conf
from offbeat.jobs.levels import LEVELS
from offbeat.jobs.message import published_at
from offbeat.variables import redis_client

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


LOOKS = 20, 1000  # messages of a queue that are looked at for the oldest one


class BrokerAwayError(Exception):
    """Redis did not take the messages. The rows are safe in PostgreSQL: the relay publishes them when Redis is back."""


class Breaker:
    """Remembers that Redis was away, so that only the call that found out pays for the timeout.

    While it is open, a thread asks Redis until it answers: no request has to try. Should the thread be gone, it closes by itself.
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
                self._asking = threading.Thread(target=self._ask, name="jobs-breaker", daemon=True)
                self._asking.start()

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
        return bool(client().ping())
    except redis.RedisError:
        return False


breaker = Breaker()


@lru_cache(maxsize=1)
def client() -> redis.Redis:
    """Return this process' client of the broker that Celery is configured with; retries nothing, waits for nothing long.

    Behind sentinels each new connection asks them first, for as long at most.
    """
    with current_app.connection_for_write() as at:
        return redis_client.connect(
            at,
            socket_connect_timeout=conf().publish_timeout,
            socket_timeout=conf().publish_timeout,
            health_check_interval=15,
        )


def key(name: str) -> str:
    """Return a Redis key under the prefix that kombu's transport uses too."""
    return f"{prefix()}{name}"


@lru_cache(maxsize=1)
def prefix() -> str:
    """Return it, "" for none; a process reads its settings once."""
    return str(_options().get("global_keyprefix", ""))


def list_name(queue: str, level: int) -> str:
    """Return the name of the list in which messages of a level wait, as kombu's transport names it."""
    return f"{queue}{separator()}{level}" if level else queue


@lru_cache(maxsize=1)
def separator() -> str:
    """Return what stands between a queue's name and a level in the name of a list: kombu's."""
    return str(_options().get("sep", "\x06\x16"))


@lru_cache(maxsize=1)
def levels_in_use() -> list[int]:
    """Return the levels of each queue, the most urgent first: ours, and those that a project has given kombu besides."""
    return sorted({*LEVELS, *_options().get("priority_steps", ())})


def level_for(number: int) -> int:
    """Return the level of a message's own number, as kombu rounds it."""
    return max((level for level in levels_in_use() if level <= number), default=levels_in_use()[0])


def _options() -> dict[str, Any]:
    return current_app.conf.broker_transport_options or {}


def refuse_while_away() -> None:
    """Raise BrokerAwayError while the breaker is open."""
    if breaker.is_open:
        raise BrokerAwayError("Redis did not answer some seconds ago")


def publish(messages: Mapping[str, Sequence[str]], *, in_front: bool = False) -> list[str]:
    """Push messages, by the name of their list, those of one in one command; return the lists whose key is something else.

    The last one pushed `in_front` is the next one taken.

    An error does not mean "not sent": after a timeout the messages may be in Redis all the same. That is why publishing
    again must always be safe, and is: the ledger starts each job once.
    Raises BrokerAwayError, at once while the breaker is open.
    """
    refuse_while_away()
    refused = []
    try:
        for name, batch in messages.items():
            if not _push(name, batch, in_front=in_front):
                refused.append(name)
    except redis.RedisError as error:
        breaker.open()
        raise BrokerAwayError(f"{type(error).__name__}: {error}") from error
    breaker.close()
    return refused


def _push(name: str, batch: Sequence[str], *, in_front: bool) -> bool:
    push = client().rpush if in_front else client().lpush
    try:
        push(key(name), *batch)
    except redis.ResponseError as error:
        if not str(error).startswith("WRONGTYPE"):
            raise
        return False
    return True


def waiting(queue: str) -> int:
    """Return how many messages wait in a queue, in all of its lists."""
    return count_messages(key(queue))


def count_messages(name: str) -> int:
    """Return how many messages wait in the lists of a queue that has this name in Redis, prefix and all."""
    with client().pipeline(transaction=False) as pipe:
        for level in levels_in_use():
            pipe.llen(list_name(name, level))
        return sum(pipe.execute())


def oldest_published_at(queue: str, level: int = 0) -> float | None:
    """Return when the oldest waiting message of a job in a list was published, Unix seconds; None when none waits.

    A few messages are looked at, because a redelivered one is pushed in front; of a queue that begins with plain messages, which
    prove nothing, more. Where no job's is among them, and there are more to come, the answer is 0, as old as can be: nothing
    behind them is taken for lost.
    """
    for look in LOOKS:
        raw = cast("list[bytes]", client().lrange(key(list_name(queue, level)), -look, -1))
        times = [found for message in raw if (found := published_at(message)) is not None]
        if times or len(raw) < look:
            return min(times, default=None)
    return 0.0
