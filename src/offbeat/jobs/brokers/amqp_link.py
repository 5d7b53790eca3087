"""Connections to RabbitMQ on which messages are confirmed, and the names and arguments of its queues."""

from __future__ import annotations

import os
import threading
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import amqp
from amqp import exceptions
from celery import current_app

from offbeat.jobs.conf import conf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

IDLE = 2  # connections that a process keeps
URGENT = 9  # the level of RabbitMQ's own number 0


def named(name: str) -> str:
    """Return the name under which a queue or an exchange is known to RabbitMQ: with the prefix of this deployment."""
    return name if not name or name.startswith(("amq.", prefix())) else f"{prefix()}{name}"


def own_name(name: str) -> str:
    return name.removeprefix(prefix())


@lru_cache(maxsize=1)
def prefix() -> str:
    return str((current_app.conf.broker_transport_options or {}).get("global_keyprefix", ""))


@lru_cache(maxsize=1)
def is_quorum() -> bool:
    return (current_app.conf.broker_transport_options or {}).get("queue_type", "quorum") == "quorum"


def arguments() -> dict[str, Any]:
    """Return the arguments of a queue of tasks."""
    return {"x-queue-type": "quorum"} if is_quorum() else {"x-max-priority": URGENT}


class BoundedAnswers:
    """Of a connection and its channels: no answer is waited for longer than the connection's `patience`, in seconds.

    py-amqp bounds the time to the next frame at most, and heartbeats are frames: a server that sends these and has no answer, as
    of a queue without a leader, would be waited for without an end.
    """

    patience = 5.0
    deadline: float | None = None  # of the connection, monotonic seconds
    connection: Any

    def wait(self, *args: Any, **options: Any) -> Any:
        at = self.connection
        if at is None or at.deadline is not None:
            return super().wait(*args, **options)  # type: ignore[misc]
        at.deadline = time.monotonic() + at.patience
        try:
            return super().wait(*args, **options)  # type: ignore[misc]
        finally:
            at.deadline = None

    def blocking_read(self, timeout: float | None = None) -> Any:
        if self.deadline is not None:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("RabbitMQ gave no answer")
            timeout = left if timeout is None else min(left, timeout)
        return super().blocking_read(timeout)  # type: ignore[misc]


class LinkChannel(BoundedAnswers, amqp.Channel):
    pass


class LinkConnection(BoundedAnswers, amqp.Connection):
    Channel = LinkChannel


class AmqpLink:
    """A connection with a channel on which messages are confirmed; of one thread at a time."""

    def __init__(self, patience: float | None = None) -> None:
        with current_app.connection_for_write() as at:
            self.connection = LinkConnection(
                host=f"{at.hostname}:{at.port or (5671 if at.ssl else 5672)}",
                userid=at.userid or "guest",
                password=at.password or "guest",
                login_method="PLAIN",
                virtual_host=at.virtual_host or "/",
                ssl=at.ssl or False,
                connect_timeout=conf().publish_timeout,
                write_timeout=conf().publish_timeout,
            )
        self.connection.patience = patience or conf().publish_timeout
        self.connection.connect()
        self.channel = self.connection.channel()
        self.channel.confirm_select()
        self.channel.events["basic_ack"].add(self._note_ack)
        self.channel.events["basic_nack"].add(self._note_nack)
        self.channel.events["basic_return"].add(self._note_return)
        self.declared: set[str] = set()
        self.sent, self.open_tags, self.returned, self.nacked = 0, set[int](), list[Any](), 0

    def _note_ack(self, tag: int, multiple: bool) -> None:
        self.open_tags -= {each for each in self.open_tags if each <= tag} if multiple else {tag}

    def _note_nack(self, tag: int, multiple: bool) -> None:
        self.nacked += 1
        self._note_ack(tag, multiple)

    def _note_return(self, _: Any, __: str, ___: str, message: Any) -> None:
        self.returned.append(message)

    def declare(self, queue: str) -> None:
        if queue in self.declared:
            return
        self.channel.queue_declare(named(queue), durable=True, auto_delete=False, arguments=arguments())
        self.declared.add(queue)

    def send(self, queue: str, messages: Sequence[Any], *, mandatory: bool = True) -> None:
        """Send, and return when each is confirmed. No answer for `publish_timeout`, as during an alarm: TimeoutError.

        `relay_batch` of them are unconfirmed at most: what is faster than RabbitMQ's disk it reads no more of, which looks as if it
        were down.
        """
        self.returned, self.nacked = [], 0
        for message in messages:
            self._await_confirmations(conf().relay_batch - 1)
            self.sent += 1
            self.open_tags.add(self.sent)
            self.channel.basic_publish(
                message, routing_key=named(queue), mandatory=mandatory, timeout=conf().publish_timeout
            )
        self._await_confirmations(0)
        if self.nacked:
            raise exceptions.PreconditionFailed(f"RabbitMQ refused {self.nacked} messages of queue {queue}")

    def _await_confirmations(self, most: int) -> None:
        """Return when so many messages at most are not confirmed."""
        while len(self.open_tags) > most:
            self.connection.drain_events(timeout=conf().publish_timeout)

    def publish(self, queue: str, messages: Sequence[Any]) -> None:
        """Send to a queue that is there: one that was deleted meanwhile is declared anew, and what came back is sent again."""
        self.declare(queue)
        self.send(queue, messages)
        if self.returned:
            self.declared.discard(queue)
            self.declare(queue)
            self.send(queue, [amqp.Message(each.body, **each.properties) for each in self.returned])


class AmqpLinks:
    """The links of this process; those of its parent are not touched."""

    def __init__(self) -> None:
        self.lock, self.pid, self.idle = threading.Lock(), os.getpid(), list[AmqpLink]()

    def call(self, act: Callable[[AmqpLink], Any]) -> Any:
        """Call `act` with a link; one that was kept and turns out to be dead is replaced by a new one, once. Raises ERRORS."""
        if self.pid != os.getpid():
            self.__init__()  # type: ignore[misc]
        with self.lock:
            kept = self.idle.pop() if self.idle else None
        if kept is not None:
            try:
                return self._use(kept, act)
            except TimeoutError:
                raise
            except (exceptions.ConnectionError, OSError):
                pass
        return self._use(AmqpLink(), act)

    def _use(self, link: AmqpLink, act: Callable[[AmqpLink], Any]) -> Any:
        try:
            found = act(link)
        except AttributeError as error:  # py-amqp's way to tell of a connection that was lost meanwhile
            link.connection.collect()
            raise exceptions.RecoverableConnectionError(str(error)) from error
        except BaseException:
            link.connection.collect()  # without a farewell: nobody waits for a server that does not answer
            raise
        with self.lock:
            if len(self.idle) < IDLE:
                self.idle.append(link)
                return found
        link.connection.collect()
        return found

    def close(self) -> None:
        """Forget the links that are kept, and what they have declared."""
        with self.lock:
            while self.idle:
                self.idle.pop().connection.collect()


links = AmqpLinks()
