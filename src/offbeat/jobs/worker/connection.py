"""The connections of an application with jobs: how often they ask for a broker that is away, and what they leave in Redis."""

from __future__ import annotations

from typing import Any

import django
from celery.app.amqp import AMQP
from django.apps import apps
from kombu.connection import Connection
from kombu.transport import TRANSPORT_ALIASES, redis

from offbeat.jobs.worker.sentinels import SentinelLedgerTransport
from offbeat.jobs.worker.transport import LedgerTransport

# Seconds between two attempts, at most. Celery's grow to 30: after a long outage a worker would stand still for as long once more.
PAUSE = 5.0
OURS = {redis.Transport: LedgerTransport, redis.SentinelTransport: SentinelLedgerTransport}

# In place of kombu's own, also in its pools, which make their connections from a class of kombu's.
for each in ("amqp", "amqps", "pyamqp"):
    TRANSPORT_ALIASES[each] = "offbeat.jobs.worker.amqp_transport:LedgerAmqpTransport"
TRANSPORT_ALIASES["sqs"] = "offbeat.jobs.worker.sqs_transport:SqsTransport"


class SteadyConnection(Connection):
    """A connection that is tried again every few seconds, however long the broker has been away."""

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        return super().ensure_connection(*args, **({"interval_max": PAUSE} | options))

    def get_transport_cls(self) -> Any:
        found = super().get_transport_cls()
        return OURS.get(found, found)


class SteadyAMQP(AMQP):
    """What an application makes its connections with; Celery has no setting for these."""

    Connection = SteadyConnection

    @property
    def Consumer(self) -> Any:  # noqa: N802  Celery's name for it
        """The worker's own; it needs models, and `celery purge` comes here without Django."""
        if not apps.ready:
            django.setup()
        from offbeat.jobs.worker.consumer import TaskConsumer  # noqa: PLC0415  see above

        return TaskConsumer
