"""What the threads of a worker's main process tell each other: how its broker, its event loop and its children are."""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class WorkerState:
    """Of this process. Times are monotonic seconds."""

    records: queue.SimpleQueue[Callable[[], Any]] = field(default_factory=queue.SimpleQueue)
    broker_lost_at: float | None = None
    loop_turned_at: float = field(default_factory=time.monotonic)
    maintained_at: float = field(default_factory=time.monotonic)  # the maintenance thread's last turn
    task_started_at: float = field(default_factory=time.monotonic)
    is_stopping: bool = False
    is_killing_children: bool = False
    has_left_ledger: bool = False
    paused_queues: frozenset[str] = frozenset()  # of which no message is taken
    unusable_queues: frozenset[str] = frozenset()  # that the broker cannot give messages of
    open_requests: set[Any] = field(
        default_factory=set
    )  # for messages, whose answers are still to come: only SQS has such

    def submit(self, act: Callable[[], Any]) -> None:
        """Have the maintenance thread record something, again and again until PostgreSQL takes it."""
        self.records.put(act)

    def note_start(self) -> None:
        self.task_started_at = time.monotonic()

    def note_turn(self) -> None:
        self.loop_turned_at = time.monotonic()

    def note_broker_lost(self) -> None:
        if self.broker_lost_at is None:
            self.broker_lost_at = time.monotonic()

    def note_broker_back(self) -> None:
        self.broker_lost_at = None
        self.note_turn()


worker_state = WorkerState()
