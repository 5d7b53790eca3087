"""Redis as the broker: lists, as kombu's transport keeps them, and what else lies beside them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import redis
from celery import current_app

from offbeat.jobs.conf import conf
from offbeat.jobs.levels import LEVELS
from offbeat.jobs.message import priority_in, published_at
from offbeat.variables import redis_client

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.client import Pipeline

NAME = "Redis"
ERRORS = (redis.RedisError,)  # what a call raises while Redis is down, or refuses it
REFUSED = (redis.ResponseError,)  # of these, those of a key that is something else
REFUSAL = "in Redis the key of queue {} is not a list. Hint: find the program that writes it, then delete it"
LOOKS = 20, 1000  # messages of a queue that are looked at for the oldest one
KEPT = "jobs:unreadable"  # a list, the newest first
COUNTS = "jobs:unreadable:counts"  # by queue, of all times
REMEMBERED = 24 * 3600  # seconds; longer than any sensible row of redeliveries


@lru_cache(maxsize=1)
def client() -> redis.Redis:
    """Return this process' client of the broker that Celery is configured with; retries nothing, waits for nothing long.

    Behind sentinels each new connection asks them first, each for as long at most.
    """
    with current_app.connection_for_write() as at:
        return redis_client.connect(
            at,
            socket_connect_timeout=conf().publish_timeout,
            socket_timeout=conf().publish_timeout,
            health_check_interval=15,
        )


def ping() -> bool:
    """Ask Redis whether it is there. Raises redis.RedisError."""
    return bool(client().ping())


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


def push(name: str, batch: Sequence[str], *, in_front: bool) -> bool:
    """Push messages to a list in one command; tell whether its key is a list, or nothing yet."""
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


def exchange_token(name: str, token: str) -> str:
    """Store a token, return the one before it, "" for none: in one command."""
    value = cast("bytes | None", client().set(name, token, get=True))
    return value.decode() if value else ""


def count_delivery(message_id: str, _: Any) -> int:
    """Count a delivery of a message that was delivered before, and return how many there were."""
    name = key(f"jobs:deliveries:{message_id}")
    with client().pipeline() as pipe:
        pipe.incr(name)
        pipe.expire(name, REMEMBERED)
        return cast("int", pipe.execute()[0])


# What was put aside (offbeat.jobs.unreadable_store): entries are JSON.


def keep(entry: str, queue: str, most: int) -> None:
    """Keep an entry, and the newest ones besides; count it."""
    with client().pipeline() as pipe:
        pipe.lpush(key(KEPT), entry)
        pipe.ltrim(key(KEPT), 0, max(0, most - 1))
        pipe.hincrby(key(COUNTS), queue, 1)
        pipe.execute()


def kept(limit: int = -1) -> list[bytes]:
    """Return the entries, the newest first."""
    return cast("list[bytes]", client().lrange(key(KEPT), 0, limit if limit < 0 else limit - 1))


def count_kept() -> int:
    return client().llen(key(KEPT))


def counts() -> dict[str, int]:
    found = cast("dict[bytes, bytes]", client().hgetall(key(COUNTS)))
    return {queue.decode(): int(count) for queue, count in found.items()}


def take(entry: str, queue: str = "", raw: str = "") -> bool:
    """Remove an entry, and send its message back to its queue in the same transaction: two people at once send it once."""

    def act(pipe: Pipeline) -> None:
        is_there = pipe.lpos(key(KEPT), entry) is not None
        pipe.multi()
        if is_there:  # else somebody else was faster
            pipe.lrem(key(KEPT), 1, entry)
            if queue:
                pipe.lpush(key(list_name(queue, level_for(priority_in(raw)))), raw)

    return bool(client().transaction(act, key(KEPT)))
