"""What a worker has received from SQS and not deleted: its lease is renewed, and what is done with is deleted, by a thread.

The event loop never waits for SQS. Requests carry up to ten messages, which costs a tenth.

1. `hold`: a message is in hand; SQS shows it to nobody for `visibility_timeout` seconds, renewed three times in that time;
2. `settle`: it is done with (a plain task has ended, a job has begun), and deleted; until SQS says so, it stays in hand;
3. `release`: it goes back at once.
Death at any point: SQS shows it again when the time is over. A plain task runs again, the second message of a job starts nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from offbeat.jobs.brokers import sqs_client, sqs_queues
from offbeat.jobs.brokers.sqs_client import QueueRefusedError, SqsError
from offbeat.machine_limits import start_thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

logger = logging.getLogger(__name__)

AT_ONCE = 10  # entries of a request, SQS' own bound
PAUSE = 1.0  # seconds until a deletion that failed is tried again


class SqsReceipt(NamedTuple):
    """A message in hand, by what SQS calls its queue, and this delivery of it."""

    name: str
    handle: str


class Receipts:
    """Those of a channel. `hold`, `settle` and `release` are the event loop's, or a polling thread's; they wait for nothing."""

    def __init__(self, visibility_timeout: int) -> None:
        self.visibility_timeout = visibility_timeout
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._held: dict[str, SqsReceipt] = {}
        self._done: dict[str, SqsReceipt] = {}
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def hold(self, tag: str, receipt: SqsReceipt) -> None:
        with self._lock:
            self._held[tag] = receipt
            self._ensure_thread()

    def settle(self, tag: str) -> None:
        with self._lock:
            if receipt := self._held.pop(tag, None):
                self._done[tag] = receipt
                self._ensure_thread()
                self._wake.notify_all()

    def _ensure_thread(self) -> None:
        """Start it, or try again with the next message that comes or is done with."""
        if self._thread is None:
            thread = threading.Thread(target=self._keep, name="sqs-receipts", daemon=True)
            self._thread = thread if start_thread(thread) else None

    def release(self, tag: str) -> None:
        """Show it to others at once. SQS does not answer: they see it when its time is over."""
        with self._lock:
            receipt = self._held.pop(tag, None)
        if receipt:
            self._release([receipt])

    def close(self) -> None:
        """Delete what is done with, and show the rest to others. One try each: what fails comes back by itself."""
        with self._lock:
            self._is_closed = True
            self._wake.notify_all()
            held, self._held = list(self._held.values()), {}
        self._delete()
        self._release(held)

    # The thread

    def _keep(self) -> None:
        often = self.visibility_timeout / 3
        renewed_at = time.monotonic()
        while not self._is_closed:
            with self._lock:
                if not self._done:
                    self._wake.wait(max(0.0, renewed_at + often - time.monotonic()))
            if not self._delete():
                time.sleep(PAUSE)
            if time.monotonic() - renewed_at >= often:
                renewed_at = time.monotonic()
                self._renew()

    def _renew(self) -> None:
        with self._lock:
            receipts = [*self._held.values(), *self._done.values()]
        _each(receipts, "change_message_visibility_batch", VisibilityTimeout=self.visibility_timeout)

    def _delete(self) -> bool:
        """Delete what is done with; tell whether all of it could be."""
        with self._lock:
            done = dict(self._done)
        if not done:
            return True
        deleted = _each(done.values(), "delete_message_batch")
        with self._lock:
            for tag, receipt in done.items():
                if receipt in deleted:
                    self._done.pop(tag, None)
        return len(deleted) == len(done)

    def _release(self, receipts: Iterable[SqsReceipt]) -> None:
        _each(receipts, "change_message_visibility_batch", VisibilityTimeout=0)


def _each(receipts: Iterable[SqsReceipt], operation: str, **values: Any) -> set[SqsReceipt]:
    """Call an operation on messages, ten at a time; return those that it is done for, or will never be.

    What SQS says of one message is final: it was deleted, or its time was over. What it says of one queue does not hold up others.
    Where SQS does not answer the rest is left.
    """
    done: set[SqsReceipt] = set()
    for name, batch in _batches(receipts):
        try:
            done |= _call(name, batch, operation, values)
        except SqsError as error:
            logger.warning("messages in hand: %s", error, extra={"action": "receipts_failed"})
            if not isinstance(error, QueueRefusedError):
                break
    return done


def _call(name: str, batch: list[SqsReceipt], operation: str, values: dict[str, Any]) -> set[SqsReceipt]:
    entries = [{"Id": str(place), "ReceiptHandle": each.handle, **values} for place, each in enumerate(batch)]
    answer = sqs_queues.call(sqs_client.quiet_client(), operation, name, Entries=entries)
    again = {int(each["Id"]) for each in answer.get("Failed", ()) if not each.get("SenderFault")}
    return {each for place, each in enumerate(batch) if place not in again}


def _batches(receipts: Iterable[SqsReceipt]) -> Iterator[tuple[str, list[SqsReceipt]]]:
    by_name: dict[str, list[SqsReceipt]] = defaultdict(list)
    for each in receipts:
        by_name[each.name].append(each)
    for name, found in by_name.items():
        for start in range(0, len(found), AT_ONCE):
            yield name, found[start : start + AT_ONCE]
