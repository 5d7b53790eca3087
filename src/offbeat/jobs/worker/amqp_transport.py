"""Kombu's transport of RabbitMQ: names under the deployment's prefix, our arguments of queues, and no job held for hours."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from amqp import exceptions
from celery.worker import state
from kombu.message import Message
from kombu.transport import pyamqp

from offbeat.jobs.brokers import amqp as broker
from offbeat.jobs.brokers import amqp_link
from offbeat.jobs.conf import conf
from offbeat.jobs.levels import LEVELS
from offbeat.jobs.message import JOB_HEADER, moment
from offbeat.jobs.worker.state import worker_state

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

# Seconds for which a job's message is held: RabbitMQ closes a channel that holds one for 30 minutes. By then the ledger knows it.
LONGEST_HELD = 600.0
CONFIRMED_WITHIN = 3.0  # seconds for a plain message of `.delay()`: an alarm of RabbitMQ blocks publishers for as long as it lasts
STALLED = 5.0  # seconds
NAMES = ("queue", "exchange", "source", "destination")


def _with_names(options: dict[str, Any]) -> dict[str, Any]:
    return {name: amqp_link.named(value) if name in NAMES else value for name, value in options.items()}


def _prefixed(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of a channel that takes our names of queues and exchanges."""

    def call(self: Any, **options: Any) -> Any:
        return method(self, **_with_names(options))

    return call


class LedgerAmqpMessage(pyamqp.Message):
    @property
    def _raw(self) -> dict[str, Any]:
        return broker.envelope_of(self)

    def ack_log_error(self, *arguments: Any, **options: Any) -> None:
        """Acknowledge it. A job's comes back where its connection is lost, and starts nothing: that is no error to be logged."""
        if self.channel.connection or self.headers.get(JOB_HEADER) is not True:
            super().ack_log_error(*arguments, **options)


class LedgerAmqpChannel(amqp_link.BoundedAnswers, pyamqp.Channel):
    Message = LedgerAmqpMessage
    exchange_declare = _prefixed(pyamqp.Channel.exchange_declare)
    exchange_delete = _prefixed(pyamqp.Channel.exchange_delete)
    exchange_bind = _prefixed(pyamqp.Channel.exchange_bind)
    queue_bind = _prefixed(pyamqp.Channel.queue_bind)
    queue_unbind = _prefixed(pyamqp.Channel.queue_unbind)
    queue_purge = _prefixed(pyamqp.Channel.queue_purge)
    queue_delete = _prefixed(pyamqp.Channel.queue_delete)
    basic_consume = _prefixed(pyamqp.Channel.basic_consume)
    basic_get = _prefixed(pyamqp.Channel.basic_get)

    def queue_declare(self, **options: Any) -> Any:
        """Declare a queue; one of tasks, which outlives its consumers, with our arguments."""
        options = _with_names(options)
        is_of_tasks = options.get("durable") and not (options.get("auto_delete") or options.get("exclusive"))
        if is_of_tasks and not options.get("passive"):
            options["arguments"] = {**(options.get("arguments") or {}), **amqp_link.arguments()}
        try:
            return super().queue_declare(**options)
        except exceptions.PreconditionFailed as error:
            logger.error(  # noqa: TRY400
                "%s: %s",
                broker.REFUSAL.format(options.get("queue")),
                error,
                extra={"action": "queue_refused", "queue": options.get("queue")},
            )
            raise

    def basic_qos(self, prefetch_size: int, prefetch_count: int, a_global: bool) -> Any:
        """Bound what a worker holds: of all queues together, or of each where they are quorum queues, which know nothing else."""
        return super().basic_qos(prefetch_size, prefetch_count, a_global and not amqp_link.is_quorum())

    def basic_publish_confirm(self, message: Any, **options: Any) -> Any:
        options = _with_names(options)
        if not options.get("exchange"):
            options["routing_key"] = amqp_link.named(options.get("routing_key", ""))
        return super().basic_publish_confirm(message, **({"confirm_timeout": CONFIRMED_WITHIN} | options))

    def prepare_message(self, body: Any, priority: int | None = None, *rest: Any, **options: Any) -> Any:
        """Turn Celery's priority, 0 first as in Redis, into RabbitMQ's, higher first."""
        level = priority if isinstance(priority, int) else 0
        return super().prepare_message(body, broker.number_of(level), *rest, **options)

    def message_to_python(self, raw_message: Any) -> Any:
        if isinstance(raw_message, Message):  # one that was pulled, or is one already
            return raw_message
        told = raw_message.delivery_info
        for name in ("routing_key", "exchange"):
            told[name] = amqp_link.own_name(told.get(name) or "")
        found = super().message_to_python(raw_message)
        _note_popped(found)
        return found


def _note_popped(message: Any) -> None:
    if message.headers.get(JOB_HEADER) is True and (at := moment(message.headers)):
        level = broker.level_of_number(message.properties.get("priority"))
        broker.popped[message.delivery_info["routing_key"], level if level in LEVELS else 0] = at


class LedgerAmqpConnection(amqp_link.BoundedAnswers, pyamqp.Connection):
    Channel = LedgerAmqpChannel


class LedgerAmqpTransport(pyamqp.Transport):
    Connection = LedgerAmqpConnection


class PulledMessage(LedgerAmqpMessage):
    """A job's message that did not come through RabbitMQ: there is nothing to acknowledge."""

    def ack(self, multiple: bool = False) -> None:
        self._state = "ACK"

    def reject(self, requeue: bool = False) -> None:
        self._state = "REJECTED"


def deliver(consumer: Any, message: str, queue: str) -> None:
    """Deliver a job's message as if it had come from RabbitMQ."""
    raw = broker.message_of(message)
    raw.delivery_info = {"exchange": "", "routing_key": queue, "delivery_tag": None}
    consumer._receive_callback(PulledMessage(raw, channel=consumer.channel))  # noqa: SLF001  kombu's own way in


def look_after(consumer: Any) -> None:
    """Acknowledge jobs that run for long, consume what is not paused, and notice a lost consumer; in the event loop."""
    for request in list(state.active_requests):
        is_old = request.time_start and time.time() - request.time_start > LONGEST_HELD
        if getattr(request, "is_job", False) and is_old and not request.acknowledged:
            request.acknowledge()
    _follow_pauses(consumer)
    _check_consumers(consumer)


_suspected: set[str] = set()  # queues with messages of which none came, at the last look


def _check_consumers(consumer: Any) -> None:
    """Raise for a queue that was deleted and made anew: the event loop connects again.

    Of a quorum queue RabbitMQ 3.10 does not tell: the new one keeps our consumer, and what it delivers is taken for what came
    before. It takes two looks: a message that has just come to an idle worker is about to be taken.
    """
    global _suspected  # noqa: PLW0603  of the process' one consumer
    tasks, before = consumer.task_consumer, _suspected
    names = [queue.name for queue in tasks.queues if tasks.consuming_from(queue)]
    _suspected = {name for name in names if _is_idle(consumer) and _brings_nothing(tasks.channel, name)}
    if lost := _suspected & before:
        _suspected = set()
        raise exceptions.RecoverableConnectionError(
            f"nothing comes out of queue {min(lost)}: was it deleted?"
        )


def _brings_nothing(channel: Any, queue: str) -> bool:
    try:
        found = channel.queue_declare(queue=queue, passive=True)
    except exceptions.NotFound as error:
        raise exceptions.RecoverableConnectionError(f"queue {queue} was deleted") from error
    return bool(found.message_count) or not found.consumer_count


def _is_idle(consumer: Any) -> bool:
    """Tell whether a process is free, and nothing has come for a while."""
    has_room = len(state.reserved_requests) < consumer.pool.num_processes
    return has_room and time.monotonic() - worker_state.task_started_at > STALLED


def _follow_pauses(consumer: Any) -> None:
    if worker_state.is_stopping or conf().hold:
        return
    tasks = consumer.task_consumer
    wanted = consumer.app.amqp.queues.consume_from
    for name in list(wanted):
        if name in worker_state.paused_queues and tasks.consuming_from(name):
            tasks.cancel_by_queue(name)
        elif name not in worker_state.paused_queues and not tasks.consuming_from(name):
            tasks.add_queue(wanted[name])
            tasks.consume()
