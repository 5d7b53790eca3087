"""Where Django's cache is: in a table of PostgreSQL, or in the Redis of CACHE_URL. The core itself caches nothing.

Never in the broker's Redis: a cache evicts what is old when its memory is full, and a broker that does so loses messages.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from offbeat.celery_settings import REDIS, REDIS_CA, REDIS_PREFIX, REDIS_TLS_VERIFY
from offbeat.env import env
from offbeat.variables import redis_url

_SAME = (
    "without CACHE_URL the cache is a table in PostgreSQL; its own Redis needs maxmemory-policy allkeys-lru."
)


def _server(url: str) -> tuple[str, int | None]:
    """Return host and port: a policy of eviction is that of a server, whatever the number of the database."""
    parts = urlsplit(url)
    is_here = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    return "localhost" if is_here else parts.hostname or "", parts.port


CACHE_URL = env.url("CACHE_URL", ["redis", "rediss"], default="", hint=_SAME)
CACHE_REDIS = redis_url.read(
    CACHE_URL,
    verify=REDIS_TLS_VERIFY if env.is_set("REDIS_TLS_VERIFY") else None,
    authority=REDIS_CA if CACHE_URL.lower().startswith("rediss:") else "",
    tell=lambda problem: env.problem(problem.replace("REDIS_URL", "CACHE_URL", 1)),
)
if CACHE_REDIS.url and _server(CACHE_REDIS.url) == _server(REDIS.url):
    env.problem(
        f"CACHE_URL is the broker's server, {urlsplit(REDIS.url).hostname}: a cache deletes old entries, and a broker must not.",
        _SAME,
    )

CACHES = {
    "default": {
        "BACKEND": "offbeat.storage.cache.OptionalRedisCache",
        "LOCATION": CACHE_REDIS.url,
        "OPTIONS": CACHE_REDIS.tls,
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
