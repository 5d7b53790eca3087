"""Rounds: the begins and ends that several lanes have to write at one moment, in one statement and one commit.

1. a lane writes the round in which it comes first, and with it whatever others have come with by then;
2. those that come meanwhile wait for it, and the first of them writes the next round;
3. each goes on when its own begin or end is committed, and no earlier: a death repeats what it would repeat without rounds.

A round waits for no row, and its begins for nothing else for long, as its ends would wait, too. What somebody holds, what has a
concurrency key, a lost race, and all of a round that PostgreSQL refuses, each lane writes by itself, as in prefork, and meets there
what it has to.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from django.db import connection

from offbeat.jobs import lanes, prepared, workers
from offbeat.jobs.attempts import BEGUN
from offbeat.jobs.guard import IN_TIME, IS_HELD, IS_MEANT, IS_RUNNING, STARTABLE
from offbeat.jobs.locks import BOUND_LOCKS

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from offbeat.jobs.attempts import Attempt

logger = logging.getLogger(__name__)

MOST = 100  # entries of a round
LONGEST_RESULT = 10_000  # characters of JSON: what is longer would keep the others waiting

# Rows are looked up one by one, by the primary key, whatever the planner believes to know of the table's size. It does not
# see how long an array is: else it would take a plan for any length to cost more, and plan each round anew.
ENDS = f"""
    UPDATE offbeat_jobs_job SET state = 'succeeded', finished_at = clock_timestamp(), reason = '', traceback = '',
        result = (%(results)s::text[])[array_position(%(ended)s::uuid[], id)]::jsonb
    WHERE id = ANY (ARRAY(
        SELECT free.id FROM unnest((SELECT %(ended)s::uuid[]), (SELECT %(attempts)s::int[])) AS wanted (wanted_id, wanted_attempt)
        CROSS JOIN LATERAL (
            SELECT id FROM offbeat_jobs_job WHERE id = wanted_id AND {IS_RUNNING} AND attempt = wanted_attempt
            FOR NO KEY UPDATE SKIP LOCKED
        ) AS free
    ))
    RETURNING id
"""  # noqa: S608  a constant
BEGINS = f"""
    UPDATE offbeat_jobs_job SET state = 'running', attempt = attempt + 1, worker = %(worker)s,
        pid = (%(lanes)s::int[])[array_position(%(begun)s::uuid[], id)], started_at = clock_timestamp()
    WHERE id = ANY (ARRAY(
        SELECT free.id
        FROM unnest(
            (SELECT %(begun)s::uuid[] FROM (SELECT {BOUND_LOCKS}) AS bound), (SELECT %(tasks)s::text[]), (SELECT %(queues)s::text[])
        ) AS wanted (wanted_id, wanted_task, wanted_queue)
        CROSS JOIN LATERAL (
            SELECT id FROM offbeat_jobs_job WHERE id = wanted_id
                AND {IS_MEANT % {"task": "wanted_task", "queue": "wanted_queue"}}
                AND {STARTABLE} AND {IN_TIME} AND NOT {IS_HELD} AND concurrency_key IS NULL
            FOR NO KEY UPDATE SKIP LOCKED
        ) AS free
    ))
    RETURNING id, {BEGUN}
"""  # noqa: S608  constants
# Twice the work of one of them for PostgreSQL, also where there is nothing for the other.
BOTH = f"""
    WITH ended AS ({ENDS}), begun AS ({BEGINS})
    SELECT ends.ids, begun.* FROM (SELECT array_agg(id) FROM ended) AS ends (ids) LEFT JOIN begun ON true
"""  # noqa: S608  constants


@dataclass(eq=False, slots=True)
class RoundEntry:
    """One begin or end, and what a round has answered: the columns of an attempt, or that it has ended."""

    job_id: uuid.UUID
    begin: tuple[str | None, str | None, int] | None = None  # task, queue and lane
    end: tuple[int, str | None] | None = None  # number of the attempt, and result
    answer: Any = None
    is_over: bool = False
    turn: threading.Lock = field(default_factory=threading.Lock)


Entries: TypeAlias = "Mapping[uuid.UUID, RoundEntry]"


class Rounds:
    """Those of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[RoundEntry] = []
        self._is_writing = False

    def write(self, entry: RoundEntry) -> Any:
        """Return what a round has answered; None where it has not, and the lane has to write this by itself."""
        entry.turn.acquire()
        with self._lock:
            self._waiting.append(entry)
            is_first, self._is_writing = not self._is_writing, True
        if not is_first:
            entry.turn.acquire()  # until a round has answered, or the next one is ours
        if not entry.is_over:
            self._write_round()
        return entry.answer

    def _write_round(self) -> None:
        with self._lock:
            entries, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            _write(entries)
        except Exception as error:  # noqa: BLE001  of whichever entry: each lane meets its own
            logger.debug("a round failed: %s", error, extra={"action": "round_failed"})
        finally:
            self._hand_over(entries)

    def _hand_over(self, entries: Sequence[RoundEntry]) -> None:
        with self._lock:
            following = self._waiting[:1]
            self._is_writing = bool(following)
        for each in following:
            each.turn.release()
        for each in entries:
            each.is_over = True
            each.turn.release()


def _write(entries: Sequence[RoundEntry]) -> None:
    # Of two messages of one job, one at most begins it.
    begins = {each.job_id: each for each in reversed(entries) if each.begin}
    ends = {each.job_id: each for each in reversed(entries) if each.end}
    for ended, job_id, *row in _executed(begins, ends):
        for each in ended or ():
            ends[each].answer = True
        if job_id:
            begins[job_id].answer = row


def _executed(begins: Entries, ends: Entries) -> Iterator[Any]:
    """Yield rows: the ids of ends, the id of a job that has begun, and the columns of its attempt."""
    if not begins:
        ended = prepared.fetch_all(ENDS, _end_values(ends))
        yield [row[0] for row in ended], None
    elif not ends:
        yield from ((None, *row) for row in prepared.fetch_all(BEGINS, _begin_values(begins)))
    else:
        yield from prepared.fetch_all(BOTH, _begin_values(begins) | _end_values(ends))


def _begin_values(begins: Entries) -> dict[str, Any]:
    tasks, queues, numbers = zip(*(each.begin for each in begins.values() if each.begin), strict=True)
    return {"worker": workers.current(), "begun": _array(begins), "tasks": _array(tasks), "queues": _array(queues),
            "lanes": _array(numbers)}  # fmt: skip


def _end_values(ends: Entries) -> dict[str, Any]:
    attempts, results = zip(*(each.end for each in ends.values() if each.end), strict=True)
    return {"ended": _array(ends), "attempts": _array(attempts), "results": _array(results)}


def _array(values: Iterable[Any]) -> str:
    """Return an array as PostgreSQL reads it: to have psycopg write one takes as long as to send the statement."""
    return "{" + ",".join("NULL" if each is None else _quoted(str(each)) for each in values) + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_rounds = Rounds()


def begin(job_id: uuid.UUID, task: str | None, queue: str | None) -> Any:
    """Return the row of an attempt that has begun in a round; None where its lane has to try by itself."""
    if not _is_possible():
        return None
    return _rounds.write(RoundEntry(job_id, begin=(task, queue, lanes.current())))


def finish(attempt: Attempt) -> bool:
    """Record success in a round; tell whether it is recorded."""
    if not _is_possible() or len(attempt.result or "") > LONGEST_RESULT:
        return False
    return bool(_rounds.write(RoundEntry(attempt.job_id, end=(attempt.number, attempt.result))))


def _is_possible() -> bool:
    """Tell whether a lane writes, and has no transaction open that this belongs to."""
    return lanes.here() is not None and not connection.in_atomic_block
