"""Where Django's cache is: in a table of PostgreSQL, or in the Redis of CACHE_URL. The core itself caches nothing.

Never in the broker's Redis: a cache evicts what is old when its memory is full, and a broker that does so loses messages.
"""

from __future__ import annotations

import re

from offbeat.celery_settings import REDIS, REDIS_CA, REDIS_PREFIX, REDIS_TLS_VERIFY
from offbeat.env import env
from offbeat.variables import redis_url

_SAME = (
    "without CACHE_URL the cache is a table in PostgreSQL; its own Redis needs maxmemory-policy allkeys-lru."
)


def _servers(address: redis_url.Address) -> set[str]:
    """Return where it is: a policy of eviction is that of a server, whatever the number of the database.

    Two primaries behind the same sentinels are two servers.
    """
    here = {re.sub(r"^(127\.0\.0\.1|\[::1\]):", "localhost:", each) for each in address.places}
    return {f"{address.transport.get('master_name', '')} {each}" for each in here}


CACHE_URL = env.parsed("CACHE_URL", redis_url.form, "", hint=_SAME, is_secret=True)
CACHE_REDIS = redis_url.read(
    CACHE_URL,
    verify=REDIS_TLS_VERIFY if env.is_set("REDIS_TLS_VERIFY") else None,
    authority=REDIS_CA if CACHE_URL.startswith(("rediss:", "sentinels:")) else "",
    tell=lambda problem: env.problem(problem.replace("REDIS_URL", "CACHE_URL", 1)),
)
if _servers(CACHE_REDIS) & _servers(REDIS):
    env.problem(
        f"CACHE_URL is the broker's server, {REDIS}: a cache deletes old entries, and a broker must not.",
        _SAME,
    )

CACHES = {
    "default": {
        "BACKEND": "offbeat.storage.cache.OptionalRedisCache",
        "LOCATION": CACHE_REDIS.url,
        # At a socket, or behind sentinels, Django itself finds no Redis.
        "OPTIONS": CACHE_REDIS.tls if CACHE_REDIS.is_of_one_host else {"address": CACHE_REDIS},
    }
    if CACHE_REDIS.url
    else {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "offbeat_cache",  # made with the migrations: cache_table.py
        # Each write counts the rows, and beyond this number a third of them goes: a millisecond, and some MB.
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    },
}
CACHES["default"]["KEY_PREFIX"] = REDIS_PREFIX  # two deployments that share a server share no entry
