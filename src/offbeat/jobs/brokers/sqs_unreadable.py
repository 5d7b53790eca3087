"""What was put aside (`offbeat.jobs.unreadable_store`), in a queue of its own at SQS: for 14 days, then it is gone.

To see it is to receive it: it is hidden from others for the moment that takes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from offbeat.jobs.brokers import sqs_client, sqs_queues
from offbeat.jobs.message import priority_in

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "messages__unreadable"  # no queue is called so: see `sqs_queues.name_of`
HIDDEN_FOR = 10  # seconds, should whoever looks die before it shows them again
AT_ONCE = 10
NUMBERS = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"


def name() -> str:
    return f"{sqs_queues.prefix()}{NAME}"


def keep(entry: str, queue: str, most: int) -> None:
    """Keep an entry. Raises SqsError."""
    sqs_queues.call(sqs_client.client(), "send_message", name(), MessageBody=entry)


def kept(limit: int = -1) -> list[bytes]:
    """Return the entries, the newest first. Raises SqsError."""
    found = []
    for message in _received():
        found.append(message["Body"].encode())
        if len(found) == limit:
            break
    return sorted(found, key=_id_of, reverse=True)


def _id_of(entry: bytes) -> str:
    try:
        return str(json.loads(entry)["id"])  # begins with its time
    except (ValueError, KeyError, TypeError):
        return ""


def count_kept() -> int:
    return sqs_queues.count(name(), *NUMBERS)


def take(entry: str, queue: str = "", raw: str = "") -> bool:
    """Remove an entry, and send its message back to its queue; tell whether it was there.

    Death between sending and removing: it is sent twice when somebody decides again.
    """
    for message in _received():
        if message["Body"] == entry:
            if queue:
                target = sqs_queues.name_of(queue, priority_in(raw))
                sqs_queues.call(sqs_client.client(), "send_message", target, MessageBody=raw)
            handle = message.pop("ReceiptHandle")
            sqs_queues.call(sqs_client.client(), "delete_message", name(), ReceiptHandle=handle)
            return True
    return False


def _received() -> Iterator[dict[str, Any]]:
    """Give each message once, and show them to others again afterwards."""
    seen: list[dict[str, Any]] = []
    try:
        while found := _receive():
            seen += found
            yield from found
    finally:
        _show([each["ReceiptHandle"] for each in seen if "ReceiptHandle" in each])


def _receive() -> list[dict[str, Any]]:
    options = {"MaxNumberOfMessages": AT_ONCE, "WaitTimeSeconds": 0, "VisibilityTimeout": HIDDEN_FOR}
    return list(
        sqs_queues.call(sqs_client.client(), "receive_message", name(), **options).get("Messages", ())
    )


def _show(handles: list[str]) -> None:
    for start in range(0, len(handles), AT_ONCE):
        entries = [
            {"Id": str(place), "ReceiptHandle": handle, "VisibilityTimeout": 0}
            for place, handle in enumerate(handles[start : start + AT_ONCE])
        ]
        sqs_queues.call(sqs_client.client(), "change_message_visibility_batch", name(), Entries=entries)
