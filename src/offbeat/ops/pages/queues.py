"""The queues: how many jobs wait in each, how long the oldest has waited, and who consumes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offbeat.jobs.pauses import pause_of
from offbeat.jobs.queries import Depth
from offbeat.ops.pages.flow import Flow, flows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from offbeat.jobs.models import Pause
    from offbeat.ops.snapshot import Snapshot


@dataclass(frozen=True)
class Queue:
    """One queue: its jobs, and who takes them."""

    name: str
    depth: Depth
    consumers: int
    flow: Flow
    pause: Pause | None

    @property
    def per_minute(self) -> tuple[int, int]:
        """Jobs that came and went in the last whole minute."""
        return self.flow.came[-2], self.flow.went[-2]


def queues(snapshot: Snapshot, declared: Iterable[str]) -> list[Queue]:
    """Return every queue that is consumed, or has a job that is not finished, or had one in the last half hour."""
    flow, consumers = flows(snapshot.now), Counter(snapshot.consumed)
    of_workers = [name for worker in snapshot.alive for name in worker.queues]
    return [
        Queue(
            name,
            snapshot.depths.get(name, Depth()),
            consumers[name],
            flow.get(name) or Flow(),
            pause_of(snapshot.pauses, queue=name, task=""),
        )
        for name in sorted({*declared, *snapshot.depths, *flow, *of_workers})
    ]
