"""Kombu's Redis transport, sparing Redis a second record of the jobs in a worker's hands: the ledger has one already.

Redis has no acknowledgements, so kombu writes each message that it takes to `unacked`, before the task may begin, and removes it
afterwards: two round trips of the worker's main process, which is what bounds its throughput. A plain task needs them. A job that
dies with its worker is found in the ledger, which knows more: whether it has begun, and where.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis, virtual
from redis.exceptions import ConnectionError as RedisConnectionError

from jobs.message import JOB_HEADER


class LedgerQoS(redis.QoS):
    """Counts a job's message against the prefetch limit as any other, but keeps it in memory only.

    What is in hand when the channel closes goes back to its queue; a worker that dies first leaves that to the ledger.
    """

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
            super().restore_by_tag(tag, client, leftmost)
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

    def _job(self, delivery_tag: str) -> Any:
        message = self._delivered.get(delivery_tag)
        return message if message is not None and _is_job(message) else None


class LedgerChannel(redis.Channel):
    QoS = LedgerQoS

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


def recorded(qos: redis.QoS) -> list[str]:
    """Return the delivery tags of what is in hand and recorded in Redis."""
    in_hand = list(qos._delivered.items())  # noqa: SLF001  kombu has no other way
    return [tag for tag, message in in_hand if tag not in qos._dirty and not _is_job(message)]  # noqa: SLF001


def _is_job(message: Any) -> bool:
    return bool(message.headers and message.headers.get(JOB_HEADER))
