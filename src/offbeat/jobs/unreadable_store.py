"""Messages that no worker can take: put aside in the broker with the reason, until a person drops them or sends them back.

Garbage, headers of the wrong types, a plain message of a task that the code does not have. Left in its queue such a message would
end each worker that takes it. A job's message that is put aside costs nothing: the ledger publishes the job again.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from offbeat.jobs import broker
from offbeat.jobs.brokers import chosen
from offbeat.jobs.conf import conf
from offbeat.jobs.identity import uuid7
from offbeat.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

# Characters of a message that nobody can read; one that can be run once its code is there is kept whole.
LONGEST = 64 * 1024
SHOWN = 2000  # characters in the log, of a message that the broker does not keep


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
    """Keep a message that was taken from its queue, and count it. The broker down or full: the log has it. Never raises."""
    text, is_whole = _text(raw, longest)
    one = Unreadable(
        str(uuid7()), queue, _shown(redact(reason), 500), datetime.now(UTC).isoformat(), text, is_whole
    )
    told = {"queue": queue, "entry": one.id}
    try:
        _keep(one)
    except broker.errors() as error:
        logger.critical(
            "a message of queue %s cannot be read (%s). It is not kept, because %s reports %s: %s",
            queue,
            one.reason,
            broker.name(),
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
    chosen().keep(json.dumps(asdict(one)), one.queue, conf().unreadable_kept)


def _text(raw: bytes | str, longest: int | None) -> tuple[str, bool]:
    """Return a message as text that can be stored, and whether it is all of it."""
    try:
        text, is_whole = raw if isinstance(raw, str) else raw.decode(), True
    except UnicodeDecodeError:
        text, is_whole = cast("bytes", raw).decode("utf-8", "backslashreplace"), False
    cut = text[:longest]
    return cut, is_whole and len(cut) == len(text)


def _shown(text: str, longest: int) -> str:
    return text.encode("utf-8", "backslashreplace").decode()[:longest]


# What a person asks and decides; each raises the broker's errors while it is away.


def kept(limit: int = -1) -> list[Unreadable]:
    """Return what was put aside, the newest first; all of it without a limit."""
    return [one for _, one in _kept(limit)]


def _kept(limit: int = -1) -> Iterator[tuple[str, Unreadable]]:
    for value in chosen().kept(limit):
        try:
            yield value.decode(), Unreadable(**json.loads(value))
        except (ValueError, TypeError):
            continue  # nothing of ours


def how_many() -> int:
    return int(chosen().count_kept())


def counts() -> dict[str, int]:
    """Return by queue how many have ever been put aside; from nothing again where Redis lost its data. Others do not count."""
    found: dict[str, int] = chosen().counts()
    return found


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
    """Remove a message, and send it back; two people at once send it once."""
    taken = next(((value, one) for value, one in _kept() if one.id == entry), None)
    if taken is None:
        return False
    value, one = taken
    return bool(chosen().take(value, one.queue, one.raw) if back else chosen().take(value))
