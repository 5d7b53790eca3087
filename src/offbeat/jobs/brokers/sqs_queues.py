"""The queues of SQS: what each is called there, where it is, and that it exists."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Any

from celery import current_app

from offbeat.jobs.brokers import sqs_client

LONGEST_NAME = 80  # characters, all of A-Z a-z 0-9 - _
# SQS has no priorities. A queue of its own for each of our seven levels would cost seven requests a poll: three are enough to let
# what is urgent pass, and what can wait wait.
SUFFIXES = {"": 0, "__high": -1, "__low": 1}
LEVELS = tuple(sorted(SUFFIXES.values()))
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
    suffix = next(text for text, number in SUFFIXES.items() if number == level_of(level))
    prefix = own_prefix()
    room = LONGEST_NAME - len(prefix) - max(map(len, SUFFIXES))
    is_plain = PLAIN.fullmatch(queue) and len(queue) <= room and not queue.endswith(("__high", "__low"))
    return f"{prefix}{queue if is_plain else _hashed(queue, room)}{suffix}"


def _hashed(queue: str, room: int) -> str:
    mark = hashlib.sha256(queue.encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9_-]', '-', queue)[: room - 9]}-{mark}"


@lru_cache(maxsize=1)
def own_prefix() -> str:
    """Return what the names of this deployment's queues begin with, "" for nothing; a process reads its settings once."""
    options = current_app.conf.broker_transport_options or {}
    return str(options.get("queue_name_prefix", ""))


@lru_cache(maxsize=1)
def visibility_timeout() -> int:
    """Return for how many seconds a message that was received is hidden from others."""
    options = current_app.conf.broker_transport_options or {}
    return int(options.get("visibility_timeout") or VISIBILITY)


class QueueUrls:
    """Where the queues are, as SQS has said; one that is missing is made."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def find(self, client: Any, name: str, *, create: bool = True) -> str:
        """Return a queue's URL. Raises botocore's errors: one that is missing, and may not be made, is denied."""
        if name not in self._known:
            self._known[name] = self._ask(client, name, create)
        return self._known[name]

    def forget(self, name: str) -> None:
        self._known.pop(name, None)

    def _ask(self, client: Any, name: str, create: bool) -> str:
        try:
            return str(client.get_queue_url(QueueName=name)["QueueUrl"])
        except sqs_client.errors() as error:
            if not (create and sqs_client.is_missing_queue(error)):
                raise
        attributes = {
            "MessageRetentionPeriod": str(KEPT),
            "ReceiveMessageWaitTimeSeconds": str(sqs_client.LONGEST_WAIT),
        }
        return str(client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])


urls = QueueUrls()


def call(client: Any, operation: str, name: str, **options: Any) -> dict[str, Any]:
    """Call an operation on a queue; one that was deleted since is made anew, once. Raises botocore's errors."""
    try:
        return dict(getattr(client, operation)(QueueUrl=urls.find(client, name), **options))
    except sqs_client.errors() as error:
        urls.forget(name)
        if not sqs_client.is_missing_queue(error):
            raise
    return dict(getattr(client, operation)(QueueUrl=urls.find(client, name), **options))
