"""Which Redis a worker has: none that spreads its keys over several servers."""

from __future__ import annotations

from typing import Any

from celery import bootsteps

from offbeat.jobs import broker
from offbeat.jobs.worker.pool import refuse
from offbeat.variables import redis_client


class BrokerChoice(bootsteps.Step):
    """Ends a worker whose Redis is a cluster, before any part of it starts; of one that is down nobody knows that yet."""

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        if broker.has_redis() and (problem := redis_client.cluster_problem(broker.client())):
            refuse(f"Redis (REDIS_URL) is a cluster. {problem}.")
