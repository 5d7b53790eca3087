"""Claims of a transaction that may enqueue a million jobs: until its commit they take 32 bytes each, not hundreds."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from offbeat.jobs.relay import ClaimedJob

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIZE = 16  # bytes of a UUID


class PackedClaims:
    def __init__(self, claims: Sequence[ClaimedJob]) -> None:
        kinds: dict[tuple[Any, ...], int] = {}  # of jobs: few, however many jobs
        self._ids = b"".join(each.id.bytes for each in claims)
        # Exact: a float of this century has a quarter of a microsecond.
        self._moments = array("d", (each.published_at.timestamp() for each in claims))
        self._kinds_of = array("L", (kinds.setdefault(_kind(each), len(kinds)) for each in claims))
        self._kinds = list(kinds)

    def unpacked(self) -> Iterator[ClaimedJob]:
        for place, (moment, number) in enumerate(zip(self._moments, self._kinds_of, strict=True)):
            job_id = UUID(bytes=self._ids[SIZE * place : SIZE * (place + 1)])
            task, queue, priority, limits = self._kinds[number]
            yield ClaimedJob(job_id, task, queue, priority, datetime.fromtimestamp(moment, UTC), limits)


def _kind(claim: ClaimedJob) -> tuple[Any, ...]:
    return claim.task, claim.queue, claim.priority, claim.limits
