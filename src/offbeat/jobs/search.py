"""Finds jobs, a page at a time, in bounded time however many there are: for the ops pages and the command line.

Pages follow an index by the values of the last row shown, never by a count of rows. What no index finds (a task, an argument, one
of the states of finished jobs) is looked for among the next 50,000 jobs of that order; the answer says how far it looked.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils import timezone

from offbeat.jobs import sql
from offbeat.jobs.identity import CLOCKS_DIFFER, first_id
from offbeat.jobs.models import Job

if TYPE_CHECKING:
    from collections.abc import Sequence

    Conditions = Sequence[tuple[str, Any]]

PAGE = 50
WINDOW = 50_000  # jobs looked through for one page: some 0.1 s
WIDE = 250_000  # jobs looked through for a list that is taken as a whole: half a second at worst
KEYS = 1_000  # jobs whose key begins with what was typed
WHOLE = "="  # before a task's name, or a group of errors: exactly this one

COLUMNS = (
    "id, task, args, kwargs, key, state, queue, priority, attempt, batch_id, created_at, due_at, publish_at, published_at, "
    "started_at, finished_at, worker, reason"
)
# The ledger has none outside of these, and both ends stay a date in every time zone, a year more or less.
FIRST, LAST = datetime(1971, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC)

# An error without what differs from one job to the next: quoted texts, addresses, numbers, ids. No space at its ends, which a
# form would take away. One after the other: as alternatives of one expression they take PostgreSQL four times as long.
QUOTED, ADDRESS, NUMBER = "'[^']*'|\"[^\"]*\"", r"\S+@\S+", r"\m[0-9a-f-]*[0-9][0-9a-f-]*\M"
WITHOUT = reduce(
    "regexp_replace({}, $re${}$re$, '…', 'g')".format, (QUOTED, ADDRESS, NUMBER), "left(reason, 500)"
)
ERROR = f"btrim(left({WITHOUT}, 80))"
# Since when a job is what it is.
SINCE = "coalesce(finished_at, CASE WHEN state = 'running' THEN started_at END, created_at)"
ITS_WORKER = "(worker::text LIKE %s OR worker IN (SELECT id FROM offbeat_jobs_worker WHERE hostname = %s))"


@dataclass(frozen=True)
class Order:
    """An order that an index gives: its columns, the last of them unique, and which rows are in it."""

    columns: tuple[str, ...]
    is_descending: bool = True
    only: str = "true"
    words: str = "newest first"

    @property
    def sql(self) -> str:
        direction = " DESC" if self.is_descending else ""
        return ", ".join(f"{column}{direction}" for column in self.columns)

    @property
    def beyond(self) -> str:
        return f"({', '.join(self.columns)}) {'<' if self.is_descending else '>'} "


FINISHED = Order(
    ("finished_at", "id"), only="state IN ('succeeded', 'cancelled', 'expired')", words="last finished first"
)
ORDERS = {
    "": Order(("id",)),
    "pending": Order(("due_at", "id"), False, "state = 'pending'", "in the order in which they are due"),
    "published": Order(
        ("queue", "priority", "published_at", "id"),
        False,
        "state = 'published'",
        "by queue, the least urgent first, in the order in which they wait",
    ),
    "running": Order(("started_at", "id"), False, "state = 'running'", "longest running first"),
    "dead": Order(("finished_at", "id"), only="state = 'dead'", words="last died first"),
    "succeeded": FINISHED,
    "cancelled": FINISHED,
    "expired": FINISHED,
}
OF_A_BATCH = Order(("state", "id"), False, words="by state, the first enqueued first")


@dataclass(frozen=True)
class JobSearch:
    """Which jobs to find; what is empty does not matter.

    `key` is a job's id, or how its key begins. `task` and `error` are parts of a task's name and of why a job is where it is. After
    an equals sign: the whole key, the whole name, and a group of errors (`offbeat.jobs.error_groups`). `worker` is the host name of
    one that lives, or how its id begins. The age of a dead letter is that of its death, of a job that waits that of its enqueueing.
    """

    state: str = ""
    task: str = ""
    queue: str = ""
    worker: str = ""
    batch: uuid.UUID | None = None
    error: str = ""
    key: str = ""
    argument: str = ""
    since: datetime | None = None  # enqueued between this
    until: datetime | None = None  # and this
    older: timedelta | None = None
    newer: timedelta | None = None
    now: datetime = field(default_factory=timezone.now, compare=False)

    @property
    def order(self) -> Order:
        return OF_A_BATCH if self.batch else ORDERS[self.state]

    def inside(self) -> list[tuple[str, Any]]:
        """Return the conditions that an index answers."""
        of_order = {
            ("id",): self._by_id,
            ("finished_at", "id"): self._by_end,
            ORDERS["published"].columns: lambda: [("queue = %s", self.queue)],
            OF_A_BATCH.columns: lambda: [("batch_id = %s", self.batch), ("state = %s", self.state)],
        }.get(self.order.columns, list)
        key = [_key(self.key)] if self.key else []
        return [*key, *_given(of_order())]

    def _by_id(self) -> list[tuple[str, Any]]:
        first = self.since and first_id(self.since, -CLOCKS_DIFFER)
        ends = [end for end in (self.until, self.older and self.now - self.older) if end]
        return [("id >= %s", first), ("id < %s", first_id(min(ends), CLOCKS_DIFFER) if ends else None)]

    def _by_end(self) -> list[tuple[str, Any]]:
        return [
            ("finished_at <= %s", self.older and self.now - self.older),
            ("finished_at >= %s", self.newer and self.now - self.newer),
        ]

    def outside(self) -> list[tuple[str, Any]]:
        """Return the conditions that each job of the window is compared with."""
        return _given(
            [
                ("state = %s", self.state),
                _text("task", "task", self.task),
                ("queue = %s", self.queue),
                (ITS_WORKER, self.worker and (f"{_escaped(self.worker.lower())}%", self.worker)),
                _text("reason", ERROR, self.error),
                ("position(lower(%s) IN lower(args::text || kwargs::text)) > 0", self.argument),
                ("created_at >= %s", self.since),
                ("created_at <= %s", self.until),
                (f"{SINCE} <= %s", self.older and self.now - self.older),
                (f"{SINCE} >= %s", self.newer and self.now - self.newer),
            ]
        )


def _given(conditions: Conditions) -> list[tuple[str, Any]]:
    return [(condition, value) for condition, value in conditions if value]


def _text(column: str, whole: str, text: str) -> tuple[str, str | tuple[str]]:
    if text.startswith(WHOLE):
        return f"{whole} = %s", (text.removeprefix(WHOLE),)  # no text at all is a condition, too
    return f"position(lower(%s) IN lower({column})) > 0", text


@dataclass(frozen=True)
class PageFound:
    """One page of jobs. `after` leads to the next; `looked_back_to` is set when the search stopped before the page was full."""

    jobs: Sequence[Job]
    after: str = ""
    looked_back_to: datetime | None = None


def find(wanted: JobSearch, after: str = "", page: int = PAGE, window: int | None = None) -> PageFound:
    """Return a page of jobs beyond the place `after`, which the page before gave. Raises ValueError for a place that is none."""
    inside, window = [*wanted.inside(), *beyond(wanted.order, after)], window or WINDOW
    statement, values = looked_through(wanted, inside, COLUMNS, window)
    jobs = list(Job.objects.raw(f"{statement} ORDER BY {wanted.order.sql} LIMIT %s", [*values, page + 1]))
    if len(jobs) > page:
        return PageFound(jobs[:page], place_of(jobs[page - 1], wanted.order))
    edge = find_edge(wanted, inside, window) if wanted.outside() else None
    return PageFound(jobs, place_of(edge, wanted.order), edge.created_at) if edge else PageFound(jobs)


def count_found(wanted: JobSearch, found: PageFound, most: int = 1_000) -> tuple[int, bool]:
    """Return how many jobs a search finds, counted up to `most`, and whether there may be more; `found` is its first page."""
    if not found.after or found.looked_back_to:  # all that is in reach is on it
        return len(found.jobs), found.looked_back_to is not None
    statement, values = looked_through(wanted, wanted.inside(), "1", WINDOW)
    (jobs,) = sql.fetch_one(f"SELECT count(*) FROM ({statement} LIMIT %s) AS found", [*values, most + 1])  # noqa: S608  see above
    return min(jobs, most), jobs > most


class Whole(NamedTuple):
    """A list without its pages. `is_cut` where more were found; `looked_back_to` where not all jobs were looked at."""

    rows: Sequence[tuple[Any, ...]]
    is_cut: bool
    looked_back_to: datetime | None


def find_whole(wanted: JobSearch, columns: str, most: int, also: str = "true", *given: Any) -> Whole:
    """Return these columns of what a search lists, in its order, at most so many; `also` is one condition more."""
    inside = wanted.inside()
    statement, values = looked_through(wanted, inside, columns, WIDE)
    rows = sql.fetch_all(
        f"{statement} AND {also} ORDER BY {wanted.order.sql} LIMIT %s", [*values, *given, most + 1]
    )
    edge = find_edge(wanted, inside, WIDE) if len(rows) <= most and (wanted.outside() or given) else None
    return Whole(rows[:most], len(rows) > most, edge.created_at if edge else None)


def beyond(order: Order, after: str) -> Conditions:
    """Return the condition of what follows a place in an order. Raises ValueError for a place that is none."""
    if not after:
        return []
    place = parsed(after, order)
    return [(f"{order.beyond}({', '.join(['%s'] * len(place))})", place)]


def looked_through(wanted: JobSearch, inside: Conditions, columns: str, window: int) -> tuple[str, list[Any]]:
    """Return a statement, and its values, that selects from the first so many jobs that an index finds those that are wanted."""
    order, outside = wanted.order, wanted.outside()
    statement = f"""
        SELECT {columns} FROM (
            SELECT * FROM offbeat_jobs_job WHERE {_all(order.only, inside)} ORDER BY {order.sql} LIMIT %s
        ) AS looked_through WHERE {_all("true", outside)}
    """  # noqa: S608  names of columns and conditions of this module
    return statement, [*_values(inside), window, *_values(outside)]


def find_edge(wanted: JobSearch, inside: Conditions, window: int) -> Job | None:
    """Return the last job that was looked at, None when all were."""
    order = wanted.order
    columns = ", ".join(dict.fromkeys([*order.columns, "id", "created_at"]))
    statement = f"SELECT {columns} FROM offbeat_jobs_job WHERE {_all(order.only, inside)} ORDER BY {order.sql} OFFSET %s LIMIT 1"  # noqa: S608
    return next(iter(Job.objects.raw(statement, [*_values(inside), window - 1])), None)


def _all(first: str, conditions: Conditions) -> str:
    return " AND ".join([first, *(condition for condition, _ in conditions)])


def _values(conditions: Conditions) -> list[Any]:
    return [part for _, value in conditions for part in (value if isinstance(value, tuple) else (value,))]


def _key(text: str) -> tuple[str, Any]:
    if text.startswith(WHOLE):
        return "key = %s", text.removeprefix(WHOLE)
    try:
        return "id = %s", uuid.UUID(text)
    except ValueError:
        # As an array: joined, PostgreSQL would read all jobs from the newest on until it meets them.
        return (
            f"id = ANY (ARRAY(SELECT id FROM offbeat_jobs_job WHERE key LIKE %s LIMIT {KEYS}))",  # noqa: S608  a constant
            f"{_escaped(text)}%",
        )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def place_of(job: Job, order: Order) -> str:
    """Return where a job stands in an order, as text for an address."""
    values = (getattr(job, column) for column in order.columns)
    return "|".join(value.isoformat() if isinstance(value, datetime) else str(value) for value in values)


def read_moment(text: str) -> datetime:
    """Read a moment that our own pages have written. Raises ValueError for any other text."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or not FIRST <= moment <= LAST:
        raise ValueError(f"no moment of the ledger: {text!r}")
    return moment


READERS = {"id": uuid.UUID, "queue": str, "state": str, "priority": int}


def parsed(place: str, order: Order) -> tuple[Any, ...]:
    """Read what `place_of` has written. Raises ValueError."""
    parts = place.split("|")
    if len(parts) != len(order.columns):
        raise ValueError(f"a place in this order has {len(order.columns)} parts, got {len(parts)}")
    return tuple(
        READERS.get(column, read_moment)(part) for column, part in zip(order.columns, parts, strict=True)
    )
