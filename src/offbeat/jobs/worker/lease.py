"""Consumer bootsteps: renew the lease on messages in hand, and notice what happens to the broker and to the children."""

from __future__ import annotations

import time
from typing import Any

from celery import bootsteps

from offbeat.jobs import brokers
from offbeat.jobs.worker import in_hand
from offbeat.jobs.worker.state import worker_state

NOTICE = 3.0  # seconds until a lost broker is noticed


class Lease(bootsteps.StartStopStep):
    """Renews Redis' visibility timeout of every unacknowledged message at least three times in its length.

    That makes a short timeout safe for tasks of any length: a dead worker's messages come back in a minute and not in an hour,
    and a live worker's never do. The timeout must be the same on every worker. Not for the solo pool, which blocks the loop.

    It also notices that the broker is lost when nobody else does: an acknowledgement that failed leaves its message in hand, and a
    consumer whose hands are full asks for nothing more, so it never meets the error that would make it reconnect.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, c: Any, **kwargs: Any) -> None:
        super().__init__(c, **kwargs)
        self.timer: Any = None

    def start(self, c: Any) -> None:
        timeout = c.app.conf.broker_transport_options.get("visibility_timeout", 3600)
        self.timer = c.timer.call_repeatedly(min(timeout / 3, NOTICE), renew, (c,))

    def stop(self, c: Any) -> None:
        if self.timer:
            self.timer.cancel()
            self.timer = None

    shutdown = stop


def renew(consumer: Any) -> None:
    """Move the deadline of what is in hand and on record; XX: never bring a message back that was acknowledged meanwhile.

    Raises connection errors, for which the event loop reconnects: Redis is asked also when there is nothing to renew.
    """
    channel = consumer.task_consumer.channel
    if brokers.scheme() in brokers.AMQP:
        from offbeat.jobs.worker import amqp_transport  # noqa: PLC0415  for RabbitMQ alone

        amqp_transport.look_after(consumer)
    if not getattr(channel, "unacked_index_key", None):  # another transport than Redis
        return
    tags = in_hand.recorded(channel.qos)
    with channel.conn_or_acquire() as client:
        if tags:
            client.zadd(channel.unacked_index_key, dict.fromkeys(tags, time.time()), xx=True)
        else:
            client.ping()


class BrokerWatch(bootsteps.StartStopStep):
    """Notes whether the consumer is connected, and that the event loop turns; lets the pool look after its children.

    The pool notices a dead child at once, but looks a second time, to tell that its task is lost, only every 5 seconds.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, c: Any) -> None:
        worker_state.note_broker_back()
        c.timer.call_repeatedly(0.5, c.pool.maintain_pool)
        c.timer.call_repeatedly(2.0, worker_state.note_turn)

    def stop(self, c: Any) -> None:
        worker_state.note_broker_lost()

    shutdown = stop
