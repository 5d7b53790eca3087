"""/metrics: for Prometheus, and for whoever brings METRICS_TOKEN. It answers whatever server is away, and says which."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import redis
from django.db import DatabaseError, transaction
from django.db import connection as database
from django.http import HttpRequest, HttpResponse
from prometheus_client.core import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from offbeat.ops.metrics import cronjob_metrics, job_metrics, request_metrics, scrape, server_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.core import Metric

logger = logging.getLogger(__name__)

PATIENCE = "SET LOCAL statement_timeout = '8s'"  # below Prometheus' scrape_timeout of 10 s


def page(request: HttpRequest) -> HttpResponse:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collected(families()))
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(registry), content_type=content_type)


class Collected:
    """Families that were read already, as the library wants to collect them."""

    def __init__(self, found: list[Metric]) -> None:
        self.found = found

    def collect(self) -> list[Metric]:
        return self.found

    def describe(self) -> list[Metric]:
        return []


def families() -> list[Metric]:
    servers: dict[str, bool] = {}
    found = [
        *part("postgres", DatabaseError, of_database, servers),
        *part("redis", redis.RedisError, of_redis, servers),
    ]
    return [server_metrics.up(servers), *found]


def part(
    server: str, failure: type[Exception], read: Callable[[], Iterator[Metric]], servers: dict[str, bool]
) -> list[Metric]:
    """Return the families that come from a server; none while it is away."""
    try:
        found = list(read())
    except failure as error:
        logger.warning(
            "no metrics from %s: %s", server, type(error).__name__, extra={"action": "metrics_partial"}
        )
        servers[server] = False
        return []
    servers[server] = True
    return found


def of_database() -> Iterator[Metric]:
    with transaction.atomic(), database.cursor() as cursor:
        cursor.execute(PATIENCE)
        counts: Any = scrape.counters()
        yield from job_metrics.families(counts)
        yield from cronjob_metrics.families(counts)


def of_redis() -> Iterator[Metric]:
    yield from server_metrics.of_redis()
    yield from request_metrics.families()
