"""What a worker has in hand of Redis: counted against its limit, acknowledged, and returned to its queue."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis, virtual
from kombu.utils.json import dumps

from offbeat.jobs import broker, unreadable_store
from offbeat.jobs.message import JOB_HEADER
from offbeat.jobs.worker.spares import spares

# Without KeyError, which kombu counts among them: a header that is missing is no reason to connect anew.
OF_BROKER = tuple({each for errors in redis.get_redis_error_classes() for each in errors} - {KeyError})


def is_of_broker(error: Exception) -> bool:
    """Tell the errors for which a worker connects anew from those that a message is to blame for."""
    return isinstance(error, OF_BROKER + broker.errors())


class LedgerQoS(redis.QoS):
    """Counts a job's message against the prefetch limit as any other, but keeps it in memory only.

    What is in hand when the channel closes goes back to its queue; a worker that dies first leaves that to the ledger.
    """

    def can_consume(self) -> bool:
        """Tell whether a message may be taken. One that was asked for has to be: nobody else gets it."""
        return bool(self.channel._in_poll) or self.can_consume_max_estimate() != 0  # noqa: SLF001

    def can_consume_max_estimate(self) -> int | None:
        """Return how many messages may be taken, with those that may wait for a child; None for any number."""
        return max(0, spares.count() - self.excess()) if self.prefetch_count else None

    def excess(self) -> int:
        """Return how many messages are in hand beyond one for each child; below zero for children that are free."""
        return len(self._delivered) - len(self._dirty) - self.prefetch_count

    def note_spare(self, delivery_tag: str) -> None:
        """Note a message that has come, if it may have to wait for a child."""
        if self.prefetch_count and self.excess() > 0:
            spares.note(delivery_tag)

    def give_back(self, delivery_tag: str) -> None:
        """Return a message to the head of its queue as it came; kombu would mark it as delivered before, which counts."""
        message = self._delivered[delivery_tag]
        with self.channel.conn_or_acquire() as client, client.pipeline() as pipe:
            for name in self.channel.lists_of(message):
                pipe.rpush(name, dumps(message._raw))  # noqa: SLF001
            if not _is_job(message):
                self._remove_from_indices(delivery_tag, pipe)
            pipe.execute()
        virtual.QoS.ack(self, delivery_tag)

    def append(self, message: Any, delivery_tag: str) -> None:
        if _is_job(message):
            virtual.QoS.append(self, message, delivery_tag)
        else:
            super().append(message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        if self._job(delivery_tag):
            virtual.QoS.ack(self, delivery_tag)
        else:
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if not self._job(delivery_tag):
            super().reject(delivery_tag, requeue)
            return
        if requeue:
            self.restore_by_tag(delivery_tag, leftmost=True)
        virtual.QoS.ack(self, delivery_tag)

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:
        message = self._job(tag)
        if not message:
            self._restore_recorded(tag, client, leftmost)
            return
        delivery = message.delivery_info
        with self.channel.conn_or_acquire(client) as connected:
            self.channel._do_restore_message(  # noqa: SLF001  kombu's own way back
                message._raw,  # noqa: SLF001
                delivery["exchange"],
                delivery["routing_key"],
                connected,
                leftmost,
            )

    def _restore_recorded(self, tag: str, client: Any, leftmost: bool) -> None:
        """Send back a message that Redis has on record; a record that cannot be read must not keep those behind it there."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except Exception as error:
            if is_of_broker(error):
                raise
            with self.channel.conn_or_acquire(client) as connected:
                raw = connected.hget(self.unacked_key, tag) or b""
                reason = f"kombu's record of an unacknowledged message ({self.unacked_key}): {error}"
                unreadable_store.put_aside(raw, reason, queue="")
                self._remove_from_indices(tag).execute()

    def _job(self, delivery_tag: str) -> Any:
        message = self._delivered.get(delivery_tag)
        return message if message is not None and _is_job(message) else None


def recorded(qos: redis.QoS) -> list[str]:
    """Return the delivery tags of what is in hand and recorded in Redis."""
    in_hand = list(qos._delivered.items())  # noqa: SLF001  kombu has no other way
    return [tag for tag, message in in_hand if tag not in qos._dirty and not _is_job(message)]  # noqa: SLF001


def _is_job(message: Any) -> bool:
    return has_job_header(message.headers)


def has_job_header(headers: Any) -> bool:
    return isinstance(headers, dict) and bool(headers.get(JOB_HEADER))
