"""Calls whose process has died with several of them. One may have killed it, so each runs alone until it has ended.

Few run alone at a time, so those that wait would take all places of a worker for as long as that lasts. Half of the places are for
others: jobs beyond that are returned to the ledger, for a moment, and may also go to another worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery.utils.collections import LimitedSet

from offbeat.jobs.message import JOB_HEADER
from offbeat.jobs.worker.lane_limits import has_begun

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from offbeat.jobs.worker.lane_call import LaneCall

ALONE = 2  # processes of one lane at a time
MOST_KNOWN = 10_000  # the youngest


class Suspects:
    """Those of a pool, by the ids of their messages."""

    def __init__(self, places: int) -> None:
        # Those that end in another worker are not heard of.
        self._ids = LimitedSet(maxlen=MOST_KNOWN)
        self._most = max(ALONE, places // 2)

    def __contains__(self, call: LaneCall) -> bool:
        return call.id in self._ids

    def note_death(self, lost: Sequence[LaneCall]) -> None:
        """Suspect what had begun in a process that has died by itself, unless that was one call."""
        begun = [call.id for call in lost if has_begun(call)]
        if len(begun) > 1:
            self._ids.update(begun)

    def clear(self, call: LaneCall) -> None:
        self._ids.discard(call.id)

    def surplus(self, running: Iterable[LaneCall], waiting: Iterable[LaneCall]) -> list[LaneCall]:
        """Return jobs that wait and are too many. A plain message has no ledger to return to."""
        if not self._ids:  # as always, nearly
            return []
        at_work = sum(call in self for call in running)
        suspected = [call for call in waiting if call in self]
        free = max(0, self._most - at_work)
        return [call for call in suspected[free:] if call.arguments[2].get(JOB_HEADER)]
