"""Amazon SQS as the ledger sees it: messages go out ten at a time, and counts are approximate.

SQS keeps a message until somebody deletes it, and a worker deletes a job's when the job begins: one that dies first loses none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.jobs import sql
from offbeat.jobs.brokers import sqs_client, sqs_losses, sqs_queues

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

AT_ONCE = 10  # messages of a request
LARGEST = 1024 * 1024  # bytes of a message, or of a request; since August 2025, before that a quarter
VISIBLE, DELAYED = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"


class MessageTooLargeError(ValueError):
    """SQS takes no message as large as this plain one: make it a job, or pass an id instead of the data."""


class RefusedError(Exception):
    """SQS has not taken some messages of a request; sent again, they may be there twice."""


def send(name: str, messages: Sequence[str]) -> None:
    """Send messages to a queue, by its name there. Raises botocore's errors, and RefusedError."""
    for batch in _batches(messages):
        entries = [{"Id": str(place), "MessageBody": each} for place, each in enumerate(batch)]
        answer = sqs_queues.call(sqs_client.client(), "send_message_batch", name, Entries=entries)
        if failed := answer.get("Failed"):
            raise RefusedError(f"{failed[0].get('Code')}: {failed[0].get('Message')}")


def _batches(messages: Sequence[str]) -> Iterator[list[str]]:
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
    """Send one message of Celery's. Raises MessageTooLargeError, and botocore's errors."""
    if (size := len(message.encode())) > LARGEST:
        raise MessageTooLargeError(
            f"{task or 'the message'}: {size:,} bytes, and SQS takes {LARGEST:,} at most. "
            "Hint: write enqueue() instead of delay(): a job's arguments stay in PostgreSQL. Or pass an id instead of the data."
        )
    sqs_queues.call(
        sqs_client.client(), "send_message", sqs_queues.name_of(queue, level), MessageBody=message
    )


def waiting(queue: str) -> int:
    """Return about how many messages wait in a queue, in all of its levels; a queue that does not exist has none."""
    return sum(count(sqs_queues.name_of(queue, level), VISIBLE) for level in sqs_queues.LEVELS)


def count(name: str, *attributes: str) -> int:
    """Return the sum of SQS' approximate numbers."""
    try:
        url = sqs_queues.urls.find(sqs_client.client(), name, create=False)
        answer = sqs_client.client().get_queue_attributes(QueueUrl=url, AttributeNames=list(attributes))
    except sqs_client.errors() as error:
        sqs_queues.urls.forget(name)
        if sqs_client.is_missing_queue(error):
            return 0
        raise
    return sum(int(answer["Attributes"][each]) for each in attributes)


def oldest_published_at(queue: str, level: int = 0) -> float:
    """Return the time before which a job that was published and has not begun is lost, Unix seconds by PostgreSQL's clock."""
    name = sqs_queues.name_of(queue, level)
    watch = sqs_losses.watch(name)
    watch.note_count(count(name, VISIBLE, DELAYED))
    (now,) = sql.fetch_one("SELECT extract(epoch FROM clock_timestamp())::float8")
    return watch.lost_before(now, sqs_queues.visibility_timeout())


def purge(queue: str) -> int:
    """Delete what waits in a queue; return about how many messages that was. SQS takes this once a minute."""
    number = waiting(queue)
    for level in sqs_queues.LEVELS:
        sqs_queues.call(sqs_client.client(), "purge_queue", sqs_queues.name_of(queue, level))
    return number


def delete(queue: str) -> None:
    for level in sqs_queues.LEVELS:
        name = sqs_queues.name_of(queue, level)
        sqs_queues.call(sqs_client.client(), "delete_queue", name)
        sqs_queues.urls.forget(name)
