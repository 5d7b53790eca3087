"""RabbitMQ as the broker: persistent messages with publisher confirms, in quorum queues, or classic ones where that is set.

RabbitMQ shows nobody what waits in a queue. So which messages are lost is concluded from what came out of it: messages of a queue
come in order, so what was published before the last one that this worker got has been taken by somebody, or is gone. While nothing
comes out of a queue that holds messages, nothing is concluded: a long backlog is never published twice. Of an empty queue all are
gone.
"""

from __future__ import annotations

import base64
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import amqp
from amqp import exceptions

from offbeat.jobs.brokers.amqp_link import URGENT, AmqpLink, links, named
from offbeat.jobs.conf import conf

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAME = "RabbitMQ"
ERRORS = (exceptions.AMQPError, OSError)
REFUSED = (exceptions.PreconditionFailed,)  # the queue exists with other arguments
REFUSAL = (
    "queue {} exists in RabbitMQ with other arguments, such as another type, or does not answer. "
    "Hint: let it run empty and delete it, or set BROKER_QUEUE_TYPE; delete one that has no leader, and it is made anew"
)
UNREADABLE = "unreadable"  # the queue of dead letters, and an exchange that brings them there
NOWHERE = "nowhere"  # a queue that nobody declares: what is sent to it is confirmed and dropped

SLOW_FOR = 5.0  # seconds for which no message to a queue is confirmed, until it is taken for one that gives no answer
SILENT_FOR = 30.0  # seconds until such a queue is tried again
timed_out: dict[str, float] = {}  # by queue: since when none is confirmed, monotonic seconds
silent: dict[str, float] = {}  # by queue that gives no answer: until when it is not tried

popped: dict[
    tuple[str, int], float
] = {}  # by queue and level: when the last job's message that came was published


def list_name(queue: str, _: int) -> str:
    return queue  # a message says its priority itself


def number_of(level: int) -> int:
    """Return RabbitMQ's priority, higher first, of a level of ours: 4 for the default, above it for the urgent ones."""
    return (URGENT - max(-URGENT, min(URGENT, level))) // 2


def level_of_number(number: Any) -> int:
    """Return the nearest level of ours."""
    value = number if isinstance(number, int) else number_of(0)
    return next((level for level in (-9, -6, -3, 0, 3, 6) if number_of(level) <= value), 9)


def ping() -> bool:
    """Have a message confirmed that goes nowhere: during an alarm RabbitMQ answers everything but what is published."""
    links.call(lambda link: link.send(NOWHERE, [amqp.Message("")], mandatory=False))
    return True


def push(queue: str, batch: Sequence[str], *, in_front: bool) -> bool:
    """Publish messages; tell whether the queue accepts them: not one that exists with other arguments, or is silent."""
    if time.monotonic() < silent.get(queue, 0.0):
        return False
    messages = [message_of(each) for each in batch]
    try:
        links.call(lambda link: link.publish(queue, messages))
    except REFUSED:
        return False
    except TimeoutError:
        if not _is_silent(queue):
            raise
        return False
    timed_out.pop(queue, None)
    return True


def _is_silent(queue: str) -> bool:
    """Tell whether a queue alone gives no answer, for a while now, and RabbitMQ does: then others must not wait for it.

    Until then the breaker decides, as it does when the server is down, or slow for a moment.
    """
    now = time.monotonic()
    if now - timed_out.setdefault(queue, now) < SLOW_FOR:
        return False
    ping()
    silent[queue] = now + SILENT_FOR
    return True


def message_of(raw: str) -> amqp.Message:
    """Return a message as RabbitMQ carries it, of the JSON that our envelope is."""
    found = json.loads(raw)
    properties = found["properties"]
    body = found["body"] or ""
    return amqp.Message(
        base64.b64decode(body) if properties.get("body_encoding") == "base64" else body,
        content_type=found.get("content-type") or "application/json",
        content_encoding=found.get("content-encoding") or "utf-8",
        application_headers={name: value for name, value in found["headers"].items() if name[:2] != "x-"},
        delivery_mode=2,
        priority=number_of(properties.get("priority") or 0),
        **{name: properties[name] for name in ("correlation_id", "reply_to") if properties.get(name)},
    )


def waiting(queue: str) -> int:
    """Return how many messages wait in a queue, none where there is none; those in a worker's hands are not among them."""
    try:
        return int(
            links.call(lambda link: link.channel.queue_declare(named(queue), passive=True)).message_count
        )
    except exceptions.NotFound:
        return 0


def oldest_published_at(queue: str, level: int = 0) -> float | None:
    return popped.get((queue, level), 0.0) if waiting(queue) else None


def exchange_token(name: str, token: str) -> str:
    """Store a token in a queue of its own, return the one before it, "" for none.

    1. take what is there, without an acknowledgement; 2. publish the new one; 3. acknowledge.
    Death in between: what was there is there again; the newest counts.
    """

    def act(link: AmqpLink) -> str:
        link.channel.queue_declare(named(name), durable=True, auto_delete=False)
        before = list(_taken(link.channel, name))
        link.send(name, [amqp.Message(token, delivery_mode=2)])
        for each in before:
            link.channel.basic_ack(each.delivery_tag)
        return _text(before[-1].body) if before else ""

    return str(links.call(act))


def count_delivery(_: str, message: Any) -> int:
    """Return how often a message was delivered before, as a quorum queue counts; a classic queue does not count."""
    count = message.headers.get("x-delivery-count")
    return count if isinstance(count, int) else 0


# What was put aside (offbeat.jobs.unreadable_store): entries are JSON, the oldest first. A classic queue: looking counts nothing.


def _declare_unreadable(channel: Any) -> None:
    channel.exchange_declare(named(UNREADABLE), "fanout", durable=True, auto_delete=False)
    channel.queue_declare(
        named(UNREADABLE), durable=True, auto_delete=False, arguments={"x-max-length": conf().unreadable_kept}
    )
    channel.queue_bind(named(UNREADABLE), named(UNREADABLE))


def keep(entry: str, _: str, __: int) -> None:
    def act(link: AmqpLink) -> None:
        _declare_unreadable(link.channel)
        link.send(UNREADABLE, [amqp.Message(entry, delivery_mode=2)])

    links.call(act)


def kept(limit: int = -1) -> list[bytes]:
    with _unreadable() as (_, found):
        newest = [_text(each.body).encode() for each in reversed(found)]
    return newest if limit < 0 else newest[:limit]


def count_kept() -> int:
    return waiting(UNREADABLE)


def take(entry: str, queue: str = "", raw: str = "") -> bool:
    """Send a message back to its queue, then remove its entry, which nobody else sees meanwhile. Death between: it comes twice."""
    with _unreadable() as (link, found):
        one = next((each for each in found if _text(each.body) == entry), None)
        if one is None:
            return False
        if queue:
            link.publish(queue, [message_of(raw)])
        link.channel.basic_ack(one.delivery_tag)
        link.connection.close()
    return True


@contextlib.contextmanager
def _unreadable() -> Iterator[tuple[AmqpLink, list[Any]]]:
    """Give all entries, held on a connection of its own; what is not acknowledged is there again, in its place, afterwards."""
    link = AmqpLink()
    try:
        _declare_unreadable(link.channel)
        yield link, list(_taken(link.channel, UNREADABLE))
    finally:
        with contextlib.suppress(*ERRORS, AttributeError):
            link.connection.close()


def _taken(channel: Any, queue: str) -> Iterator[Any]:
    while (one := channel.basic_get(named(queue))) is not None:
        yield one


def envelope_of(message: Any) -> dict[str, Any]:
    """Return our envelope of a message, whatever is in it."""
    properties = message.properties
    body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
    headers = properties.get("application_headers") or getattr(message, "headers", None) or {}
    return {
        "body": base64.b64encode(body).decode(),
        "content-type": properties.get("content_type"),
        "content-encoding": properties.get("content_encoding"),
        "headers": headers,
        "properties": {
            "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": message.delivery_info.get("routing_key")},
            "delivery_tag": str(message.delivery_info.get("delivery_tag")),
            "priority": level_of_number(properties.get("priority")),
            "correlation_id": properties.get("correlation_id"),
            "reply_to": properties.get("reply_to"),
        },
    }


def _text(body: bytes | str) -> str:
    return body if isinstance(body, str) else body.decode(errors="backslashreplace")
