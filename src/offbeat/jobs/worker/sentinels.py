"""The worker's transport behind sentinels: kombu's, with all that ours adds to Redis."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from offbeat.jobs.worker.transport import LedgerChannel
from offbeat.variables.redis_client import PrimaryFinder


class SentinelLedgerChannel(LedgerChannel, redis.SentinelChannel):
    """Asks the sentinels for the primary at each new connection; one that is down is asked once, and not four times."""

    sentinel_kwargs: dict[str, Any] | None = None

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:
        self.sentinel_kwargs = {**(self.sentinel_kwargs or {}), "retry": Retry(NoBackoff(), 0)}
        pool = super()._sentinel_managed_pool(asynchronous)
        # Kombu makes it of redis-py's class, and asks nobody for another one.
        pool.sentinel_manager.__class__ = PrimaryFinder
        return pool


class SentinelLedgerTransport(redis.SentinelTransport):
    Channel = SentinelLedgerChannel
