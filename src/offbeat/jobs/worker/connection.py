"""The connections of an application with jobs: how often they ask for a broker that is away, and what they leave in Redis."""

from __future__ import annotations

from typing import Any

from celery.app.amqp import AMQP
from kombu.connection import Connection
from kombu.transport import redis

from offbeat.jobs.worker.consumer import TaskConsumer
from offbeat.jobs.worker.transport import LedgerTransport

# Seconds between two attempts, at most. Celery's grow to 30: after a long outage a worker would stand still for as long once more.
PAUSE = 5.0


class SteadyConnection(Connection):
    """A connection that is tried again every few seconds, however long the broker has been away."""

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        return super().ensure_connection(*args, **({"interval_max": PAUSE} | options))

    def get_transport_cls(self) -> Any:
        found = super().get_transport_cls()
        if found is redis.Transport:
            return LedgerTransport
        if driver_type(found) == "amqp":
            from offbeat.jobs.worker.amqp_transport import LedgerAmqpTransport  # noqa: PLC0415  for RabbitMQ alone

            return LedgerAmqpTransport
        return found


def driver_type(transport: Any) -> str:
    return str(getattr(transport, "driver_type", ""))


class SteadyAMQP(AMQP):
    """What an application makes its connections with; Celery has no setting for these."""

    Connection = SteadyConnection
    Consumer = TaskConsumer
