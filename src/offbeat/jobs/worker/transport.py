"""Kombu's Redis transport, sparing Redis a second record of the jobs in a worker's hands: the ledger has one already.

Redis has no acknowledgements, so kombu writes each message that it takes to `unacked`, before the task may begin, and removes it
afterwards: two round trips of the worker's main process, which is what bounds its throughput. A plain task needs them. A job that
dies with its worker is found in the ledger, which knows more: whether it has begun, and where.
"""

from __future__ import annotations

import logging
import time
from queue import Empty
from typing import Any

from kombu.transport import redis, virtual
from kombu.utils.encoding import bytes_to_str
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from offbeat.jobs import broker, unreadable_store
from offbeat.jobs.levels import LEVELS
from offbeat.jobs.unreadable_store import UnreadableError
from offbeat.jobs.worker import message_shape
from offbeat.jobs.worker.in_hand import LedgerQoS, has_job_header, is_of_broker
from offbeat.jobs.worker.state import worker_state

logger = logging.getLogger(__name__)

MOST_IN_A_TURN = 10  # messages, then the loop looks after all else
MOST_QUESTIONS = 1_000  # orders of queues and of those that are paused, of which each is some hundred bytes
REFUSED = 1.0  # seconds before a worker asks again what Redis has refused


class LedgerMessage(virtual.Message):
    """A message whose body is in an encoding that there is; raises UnreadableError otherwise."""

    def __init__(self, payload: dict[str, Any], channel: Any = None, **options: Any) -> None:
        with message_shape.refuse_undecodable("its body cannot be decoded"):
            super().__init__(payload, channel, **options)


class LedgerChannel(redis.Channel):
    QoS = LedgerQoS
    Message = LedgerMessage

    _in_poll: Any
    _brpop_sent_at: Any
    _closing: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._questions: dict[tuple[tuple[str, ...], float], Any] = {}
        super().__init__(*args, **kwargs)
        self.priority_steps = (
            broker.levels_in_use()
        )  # to consume, count, empty and delete all lists of a queue

    def _get_message_priority(self, message: Any, reverse: bool = False) -> int:
        """Return the level of a job's message, which may be above a plain one's: it goes back to the list that it came from."""
        level = message["properties"].get("priority") if has_job_header(message.get("headers")) else None
        return level if level in LEVELS else int(super()._get_message_priority(message, reverse))

    def lists_of(self, message: Any) -> list[str]:
        """Return what a message that has come waited in."""
        delivery, level = message.delivery_info, self._get_message_priority(message._raw)  # noqa: SLF001
        queues = self._lookup(delivery["exchange"], delivery["routing_key"])
        return [self._q_for_pri(queue, level) for queue in queues]

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Ask for the next message: queues take turns, and of each the most urgent comes first.

        Kombu asks for the most urgent of all queues: a flood of those in one queue would keep another waiting. Paused ones are left
        out; with all of them paused nothing is asked for until the loop's next turn. Nor is it by a worker that stops: one that has
        just connected anew would begin a job that it does not wait for.
        """
        if worker_state.is_stopping:
            return
        turns = self._queue_cycle.consume(len(self.active_queues))
        if queues := tuple(queue for queue in turns if queue not in worker_state.paused_queues):
            self._in_poll, self._brpop_sent_at = self.client.connection, time.monotonic()
            self._in_poll.send_packed_command(
                self._question(queues, (self.brpop_timeout if timeout is None else timeout) or 0)
            )

    def _question(self, queues: tuple[str, ...], timeout: float) -> Any:
        """Return the packed BRPOP for the lists of queues in this order; there are few orders, and each is asked often."""
        if (queues, timeout) not in self._questions:
            lists = [self._q_for_pri(queue, level) for queue in queues for level in self.priority_steps]
            command = ["BRPOP", *lists, timeout]
            if self.global_keyprefix:
                command = self.client._prefix_args(command)  # noqa: SLF001  kombu's own client
            if len(self._questions) > MOST_QUESTIONS:
                self._questions.clear()
            self._questions[queues, timeout] = self.client.connection.pack_command(*command)
        return self._questions[queues, timeout]

    def _brpop_read(self, **options: Any) -> bool:
        """Deliver what BRPOP answered, as kombu does; but put aside what cannot be read, which would end the worker.

        The next message is asked for before a job is delivered, so that Redis answers meanwhile; and it is delivered in the same
        turn of the loop if it is there by then. Not before a plain one is delivered: of those, a killed worker loses one at most.
        """
        for left in reversed(range(MOST_IN_A_TURN)):
            self._deliver(*self._taken(options))
            # Who looks for an answer has to take it: it is read off the socket, for which the loop would wait.
            if not (left and self._in_poll and self.qos.can_consume() and self._is_answered()):
                break
        return True

    def _is_answered(self) -> bool:
        """Tell whether the answer to the question that is open is there."""
        try:
            return bool(self._in_poll.can_read(0))
        except self.connection_errors:
            self._in_poll = None  # a channel that closes reads its answer first, and would restore nothing
            raise

    def _taken(self, options: dict[str, Any]) -> tuple[bytes, str]:
        try:
            popped = self._popped(options)
            if not popped:
                raise Empty
            queue = bytes_to_str(popped[0]).rsplit(self.sep, 1)[0]
            self._queue_cycle.rotate(queue)
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        return popped[1], queue

    def _popped(self, options: dict[str, Any]) -> tuple[bytes, bytes] | None:
        connection = self.client.connection
        try:
            return self.client.parse_response(connection, "BRPOP", **options)
        except self.connection_errors as error:
            connection.disconnect()  # the next turn connects anew
            if isinstance(error, ResponseError):  # of a key that is no list: the next answer will be the same
                time.sleep(REFUSED)
            raise

    def _deliver(self, raw: bytes, queue: str) -> None:
        try:
            message = message_shape.read_envelope(raw, queue)
            if has_job_header(message["headers"]):
                self._ask_ahead()
            self.connection._deliver(message, queue)  # noqa: SLF001  kombu's own way
            self.qos.note_spare(message["properties"]["delivery_tag"])
        except UnreadableError as error:
            unreadable_store.put_aside(raw, str(error), queue)

    def _ask_ahead(self) -> None:
        """Ask for the message behind the one that is being delivered, if there is room for both."""
        room = self.qos.can_consume_max_estimate()
        if self._in_poll or self._closing or (room is not None and room <= 1):
            return
        try:
            self._brpop_start()
        except self.connection_errors:  # the loop's next turn meets it, with no message in hand
            self._in_poll = None

    def _deliver_fanout_message(self, message: Any, exchange: str) -> bool:
        """Deliver what was sent to all workers, as a remote control's command; one that cannot be read is nobody's."""
        try:
            message_shape.check_envelope(message)
            return bool(super()._deliver_fanout_message(message, exchange))
        except Exception as error:
            if is_of_broker(error):
                raise
            logger.error("a broadcast cannot be read: %s", error, extra={"action": "broadcast_unreadable"})  # noqa: TRY400
            return True

    def _do_restore_message(
        self, payload: Any, exchange: Any, routing_key: Any, pipe: Any, leftmost: bool = False
    ) -> None:
        """Send a message back as kombu does, which loses one that it cannot send: raise UnreadableError for that."""
        message_shape.check_envelope(payload)
        message_shape.check(
            {"exchange": message_shape.ANY_TEXT, "routing key": message_shape.NAME},
            {"exchange": exchange, "routing key": routing_key},
        )
        if not self._lookup(exchange, routing_key):
            raise UnreadableError(
                f"it has no queue to return to: exchange {exchange}, routing key {routing_key}"
            )
        super()._do_restore_message(payload, exchange, routing_key, pipe, leftmost)

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        """Return the parameters of a connection; of a channel that is closed, raise what its caller expects of a lost broker.

        Celery 5.7.0 closes the connection of a lost broker before it restores what was in hand, which asks for a client once
        more: an AttributeError there ends the worker.
        """
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("the connection to the broker is closed")
        return dict(super()._connparams(asynchronous))


class LedgerTransport(redis.Transport):
    Channel = LedgerChannel
