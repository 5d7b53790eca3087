"""Queues of RabbitMQ that a worker cannot consume, while RabbitMQ answers: it leaves them out until they can be consumed again.

A quorum queue without a leader gives no answer, or ends the connection; a queue of another type, of a node that is down, or that
the user may not read, is refused. Each would keep the worker from its other queues.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time

from amqp import exceptions
from celery import current_app

from offbeat.jobs.brokers import amqp as broker
from offbeat.jobs.brokers.amqp_link import AmqpLink, BoundedAnswers, named
from offbeat.jobs.worker.state import worker_state
from offbeat.machine_limits import start_thread

logger = logging.getLogger(__name__)

PAUSE = 5.0  # seconds between two attempts
OF_THE_QUEUE = (TimeoutError, exceptions.InternalError, exceptions.ChannelError)

_lock = threading.Lock()


def leave_out_if_unusable(queue: str, error: Exception) -> None:
    """Raise an error for which the worker connects again, without the queue, where it is the queue's."""
    if not isinstance(error, OF_THE_QUEUE) or not _server_answers(queue):
        return
    with _lock:
        is_first = not worker_state.unusable_queues
        worker_state.unusable_queues |= {queue}
    if is_first and not start_thread(
        threading.Thread(target=_try_again, name="jobs-amqp-queues", daemon=True)
    ):
        worker_state.unusable_queues -= {queue}  # nobody would take it back
        return
    current_app.amqp.queues.deselect(queue)
    if not isinstance(error, broker.REFUSED):  # which the transport has logged
        logger.error(
            "queue %s cannot be consumed, others are: RabbitMQ reports %s. Hint: a quorum queue without a leader has to be "
            "deleted, it is made anew, and its jobs are published again",
            queue,
            error or "no answer",
            extra={"action": "queue_left_out", "queue": queue},
        )
    raise exceptions.RecoverableConnectionError(f"queue {queue} is left out") from error


def _server_answers(queue: str) -> bool:
    try:
        broker.waiting(queue)
    except exceptions.ChannelError:
        return True
    except broker.ERRORS:
        return False
    return True


def _try_again() -> None:
    """Have the event loop consume queues again that can be: it does at its next look (`amqp_transport.look_after`)."""
    while worker_state.unusable_queues:
        time.sleep(PAUSE)
        for queue in worker_state.unusable_queues:
            with contextlib.suppress(*broker.ERRORS, AttributeError):
                _consume_once(queue)
                _take_back(queue)


def _take_back(queue: str) -> None:
    current_app.amqp.queues.select_add(current_app.amqp.queues[queue])
    with _lock:
        worker_state.unusable_queues -= {queue}
    logger.warning("queue %s is consumed again", queue, extra={"action": "queue_back", "queue": queue})


def _consume_once(queue: str) -> None:
    """Consume a queue for a moment; what comes returns to it. Raises the broker's errors."""
    link = AmqpLink(BoundedAnswers.patience)
    try:
        link.declare(queue)
        link.channel.basic_qos(0, 1, False)
        link.channel.basic_consume(named(queue), callback=lambda _: None)
    finally:
        link.connection.collect()
