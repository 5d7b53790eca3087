"""Where Django's cache is: its table is there, or its Redis, which must not be the broker's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.cache import caches
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.redis import RedisCache
from django.db import connection
from redis import RedisError

from offbeat.jobs import broker
from offbeat.ops.doctor.findings import Finding, green, red, yellow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis


def cache() -> Iterator[Finding]:
    """Look at every cache that is in PostgreSQL or in Redis, also at those that the project's settings made."""
    for alias in caches.settings:
        found = caches[alias]
        if isinstance(found, DatabaseCache):
            yield in_table(f"cache {alias}", found)
        elif isinstance(found, RedisCache):
            yield in_redis(f"cache {alias}", found._cache.get_client())  # noqa: SLF001  it shows its client nowhere else


def in_table(name: str, found: DatabaseCache) -> Finding:
    table = found._table  # type: ignore[attr-defined]  # noqa: SLF001
    if table in connection.introspection.table_names():
        return green(name, f"the table {table} in PostgreSQL")
    return red(name, f"there is no table {table}", "python manage.py release")


def in_redis(name: str, client: Redis) -> Finding:
    try:
        server, memory = client.info("server"), client.info("memory")
    except RedisError as error:
        advice = "check CACHE_URL: while it is down nothing is cached, and pages are slower"
        return yellow(name, f"does not answer: {error}", advice)
    if (
        broker.has_redis()
        and server.get("run_id")
        and server["run_id"] == broker.client().info("server").get("run_id")
    ):
        return red(
            name,
            "the broker's own Redis",
            "use another Redis for the cache: a cache deletes old entries, and a broker must not",
        )
    policy = str(memory.get("maxmemory_policy", "unknown"))
    if policy == "noeviction" and memory.get("maxmemory"):
        return yellow(
            name, policy, "set maxmemory-policy allkeys-lru: otherwise a full cache accepts nothing new"
        )
    return green(name, f"its own Redis, {policy}")
