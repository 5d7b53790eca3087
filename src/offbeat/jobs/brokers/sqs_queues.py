"""The queues of SQS: what each is called there, where it is, and that it exists."""

from __future__ import annotations

import contextlib
import hashlib
import re
from functools import lru_cache
from typing import Any

from celery import current_app

from offbeat.jobs.brokers import sqs_client

LONGEST_NAME = 80  # characters, all of A-Z a-z 0-9 - _
# SQS has no priorities. A queue of its own for each of our seven levels would cost seven requests a poll: three are enough to let
# what is urgent pass, and what can wait wait.
SUFFIXES = {-1: "__high", 0: "", 1: "__low"}
LEVELS = tuple(SUFFIXES)  # the most urgent first
OURS = "__high", "__low", "__unreadable"  # ends of names that no queue has
KEPT = 14 * 24 * 3600  # seconds, the longest there is: a weekend's outage must not lose a plain message
VISIBILITY = 60  # seconds, where the settings say nothing
PLAIN = re.compile(r"[A-Za-z0-9_-]+")


def level_of(level: int) -> int:
    """Return the level here of one of ours: before 0, 0, or after it."""
    return (level > 0) - (level < 0)


def name_of(queue: str, level: int = 0) -> str:
    """Return what SQS calls a queue's level.

    A name with other characters than SQS has, or a longer one, gets a hash of itself: no two queues share one there.
    """
    room = LONGEST_NAME - len(prefix()) - max(map(len, SUFFIXES.values()))
    is_plain = PLAIN.fullmatch(queue) and len(queue) <= room and not queue.endswith(OURS)
    return f"{prefix()}{queue if is_plain else _hashed(queue, room)}{SUFFIXES[level_of(level)]}"


def _hashed(queue: str, room: int) -> str:
    mark = hashlib.sha256(queue.encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9_-]', '-', queue)[: room - 9]}-{mark}"


@lru_cache(maxsize=1)
def prefix() -> str:
    """Return what the names of this deployment's queues begin with, "" for nothing; a process reads its settings once."""
    return str(_options().get("queue_name_prefix", ""))


@lru_cache(maxsize=1)
def visibility_timeout() -> int:
    """Return for how many seconds a message that was received is hidden from others."""
    return int(_options().get("visibility_timeout") or VISIBILITY)


def default_queue() -> str:
    return str(current_app.conf.task_default_queue)


def _options() -> dict[str, Any]:
    return current_app.conf.broker_transport_options or {}


# Where they are


_urls: dict[str, str] = {}


def forget(name: str) -> None:
    _urls.pop(name, None)


def find(client: Any, name: str, *, is_fresh: bool = False, create: bool = True) -> str:
    """Return a queue's URL; one that is missing is made. Raises SqsError: one that may not be made is denied."""
    with sqs_client.translated():
        url = "" if is_fresh else _urls.get(name, "")
        if not url and (url := _ask(client, name) or (_create(client, name) if create else "")):
            _urls[name] = url
        return url


def _ask(client: Any, name: str) -> str:
    try:
        return str(client.get_queue_url(QueueName=name)["QueueUrl"])
    except client.exceptions.QueueDoesNotExist:
        return ""


def _create(client: Any, name: str) -> str:
    attributes = {
        "MessageRetentionPeriod": str(KEPT),
        "ReceiveMessageWaitTimeSeconds": str(sqs_client.LONGEST_WAIT),
    }
    return str(client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])


def call(client: Any, operation: str, name: str, **options: Any) -> dict[str, Any]:
    """Call an operation on a queue; one that was deleted since is made anew. Raises SqsError."""
    with sqs_client.translated():
        try:
            return dict(getattr(client, operation)(QueueUrl=find(client, name), **options))
        except client.exceptions.QueueDoesNotExist:
            forget(name)
        return dict(getattr(client, operation)(QueueUrl=find(client, name), **options))


def count(name: str, *attributes: str) -> int:
    """Return the sum of SQS' approximate numbers of a queue, 0 where there is none. Raises SqsError."""
    return sum(numbers(name, *attributes))


def numbers(name: str, *attributes: str) -> list[int]:
    """Return SQS' approximate numbers of a queue, 0 each where there is none. Raises SqsError."""
    client = sqs_client.client()
    with sqs_client.translated():
        if url := find(client, name, create=False):
            with contextlib.suppress(client.exceptions.QueueDoesNotExist):
                answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=list(attributes))
                return [int(answer["Attributes"][each]) for each in attributes]
    forget(name)
    return [0] * len(attributes)
