"""SQS as a transport of kombu's: threads receive, the event loop begins, another thread deletes (`sqs_polls`, `sqs_receipts`).

Kombu's own asks SQS from the event loop, needs libcurl, and lets a message that takes longer than its timeout come back.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import logging
import os
from queue import Empty
from typing import Any, ClassVar

from kombu.transport import virtual
from kombu.transport.virtual.base import queue_declare_ok_t  # type: ignore[attr-defined]
from kombu.utils.json import dumps

from offbeat.jobs import broker, unreadable_store
from offbeat.jobs.brokers import sqs, sqs_queues
from offbeat.jobs.message import JOB_HEADER
from offbeat.jobs.unreadable_store import UnreadableError
from offbeat.jobs.worker import message_shape
from offbeat.jobs.worker.sqs_polls import Polls, Received
from offbeat.jobs.worker.sqs_receipts import Receipts

logger = logging.getLogger(__name__)

MOST = 10  # messages in hand where Celery sets no bound


class SqsQoS(virtual.QoS):
    """Counts what is in hand as kombu does; an acknowledgement only notes that a thread has to delete the message."""

    def ack(self, delivery_tag: str) -> None:
        super().ack(delivery_tag)
        self.channel.settle(delivery_tag)
        self.channel.note_room()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if requeue:
            self.channel.release(delivery_tag)
        self.ack(delivery_tag)


class SqsMessage(virtual.Message):
    """A message whose body is in an encoding that there is; raises UnreadableError otherwise."""

    def __init__(self, payload: dict[str, Any], channel: Any = None, **options: Any) -> None:
        with message_shape.refuse_undecodable("its body cannot be decoded"):
            super().__init__(payload, channel, **options)


class SqsChannel(virtual.Channel):
    QoS = SqsQoS
    Message = SqsMessage

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.receipts = Receipts(sqs_queues.visibility_timeout())
        self.polls = Polls(self.receipts, self._room, lambda: self.connection and self.connection.wake())

    def _room(self) -> int:
        room = self.qos.can_consume_max_estimate()
        return MOST if room is None else room

    # To consume

    def basic_consume(self, queue: str, *args: Any, **options: Any) -> None:
        super().basic_consume(queue, *args, **options)
        self.polls.start(queue)

    def basic_cancel(self, consumer_tag: str) -> None:
        queue = self._tag_to_queue.get(consumer_tag)
        super().basic_cancel(consumer_tag)
        if queue is not None:
            self.polls.stop(queue)

    def basic_qos(self, *args: Any, **options: Any) -> None:
        super().basic_qos(*args, **options)
        self.note_room()

    def drain_events(self, timeout: float | None = None, callback: Any = None) -> None:
        self.polls.wait(timeout)
        if not self.deliver():
            raise Empty

    def deliver(self) -> int:
        """Give to Celery what has come and can be begun; return how many. What cannot be read is put aside, and deleted."""
        count = 0
        while received := self.polls.take():
            count += 1
            try:
                self.connection._deliver(_envelope(received), received.queue)  # noqa: SLF001  kombu's own way
            except UnreadableError as error:
                unreadable_store.put_aside(received.text, str(error), received.queue)
                self.settle(received.tag)
        return count

    def settle(self, delivery_tag: str) -> None:
        self.receipts.settle(delivery_tag)

    def release(self, delivery_tag: str) -> None:
        self.receipts.release(delivery_tag)

    def note_room(self) -> None:
        self.polls.note_room()
        if self.connection is not None:
            self.connection.wake()

    def _restore(self, message: Any) -> None:
        self.release(message.delivery_tag)

    def close(self) -> None:
        is_first = not self.closed
        super().close()
        if is_first:
            self.receipts.close()

    # To publish

    def queue_declare(self, queue: str | None = None, passive: bool = False, **options: Any) -> Any:
        """Say yes: SQS is asked for a queue when there is a message for it, or somebody wants one of it."""
        return queue_declare_ok_t(queue, self._size(queue) if passive and queue else 0, 0)

    def _put(self, queue: str, message: dict[str, Any], **options: Any) -> None:
        level = broker.level_for(self._get_message_priority(message))
        sqs.send_plain(queue, level, dumps(message), str(message.get("headers", {}).get("task", "")))

    def _size(self, queue: str) -> int:
        return sqs.waiting(queue)

    def _purge(self, queue: str) -> int:
        return sqs.purge(queue)

    def _delete(self, queue: str, *args: Any, **options: Any) -> None:
        sqs.delete(queue)


class SqsTransport(virtual.Transport):
    """Wakes the event loop when a thread has received something."""

    Channel = SqsChannel
    driver_type = driver_name = "sqs"
    polling_interval = 0.0
    # Kombu asks the class. So `.delay()` raises its OperationalError while SQS is down, as with other brokers.
    connection_errors = (  # type: ignore[assignment]  # declared there for one error only
        *virtual.Transport.connection_errors,
        *sqs.ERRORS,
        broker.BrokerAwayError,
    )
    default_connection_params: ClassVar[dict[str, Any]] = {}
    implements = virtual.Transport.implements.extend(
        asynchronous=True, exchange_type=frozenset({"direct", "topic"})
    )

    def __init__(self, client: Any, **options: Any) -> None:
        super().__init__(client, **options)
        self._pipe: tuple[int, ...] = ()
        self._loop: Any = None

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        if not self._pipe:
            self._pipe, self._loop = os.pipe(), loop
            for end in self._pipe:
                os.set_blocking(end, False)
        loop.add_reader(self._pipe[0], self._on_wake, self._pipe[0])

    def close_connection(self, connection: Any) -> None:
        super().close_connection(connection)
        pipe, self._pipe = self._pipe, ()
        if pipe:
            self._loop.remove(pipe[0])
            for end in pipe:
                os.close(end)

    def wake(self) -> None:
        if self._pipe:
            with contextlib.suppress(OSError, IndexError):  # full: it is awake; closed by another thread
                os.write(self._pipe[1], b".")

    def _on_wake(self, end: int) -> None:
        with contextlib.suppress(OSError):
            os.read(end, 4096)
        for channel in list(self.channels):
            channel.deliver()


def _envelope(received: Received) -> dict[str, Any]:
    """Return a message as kombu takes it, addressed to where it came from. Raises UnreadableError."""
    found = message_shape.read_envelope(_plain(received.text).encode(), received.queue)
    properties = found["properties"]
    properties["delivery_tag"] = received.tag
    properties["delivery_info"]["times"] = received.times
    if received.is_redelivered:
        properties["delivery_info"]["redelivered"] = True
    return found


def _plain(text: str) -> str:
    """Return the JSON of a message; a producer with kombu's own transport sends it in base64."""
    if text.lstrip().startswith("{"):
        return text
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return text


def is_job(message: Any) -> bool:
    return isinstance(message.headers, dict) and bool(message.headers.get(JOB_HEADER))
