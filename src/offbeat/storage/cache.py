"""Django's cache in Redis, which is empty while Redis is down: slower pages, and no failed ones."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from offbeat.variables.redis_url import Address

logger = logging.getLogger(__name__)

PAUSE = 5.0
"""Seconds for which a process does not ask a Redis that has failed: else each entry of a page would wait for it anew."""
# redis-py's own: no limit of time, and three retries with pauses of seconds.
PATIENCE = {
    "socket_connect_timeout": 0.5,  # seconds; far above what a server nearby needs, and far below a person's patience
    "socket_timeout": 0.5,
    "retry": Retry(NoBackoff(), 1),  # a connection that a restart has cut is replaced at once
}
PAGE = 500
"""Keys that `clear` deletes at once."""


class OptionalCacheClient(RedisCacheClient):
    """Asks Redis, and answers as an empty cache does while it fails."""

    asks_again_at: ClassVar[dict[str, float]] = {}  # by server, for all threads of the process

    _pools: dict[int, Any]

    def __init__(self, servers: list[str], *, address: Address | None = None, **options: Any) -> None:
        super().__init__(servers, **options)
        self.address = address

    def _get_connection_pool(self, write: bool) -> Any:
        """Return the pool of the address that our settings have read: at a socket, or behind sentinels, too."""
        if self.address is None:
            return super()._get_connection_pool(write)  # type: ignore[misc]
        if 0 not in self._pools:
            options = {name: each for name, each in self._pool_options.items() if name != "parser_class"}  # type: ignore[attr-defined]
            self._pools[0] = self.address.connect(**options).connection_pool
        return self._pools[0]

    def ask(self, method: Callable[..., Any], otherwise: Any, *arguments: Any) -> Any:
        server = self._servers[0]  # type: ignore[attr-defined]
        if time.monotonic() < self.asks_again_at.get(server, 0):
            return otherwise
        try:
            return method(*arguments)
        except RedisError as error:
            self.asks_again_at[server] = time.monotonic() + PAUSE
            logger.warning("the cache does not answer: %s", error, extra={"action": "cache_down"})
            return otherwise

    def add(self, key: Any, value: Any, timeout: Any) -> bool:
        return bool(self.ask(super().add, False, key, value, timeout))  # whoever locks by it has no lock

    def get(self, key: Any, default: Any) -> Any:
        return self.ask(super().get, default, key, default)

    def set(self, key: Any, value: Any, timeout: Any) -> None:
        self.ask(super().set, None, key, value, timeout)

    def touch(self, key: Any, timeout: Any) -> bool:
        return bool(self.ask(super().touch, False, key, timeout))

    def delete(self, key: Any) -> bool:
        return bool(self.ask(super().delete, False, key))

    def get_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        return dict(self.ask(super().get_many, {}, keys))

    def has_key(self, key: Any) -> bool:
        return bool(self.ask(super().has_key, False, key))

    def incr(self, key: Any, delta: int) -> int:
        count = self.ask(super().incr, None, key, delta)
        if count is None:
            raise ValueError(f"Key '{key}' not found.")  # as Django says it of a key that is not there
        return int(count)

    def set_many(self, data: Any, timeout: Any) -> None:
        self.ask(super().set_many, None, data, timeout)

    def delete_many(self, keys: Iterable[Any]) -> None:
        self.ask(super().delete_many, None, keys)

    def delete_matching(self, pattern: str) -> bool:
        return bool(self.ask(self._delete_matching, False, pattern))

    def _delete_matching(self, pattern: str) -> bool:
        client = self.get_client(write=True)
        found = list(client.scan_iter(match=pattern, count=PAGE))
        for start in range(0, len(found), PAGE):
            client.unlink(*found[start : start + PAGE])
        return True


class OptionalRedisCache(RedisCache):
    """The backend of CACHES: Django's own, with a client that may fail."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._servers = (
            server if isinstance(server, list) else [server]
        )  # Django takes those of several sentinels for replicas
        self._class = OptionalCacheClient
        self._options = {**PATIENCE, **params.get("OPTIONS", {})}

    def clear(self) -> bool:  # type: ignore[override]
        """Delete what has our prefix; Django's own empties the server, with whatever else is in it."""
        return cast("OptionalCacheClient", self._cache).delete_matching(
            self.key_func("*", self.key_prefix, "*")
        )
