"""What a worker's own books say of its lanes: asked by those who maintain it, whichever pool it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from offbeat.jobs.worker.lane_pool import LanePool


class LanesOfWorker:
    """The pool of this worker, where it has lanes."""

    pool: LanePool | None = None

    def jobs(self) -> set[tuple[str, int]]:
        """Return what runs: ids of messages, with their lanes."""
        return self.pool.jobs() if self.pool else set()


lanes_of_worker = LanesOfWorker()
