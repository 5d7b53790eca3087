"""/metrics: for Prometheus, and for whoever brings METRICS_TOKEN. It answers whatever server is away, and says which."""

from __future__ import annotations

import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING

from django.db import DatabaseError, transaction
from django.db import connection as database
from django.http import HttpRequest, HttpResponse
from prometheus_client.core import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from offbeat.jobs import broker
from offbeat.ops import conditions
from offbeat.ops.metrics import counters, cronjob_metrics, job_metrics, request_metrics, server_metrics
from offbeat.ops.metrics.families import gauge
from offbeat.ops.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.core import Metric

    from offbeat.condition import Condition

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
    server = broker.name().lower()
    wrong: list[Condition] = []
    found = [
        *part("postgres", DatabaseError, partial(of_database, wrong), servers),
        *part(server, broker.errors(), of_broker, servers),
    ]
    down = {"postgres": conditions.postgres_down(), server: conditions.broker_down()}
    wrong += [down[each] for each, is_up in servers.items() if not is_up]
    return [server_metrics.up(servers), of_conditions(wrong), *found]


def of_conditions(wrong: Iterable[Condition]) -> Metric:
    return gauge(
        "condition",
        "1 while something is wrong.",
        ["kind", "subject", "severity"],
        {(each.kind.name, each.subject, each.kind.severity.word): 1 for each in wrong}.items(),
    )


def part(
    server: str,
    failure: type[Exception] | tuple[type[Exception], ...],
    read: Callable[[], Iterator[Metric]],
    servers: dict[str, bool],
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


def of_database(wrong: list[Condition]) -> Iterator[Metric]:
    """Yield what the ledger knows, and add to `wrong` what is."""
    with transaction.atomic(), database.cursor() as cursor:
        cursor.execute(PATIENCE)
        snapshot, counts = Snapshot.take(), counters.read()
    wrong += conditions.find(snapshot).conditions
    yield from job_metrics.families(snapshot, counts)
    yield from cronjob_metrics.families(snapshot, counts)


def of_broker() -> Iterator[Metric]:
    if broker.has_redis():
        yield from server_metrics.of_redis()
    yield from server_metrics.of_messages()
    with contextlib.suppress(
        DatabaseError
    ):  # a process that has just begun asks PostgreSQL whose counts these are
        yield from request_metrics.families()
