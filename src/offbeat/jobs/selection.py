"""The jobs that a person wants to decide about, as they are when the question is asked: found by a search, or named."""

from __future__ import annotations

import base64
import binascii
import struct
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offbeat.jobs import sql
from offbeat.jobs.decisions import AskedJob
from offbeat.jobs.models import Job
from offbeat.jobs.search import find_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from offbeat.jobs.decisions import JobDecision
    from offbeat.jobs.search import JobSearch

MOST = 5_000  # jobs decided about at once: a few seconds
CHUNK = 500  # jobs a transaction: others do not wait long for their rows
NAMED = 5  # tasks named in a question
COLUMNS = "id, state, attempt, task"


@dataclass(frozen=True)
class Selection:
    """What is decided about. `is_cut` where more were found; `looked_back_to` where not all jobs were looked at."""

    asked: Sequence[AskedJob]
    tasks: Sequence[str]  # of each
    is_cut: bool = False
    looked_back_to: datetime | None = None

    def first(self, most: int) -> Selection:
        return Selection(self.asked[:most], self.tasks[:most], self.is_cut, self.looked_back_to)

    def words(self) -> str:
        """Return how many jobs of which tasks these are, and in which states: ``2 mails.send, 1 reports.render (3 dead)``."""
        tasks, states = Counter(self.tasks), Counter(each.state for each in self.asked)
        named = [f"{jobs:,} {task}" for task, jobs in tasks.most_common(NAMED)]
        if (others := len(tasks) - NAMED) > 0:
            rest = len(self.asked) - sum(jobs for _, jobs in tasks.most_common(NAMED))
            named.append(f"{rest:,} of {others} other task{'s' if others > 1 else ''}")
        return (
            f"{', '.join(named)} ({', '.join(f'{jobs:,} {state}' for state, jobs in states.most_common())})"
        )


def select_found(wanted: JobSearch, decision: JobDecision, most: int = MOST) -> Selection:
    """Select what a search lists and the decision can be about, in the order of the list, at most so many."""
    also = f"state = ANY(%s) AND {decision.selects}"
    rows, is_cut, looked_back_to = find_whole(wanted, COLUMNS, most, also, list(decision.states))
    return Selection([AskedJob(*row[:3]) for row in rows], [row[3] for row in rows], is_cut, looked_back_to)


def select_named(job_ids: Sequence[uuid.UUID], decision: JobDecision) -> Selection:
    """Select those of named jobs that the decision can be about."""
    rows = sql.fetch_all(
        f"SELECT {COLUMNS} FROM offbeat_jobs_job WHERE id = ANY(%s) AND state = ANY(%s) AND {decision.selects}",  # noqa: S608  constants
        [list(job_ids), list(decision.states)],
    )
    return Selection([AskedJob(*row[:3]) for row in rows], [row[3] for row in rows])


def chunks(asked: Sequence[AskedJob]) -> Iterator[Sequence[AskedJob]]:
    return (asked[start : start + CHUNK] for start in range(0, len(asked), CHUNK))


ROW = struct.Struct(">16sBI")  # id, state, attempt
STATES = tuple(str(state) for state in Job.State)


def encode(asked: Sequence[AskedJob]) -> str:
    """Write down who was asked about, as text for a form: 28 characters a job."""
    packed = b"".join(ROW.pack(each.id.bytes, STATES.index(each.state), each.attempt) for each in asked)
    return base64.urlsafe_b64encode(packed).decode()


def decode(text: str) -> list[AskedJob]:
    """Read what `encode` has written. Raises ValueError for any other text."""
    try:
        rows = list(ROW.iter_unpack(base64.b64decode(text.encode(), altchars=b"-_", validate=True)))
        return [
            AskedJob(uuid.UUID(bytes=each), STATES[state], attempt) for each, state, attempt in rows[:MOST]
        ]
    except (binascii.Error, struct.error, IndexError, UnicodeEncodeError) as error:
        raise ValueError(f"no selection of jobs: {error}") from None
