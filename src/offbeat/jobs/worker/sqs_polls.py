"""The threads that wait for messages of SQS: one for each of a worker's queues and levels, so none waits for another's.

An idle thread asks three times a minute (long polling), a busy worker's not at all: it asks for as many messages as it can begin.
A less urgent level is asked only while the more urgent ones of its queue are empty.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from offbeat.jobs.brokers import sqs_client, sqs_losses, sqs_queues
from offbeat.jobs.brokers.sqs_client import QueueRefusedError, SqsError
from offbeat.jobs.conf import conf
from offbeat.jobs.message import published_at
from offbeat.jobs.worker.sqs_receipts import AT_ONCE, Receipts, SqsReceipt
from offbeat.jobs.worker.state import worker_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)

PAUSES = 1.0, 5.0  # seconds until SQS is asked again that does not answer: the first time, and at most
AFRESH = 300.0  # seconds after which the same trouble is logged again
HELD = 10.0  # seconds until a job that cannot be begun here is shown to others; a plain message's returns are counted: it stays
LOOK = 0.5  # seconds between two looks whether a queue is paused


def longest_wait() -> int:
    """Return for how many seconds a request waits for messages: no longer than a worker that stops may take."""
    return min(sqs_client.LONGEST_WAIT, max(1, int(conf().drain)))


class Received(NamedTuple):
    """A message in hand, as SQS hands it out."""

    level: int
    place: int  # of all that this process has received
    tag: str
    queue: str
    text: str
    times: int  # how often SQS has handed it out, this time included
    at: float  # monotonic seconds

    @property
    def is_redelivered(self) -> bool:
        return self.times > 1


class Poll(threading.Thread):
    """Asks for the messages of one level of a queue, for as long as somebody consumes it."""

    def __init__(self, polls: Polls, queue: str, level: int) -> None:
        super().__init__(name=f"sqs-{queue}-{level}", daemon=True)
        self.polls, self.queue, self.level = polls, queue, level
        self.sqs_name = sqs_queues.name_of(queue, level)
        self.is_empty = False  # until it is known: what is less urgent waits for that
        self.is_cancelled = False
        self.logged_at = 0.0
        self.pause = PAUSES[0]

    def run(self) -> None:
        while not self.is_cancelled:
            if room := self.polls.wait_for_room(self):
                self._ask(room)

    def _ask(self, room: int) -> None:
        try:
            self._take(room)
        except SqsError as error:
            self.is_empty = True  # the others need not wait for it
            if self.is_cancelled:
                return
            self._note(error)
            time.sleep(self.pause)
            self.pause = min(2 * self.pause, PAUSES[1])

    def _take(self, room: int) -> None:
        """Receive messages. A worker that stops waits for that: SQS hides what it gives to a request whose process is gone."""
        worker_state.open_requests.add(self)
        try:
            if self.is_cancelled:  # since it was told how many it may ask for
                return
            found = self._receive(room)
            self.is_empty, self.pause, self.logged_at = not found, PAUSES[0], 0.0
            worker_state.note_broker_back()
            self.polls.receive(self, found)
        finally:
            worker_state.open_requests.discard(self)

    def _receive(self, room: int) -> list[dict[str, Any]]:
        answer = sqs_queues.call(
            self.polls.client,
            "receive_message",
            self.sqs_name,
            MaxNumberOfMessages=min(room, AT_ONCE),
            WaitTimeSeconds=longest_wait() if self.is_empty else 0,
            VisibilityTimeout=self.polls.receipts.visibility_timeout,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        return list(answer.get("Messages", ()))

    def _note(self, error: SqsError) -> None:
        if isinstance(error, QueueRefusedError):
            worker_state.note_start()  # that messages wait there, and nothing starts, is no fault of the consumer
        else:
            worker_state.note_broker_lost()
        if not self.logged_at or time.monotonic() - self.logged_at > AFRESH:
            self.logged_at = time.monotonic()
            logger.error(
                "queue %s cannot be read: %s", self.queue, error, extra={"action": "broker_unreachable"}
            )


class Polls:
    """The threads of a channel, and what they have received that the event loop has not taken yet, the most urgent first.

    `room` returns how many messages more the event loop takes; `wake` has it take them.
    """

    def __init__(self, receipts: Receipts, room: Callable[[], int], wake: Callable[[], None]) -> None:
        self.receipts, self._room, self._wake = receipts, room, wake
        self.client: Any = None
        self._changed = threading.Condition()
        self._threads: dict[str, list[Poll]] = {}
        self._waiting: list[Received] = []
        self._places = itertools.count()

    # The event loop's

    def start(self, queue: str) -> None:
        threads = [Poll(self, queue, level) for level in sqs_queues.LEVELS]
        self._threads[queue] = threads
        self.client = sqs_client.patient_client()
        for thread in threads:
            thread.start()

    def stop(self, queue: str) -> None:
        """Ask for no more of a queue; what an open request brings all the same goes back at once."""
        for thread in self._threads.pop(queue, ()):
            thread.is_cancelled = True
        with self._changed:
            back = [each for each in self._waiting if each.queue == queue]
            self._waiting = [each for each in self._waiting if each.queue != queue]
            heapq.heapify(self._waiting)
            self._changed.notify_all()
        for each in back:
            self.receipts.release(each.tag)

    def take(self) -> Received | None:
        """Return the most urgent message, None where none waits or none can be begun."""
        with self._changed:
            return heapq.heappop(self._waiting) if self._waiting and self._room() > 0 else None

    def note_room(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def wait(self, seconds: float | None) -> None:
        """Wait until there may be a message to take: for a worker without an event loop."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting), seconds)

    # The threads'

    def wait_for_room(self, poll: Poll) -> int:
        """Return for how many messages it may ask; 0 after a while in which it may not."""
        self._give_back()
        with self._changed:
            self._changed.wait_for(lambda: poll.is_cancelled or self._room_for(poll) > 0, LOOK)
            return 0 if poll.is_cancelled else self._room_for(poll)

    def _room_for(self, poll: Poll) -> int:
        urgent = [each for each in self._threads.get(poll.queue, ()) if each.level < poll.level]
        if poll.queue in worker_state.paused_queues or not all(each.is_empty for each in urgent):
            return 0
        return max(0, self._room() - len(self._waiting))

    def receive(self, poll: Poll, messages: Sequence[dict[str, Any]]) -> None:
        if not messages:
            return
        for each in messages:
            tag = str(uuid.uuid4())
            self.receipts.hold(tag, SqsReceipt(poll.sqs_name, each["ReceiptHandle"]))
            if poll.is_cancelled:
                self.receipts.release(tag)
                continue
            times = int(each.get("Attributes", {}).get("ApproximateReceiveCount", 1))
            sqs_losses.watch(poll.sqs_name).note_message(published_at(each["Body"].encode()))
            received = Received(
                poll.level, next(self._places), tag, poll.queue, each["Body"], times, time.monotonic()
            )
            with self._changed:
                heapq.heappush(self._waiting, received)
                self._changed.notify_all()
        self._wake()

    def _give_back(self) -> None:
        """Show jobs to others that have waited here: of two levels more may have come at once than can begin."""
        long_ago = time.monotonic() - HELD
        with self._changed:
            old = [
                each
                for each in self._waiting
                if each.at < long_ago and published_at(each.text.encode()) is not None
            ]
            if not old:
                return
            self._waiting = [each for each in self._waiting if each not in old]
            heapq.heapify(self._waiting)
        for each in old:
            self.receipts.release(each.tag)
