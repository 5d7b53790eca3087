"""Messages that no worker can take: put aside in Redis with the reason, until a person drops them or sends them back.

Garbage, headers of the wrong types, a plain message of a task that the code does not have. Left in its queue such a message would
end each worker that takes it. A job's message that is put aside costs nothing: the ledger publishes the job again.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import redis

from offbeat.jobs import broker
from offbeat.jobs.conf import conf
from offbeat.jobs.identity import uuid7
from offbeat.jobs.message import priority_in
from offbeat.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.client import Pipeline

logger = logging.getLogger(__name__)

KEPT = "jobs:unreadable"  # a list, the newest first
COUNTS = "jobs:unreadable:counts"  # by queue, of all times
# Characters of a message that nobody can read; one that can be run once its code is there is kept whole.
LONGEST = 64 * 1024
SHOWN = 2000  # characters in the log, of a message that Redis does not keep


class UnreadableError(Exception):
    """A message that no worker can take; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that was put aside; `is_whole` is false where it was cut, or is no text."""

    id: str
    queue: str
    reason: str
    at: str  # ISO 8601, by the worker's clock
    raw: str
    is_whole: bool = True

    @property
    def can_go_back(self) -> bool:
        return self.is_whole and bool(self.queue)


def put_aside(raw: bytes | str, reason: str, queue: str, longest: int | None = LONGEST) -> None:
    """Keep a message that was taken from its queue, and count it. Redis away or full: the log has what is lost. Never raises."""
    text, is_whole = _text(raw, longest)
    one = Unreadable(
        str(uuid7()), queue, _shown(redact(reason), 500), datetime.now(UTC).isoformat(), text, is_whole
    )
    told = {"queue": queue, "entry": one.id}
    try:
        _keep(one)
    except redis.RedisError as error:
        logger.critical(
            "a message of queue %s cannot be read (%s). It is not kept, because Redis reports %s: %s",
            queue,
            one.reason,
            error,
            _shown(text, SHOWN),
            extra={"action": "message_not_kept", **told},
        )
    else:
        logger.error(
            "a message of queue %s is put aside: %s",
            queue,
            one.reason,
            extra={"action": "message_put_aside", **told},
        )


def _keep(one: Unreadable) -> None:
    with broker.client().pipeline() as pipe:
        pipe.lpush(broker.key(KEPT), json.dumps(asdict(one)))
        pipe.ltrim(broker.key(KEPT), 0, max(0, conf().unreadable_kept - 1))
        pipe.hincrby(broker.key(COUNTS), one.queue, 1)
        pipe.execute()


def _text(raw: bytes | str, longest: int | None) -> tuple[str, bool]:
    """Return a message as text that can be stored, and whether it is all of it."""
    try:
        text, is_whole = raw if isinstance(raw, str) else raw.decode(), True
    except UnicodeDecodeError:
        text, is_whole = cast("bytes", raw).decode("utf-8", "backslashreplace"), False
    cut = text[:longest]
    return cut, is_whole and len(cut) == len(text)


def _list_of(one: Unreadable) -> str:
    return broker.list_name(one.queue, broker.level_for(priority_in(one.raw)))


def _shown(text: str, longest: int) -> str:
    return text.encode("utf-8", "backslashreplace").decode()[:longest]


# What a person asks and decides; each raises redis.RedisError while Redis is away.


def kept(limit: int = -1) -> list[Unreadable]:
    """Return what was put aside, the newest first; all of it without a limit."""
    return [one for _, one in _kept(limit)]


def _kept(limit: int = -1) -> Iterator[tuple[str, Unreadable]]:
    stored = cast(
        "list[bytes]", broker.client().lrange(broker.key(KEPT), 0, limit if limit < 0 else limit - 1)
    )
    for value in stored:
        try:
            yield value.decode(), Unreadable(**json.loads(value))
        except (ValueError, TypeError):
            continue  # nothing of ours


def how_many() -> int:
    return broker.client().llen(broker.key(KEPT))


def counts() -> dict[str, int]:
    """Return by queue how many have ever been put aside; from nothing again where Redis lost its data."""
    found = cast("dict[bytes, bytes]", broker.client().hgetall(broker.key(COUNTS)))
    return {queue.decode(): int(count) for queue, count in found.items()}


def find(entry: str) -> Unreadable | None:
    return next((one for one in kept() if one.id == entry), None)


def drop(entry: str) -> bool:
    """Forget a message; False where it is not there (any more)."""
    return _take(entry)


def requeue(entry: str) -> bool:
    """Send a message back to the end of its queue; False where it is not there (any more), or was not kept whole."""
    one = find(entry)
    return bool(one and one.can_go_back) and _take(entry, back=True)


def _take(entry: str, *, back: bool = False) -> bool:
    """Remove a message, and send it back in the same transaction: two people at once send it once."""
    taken = next(((value, one) for value, one in _kept() if one.id == entry), None)
    if taken is None:
        return False
    value, one = taken

    def act(pipe: Pipeline) -> None:
        is_there = pipe.lpos(broker.key(KEPT), value) is not None
        pipe.multi()
        if is_there:  # else somebody else was faster
            pipe.lrem(broker.key(KEPT), 1, value)
            if back:
                pipe.lpush(broker.key(_list_of(one)), one.raw)

    return bool(broker.client().transaction(act, broker.key(KEPT)))
