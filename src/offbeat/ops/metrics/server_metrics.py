"""PostgreSQL and Redis as metrics, and what waits in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.jobs import broker, unreadable_store
from offbeat.ops.metrics.families import counter, gauge
from offbeat.ops.snapshot import expected_queues

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric


def of_redis() -> Iterator[Metric]:
    """Yield how full Redis is. Raises redis.RedisError."""
    memory = broker.client().info("memory")
    yield gauge(
        "redis_memory_used_bytes", "Memory that Redis uses.", [], [([], float(memory.get("used_memory", 0)))]
    )
    yield gauge(
        "redis_memory_max_bytes",
        "Memory that Redis may use; 0: no limit.",
        [],
        [([], float(memory.get("maxmemory", 0)))],
    )


def of_messages() -> Iterator[Metric]:
    """Yield how many messages wait: jobs' and those of plain `.delay()`. Raises the broker's errors."""
    queues = sorted(expected_queues())
    yield gauge(
        "queue_messages",
        "Messages that wait in the broker.",
        ["queue"],
        (([queue], broker.waiting(queue)) for queue in queues),
    )
    yield gauge(
        "messages_kept_aside",
        "Messages that no worker can read, and that wait for a person.",
        [],
        [([], unreadable_store.how_many())],
    )
    if broker.has_redis():  # others do not count what was put aside, and a counter must not go back
        yield counter(
            "messages_put_aside",
            "Messages that no worker could read.",
            ["queue"],
            (([queue], count) for queue, count in unreadable_store.counts().items()),
        )


def up(of: dict[str, bool]) -> Metric:
    text = "1 while the server answers this process."
    return gauge("server_up", text, ["server"], (([server], is_up) for server, is_up in of.items()))
