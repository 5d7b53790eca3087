"""How often a worker asks for a broker that is away."""

from __future__ import annotations

from typing import Any

from celery.app.amqp import AMQP
from kombu.connection import Connection

# Seconds between two attempts, at most. Celery's grow to 30: after a long outage a worker would stand still for as long once more.
PAUSE = 5.0


class SteadyConnection(Connection):
    """A connection that is tried again every few seconds, however long the broker has been away."""

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        return super().ensure_connection(*args, **({"interval_max": PAUSE} | options))


class SteadyAMQP(AMQP):
    """What an application makes its connections with; Celery has no setting for their pauses."""

    Connection = SteadyConnection
