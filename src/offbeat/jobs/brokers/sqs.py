"""Amazon SQS as the broker: messages go out ten at a time, counts are approximate, and there is no order.

SQS keeps a message until somebody deletes it, and a worker deletes a job's when the job begins: one that dies first loses none.
What else a broker keeps is in `sqs_unreadable`; what is concluded of lost messages in `sqs_losses`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from offbeat.jobs import sql
from offbeat.jobs.brokers import sqs_client, sqs_losses, sqs_queues
from offbeat.jobs.brokers.sqs_client import QueueRefusedError, SqsError
from offbeat.jobs.brokers.sqs_unreadable import count_kept, keep, kept, take

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

logger = logging.getLogger(__name__)

__all__ = ("count_kept", "keep", "kept", "take")

NAME = "Amazon SQS"
ERRORS = (SqsError,)
REFUSED = (QueueRefusedError,)
REFUSAL = "Amazon SQS takes no messages for queue {}; the line before says why"
AT_ONCE = 10  # messages of a request
LARGEST = 1024 * 1024  # bytes of a message, or of a request; since August 2025, before that a quarter
# What cannot be run is kept as a message, too, which is larger: it says why.
LARGEST_PLAIN = LARGEST - 16 * 1024
SHORTER = "must be shorter than"  # SQS' words for a message that is larger than its queue takes
VISIBLE, DELAYED = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"
HIDDEN = "ApproximateNumberOfMessagesNotVisible"
TOKEN = "SELECT token FROM offbeat_jobs_broker WHERE id = 1"  # noqa: S105  a statement, no secret
NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"


class MessageTooLargeError(ValueError):
    """SQS takes no message as large as this plain one: make it a job, or pass an id instead of the data."""


def list_name(queue: str, level: int) -> str:
    """Return what SQS calls the queue in which messages of a level wait."""
    return sqs_queues.name_of(queue, level)


def ping() -> bool:
    """Ask SQS for the queue that every worker consumes. Raises SqsError."""
    sqs_queues.find(sqs_client.client(), sqs_queues.name_of(sqs_queues.default_queue()), is_fresh=True)
    return True


def push(name: str, batch: Sequence[str], *, in_front: bool = False) -> bool:
    """Send messages to a queue, by its name there; tell whether SQS takes messages for it. Raises SqsError."""
    try:
        for some in _requests(batch):
            _send(name, some)
    except QueueRefusedError as error:
        logger.error("queue %s: %s", name, error, extra={"action": "queue_refused", "queue": name})  # noqa: TRY400
        return False
    return True


def _send(name: str, some: Sequence[str]) -> None:
    entries = [{"Id": str(place), "MessageBody": each} for place, each in enumerate(some)]
    answer = sqs_queues.call(sqs_client.client(), "send_message_batch", name, Entries=entries)
    for failed in answer.get("Failed", ()):
        raise SqsError(f"{failed.get('Code')}: {failed.get('Message')}")


def _requests(messages: Sequence[str]) -> Iterator[list[str]]:
    """Cut into requests: of ten messages, and of the bytes that SQS takes."""
    batch: list[str] = []
    size = 0
    for each in messages:
        length = len(each.encode())
        if batch and (len(batch) == AT_ONCE or size + length > LARGEST):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += length
    if batch:
        yield batch


def send_plain(queue: str, level: int, message: str, task: str) -> None:
    """Send one message of Celery's. Raises MessageTooLargeError and SqsError."""
    size = len(message.encode())
    if size > LARGEST_PLAIN:
        raise too_large(task, size, f"SQS takes {LARGEST_PLAIN:,} at most")
    name = list_name(queue, level)
    try:
        sqs_queues.call(sqs_client.client(), "send_message", name, MessageBody=message)
    except SqsError as error:
        if SHORTER not in str(error):
            raise
        raise too_large(
            task, size, f"queue {name} takes less: set its MaximumMessageSize to {LARGEST}"
        ) from error


def too_large(task: str, size: int, bound: str) -> MessageTooLargeError:
    return MessageTooLargeError(
        f"{task or 'the message'}: {size:,} bytes, and {bound}. "
        "Hint: write enqueue() instead of delay(): a job's arguments stay in PostgreSQL. Or pass an id instead of the data."
    )


def waiting(queue: str) -> int:
    """Return about how many messages wait in a queue, in all of its levels; a queue that does not exist has none."""
    return sum(sqs_queues.count(list_name(queue, level), VISIBLE) for level in sqs_queues.LEVELS)


def oldest_published_at(queue: str, level: int = 0) -> float:
    """Return the time before which a job that was published and has not begun is lost, Unix seconds by PostgreSQL's clock."""
    name = list_name(queue, level)
    watch = sqs_losses.watch(name)
    visible, delayed, hidden = sqs_queues.numbers(name, VISIBLE, DELAYED, HIDDEN)
    watch.note_count(visible + delayed, hidden)
    return watch.lost_before(sql.fetch_one(NOW)[0], sqs_queues.visibility_timeout())


def exchange_token(_: str, token: str) -> str:
    """Return the token that PostgreSQL has: SQS keeps no values. What it lost is found queue by queue (`sqs_losses`)."""
    return str(sql.fetch_one(TOKEN)[0])


def count_delivery(_: str, message: Any) -> int:
    """Return how often a message was delivered before: SQS counts."""
    return int(message.delivery_info.get("times", 1)) - 1


def purge(queue: str) -> int:
    """Delete what waits in a queue; return about how many messages that was. SQS takes this once a minute."""
    number = waiting(queue)
    for level in sqs_queues.LEVELS:
        sqs_queues.call(sqs_client.client(), "purge_queue", list_name(queue, level))
    return number


def delete(queue: str) -> None:
    for level in sqs_queues.LEVELS:
        sqs_queues.call(sqs_client.client(), "delete_queue", list_name(queue, level))
        sqs_queues.forget(list_name(queue, level))
