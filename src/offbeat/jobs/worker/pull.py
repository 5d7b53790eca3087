"""Takes from the ledger the jobs that the code of other workers has refused, and delivers them to this worker itself.

Through Redis, another worker that cannot run them might take them again.
"""

from __future__ import annotations

import json
from typing import Any

from celery.worker import state

from offbeat.jobs import brokers, ledger, refusal
from offbeat.jobs.worker.spares import spares
from offbeat.jobs.worker.state import worker_state


def pull(worker: Any, queues: list[str]) -> int:
    """Take as many jobs as there are free processes, and one more: a worker that is never idle gets on with them, too.

    Death between claim and begin: a message that is not in its queue, which the reconciler sees (`offbeat.jobs.reconciler`).
    """
    room = worker.concurrency + 1 - (len(state.reserved_requests) - spares.in_hand())
    if worker_state.is_stopping or worker_state.broker_lost_at is not None or room <= 0:
        return 0
    taken = refusal.claim(queues, room)
    for one in taken:
        worker.hub.call_soon(deliver, worker, one.message(ledger.identity()), one.queue)
    return len(taken)


def deliver(worker: Any, message: str, queue: str) -> None:
    """Deliver a job's message in the event loop, as if it had come from the broker."""
    consumer = getattr(worker.consumer, "task_consumer", None)
    if consumer is None or consumer.channel is None or consumer.channel.connection is None:
        return  # it reconnects: the reconciler finds a message that is missing
    if brokers.scheme() in brokers.AMQP:
        from offbeat.jobs.worker import amqp_transport  # noqa: PLC0415  for RabbitMQ alone

        amqp_transport.deliver(consumer, message, queue)
        return
    consumer.channel.connection._deliver(json.loads(message), queue)  # noqa: SLF001  kombu's own way in
