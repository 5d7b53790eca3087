"""Web requests as a histogram, over all processes and instances of the web service.

Each process counts by itself, and adds what it counted to a hash in Redis every few seconds: a scrape, which reaches one process
of one instance, reads them all. A process that is killed takes a few seconds of counts along; a Redis that was emptied starts the
counters at zero, which Prometheus understands.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, cast

import redis
from django.db import Error as DatabaseFailure

from offbeat.jobs import broker, ledger
from offbeat.ops.metrics import buckets
from offbeat.ops.metrics.families import histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from django.http import HttpRequest, HttpResponse
    from prometheus_client.core import Metric

logger = logging.getLogger(__name__)

HASH = "ops:requests"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SUM = "sum"

Request = tuple[str, str, str]  # method, route, status


class RequestsMiddleware:
    """Measures every request that the health paths have let pass."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        begun = time.perf_counter()
        response = self.get_response(request)
        measured.add(labels(request, response.status_code), time.perf_counter() - begun)
        return response


def labels(request: HttpRequest, status: int) -> Request:
    """Return what a request is counted under; never its path, which strangers choose."""
    match = request.resolver_match
    route = match.route if match else "unmatched"
    method = request.method if request.method in METHODS else "other"
    return str(method), route or "/", str(status)


class Measured:
    """What this process has counted and not yet flushed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counts: dict[tuple[Request, str], float] = defaultdict(float)

    def add(self, of: Request, seconds: float) -> None:
        bucket = buckets.label(buckets.REQUEST, seconds)
        with self.lock:
            self.counts[of, bucket] += 1
            self.counts[of, SUM] += seconds

    def flush(self) -> None:
        """Add the counts to those of all processes. Raises redis.RedisError, and keeps them for the next time."""
        name = ledger.key(HASH)
        with self.lock:
            counts, self.counts = self.counts, defaultdict(float)
        if not counts:
            return
        try:
            with broker.client().pipeline(transaction=True) as pipe:
                for (of, bucket), value in counts.items():
                    pipe.hincrbyfloat(name, json.dumps([*of, bucket]), value)
                pipe.execute()
        except redis.RedisError:
            with self.lock:
                for key, value in counts.items():
                    self.counts[key] += value
            raise


def flush() -> None:
    """Flush; while Redis is away, the counts wait. An open breaker says that it is, without asking.

    They wait too while PostgreSQL has not been reached yet, which knows whose they are.
    """
    if broker.breaker.is_open or not broker.has_redis():
        return
    try:
        measured.flush()
    except redis.RedisError:
        broker.breaker.open()
    except DatabaseFailure as error:
        logger.debug("counts wait: %s", error)


measured = Measured()


def families() -> Iterator[Metric]:
    """Yield the histogram of all processes. Raises redis.RedisError."""
    if not broker.has_redis():  # nothing keeps the counts of all processes
        return
    flush()
    found = cast("Mapping[bytes, bytes]", broker.client().hgetall(ledger.key(HASH)))
    requests: dict[Request, dict[str, float]] = defaultdict(dict)
    for field, value in found.items():
        method, route, status, bucket = json.loads(field)
        requests[method, route, status][bucket] = float(value)
    yield histogram(
        "http_request_duration_seconds",
        "Time from the arrival of a request to its answer.",
        ["method", "route", "status"],
        buckets.REQUEST,
        ((of, counts, counts.get(SUM, 0.0)) for of, counts in sorted(requests.items())),
    )
