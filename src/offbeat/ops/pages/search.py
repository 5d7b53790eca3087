"""Finds jobs, a page at a time, in bounded time however many there are.

Pages follow an index by the values of the last row shown, never by a count of rows. What no index finds (a task, an argument, one
of the states of finished jobs) is looked for among the next 50,000 jobs of that order; the answer says how far it looked.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from offbeat.jobs.models import Job
from offbeat.ops.moments import read_moment
from offbeat.ops.pages.flow import CLOCKS_DIFFER, first_id

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = 50
WINDOW = 50_000  # jobs looked through for one page: some 0.1 s
KEYS = 1_000  # jobs whose key begins with what was typed

COLUMNS = (
    "id, task, args, kwargs, key, state, queue, priority, attempt, batch_id, created_at, due_at, publish_at, published_at, "
    "started_at, finished_at, reason"
)


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


@dataclass(frozen=True)
class JobSearch:
    """Which jobs to find; what is empty does not matter. `key` is a job's id, or how its key begins."""

    state: str = ""
    task: str = ""
    key: str = ""
    argument: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def order(self) -> Order:
        return ORDERS[self.state]

    def inside(self) -> list[tuple[str, Any]]:
        """Return the conditions that an index answers."""
        found: list[tuple[str, Any]] = []
        if self.key:
            found.append(_key(self.key))
        if self.order.columns == ("id",):
            if self.since:
                found.append(("id >= %s", first_id(self.since, -CLOCKS_DIFFER)))
            if self.until:
                found.append(("id < %s", first_id(self.until, CLOCKS_DIFFER)))
        return found

    def outside(self) -> list[tuple[str, Any]]:
        """Return the conditions that each job of the window is compared with."""
        given: list[tuple[str, Any]] = [
            ("state = %s", self.state),
            ("position(lower(%s) IN lower(task)) > 0", self.task),
            ("position(lower(%s) IN lower(args::text || kwargs::text)) > 0", self.argument),
            ("created_at >= %s", self.since),
            ("created_at <= %s", self.until),
        ]
        return [(condition, value) for condition, value in given if value]


@dataclass(frozen=True)
class Found:
    """One page of jobs. `after` leads to the next; `looked_back_to` is set when the search stopped before the page was full."""

    jobs: Sequence[Job]
    after: str = ""
    looked_back_to: datetime | None = None


def find(wanted: JobSearch, after: str = "") -> Found:
    """Return a page of jobs beyond the place `after`, which the page before gave. Raises ValueError for a place that is none."""
    place = parsed(after, wanted.order) if after else None
    inside = [*wanted.inside(), *([(wanted.order.beyond + _marks(place), place)] if place else [])]
    jobs = _page(wanted, inside)
    if len(jobs) > PAGE:
        return Found(jobs[:PAGE], place_of(jobs[PAGE - 1], wanted.order))
    edge = _edge(wanted, inside) if wanted.outside() else None
    return Found(jobs, place_of(edge, wanted.order), edge.created_at) if edge else Found(jobs)


def _page(wanted: JobSearch, inside: Sequence[tuple[str, Any]]) -> list[Job]:
    order, outside = wanted.order, wanted.outside()
    statement = f"""
        SELECT {COLUMNS} FROM (
            SELECT * FROM offbeat_jobs_job WHERE {_all(order.only, inside)} ORDER BY {order.sql} LIMIT %s
        ) AS looked_through WHERE {_all("true", outside)} ORDER BY {order.sql} LIMIT %s
    """  # noqa: S608  names of columns and conditions of this module
    return list(Job.objects.raw(statement, [*_values(inside), WINDOW, *_values(outside), PAGE + 1]))


def _edge(wanted: JobSearch, inside: Sequence[tuple[str, Any]]) -> Job | None:
    """Return the last job that was looked at, None when all were."""
    order = wanted.order
    columns = ", ".join(dict.fromkeys([*order.columns, "id", "created_at"]))
    statement = f"SELECT {columns} FROM offbeat_jobs_job WHERE {_all(order.only, inside)} ORDER BY {order.sql} OFFSET %s LIMIT 1"  # noqa: S608
    return next(iter(Job.objects.raw(statement, [*_values(inside), WINDOW - 1])), None)


def _all(first: str, conditions: Sequence[tuple[str, Any]]) -> str:
    return " AND ".join([first, *(condition for condition, _ in conditions)])


def _values(conditions: Sequence[tuple[str, Any]]) -> list[Any]:
    return [part for _, value in conditions for part in (value if isinstance(value, tuple) else (value,))]


def _marks(place: Sequence[Any]) -> str:
    return f"({', '.join(['%s'] * len(place))})"


def _key(text: str) -> tuple[str, Any]:
    try:
        return "id = %s", uuid.UUID(text)
    except ValueError:
        escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return f"id IN (SELECT id FROM offbeat_jobs_job WHERE key LIKE %s LIMIT {KEYS})", f"{escaped}%"  # noqa: S608


def place_of(job: Job, order: Order) -> str:
    """Return where a job stands in an order, as text for an address."""
    values = (getattr(job, column) for column in order.columns)
    return "|".join(value.isoformat() if isinstance(value, datetime) else str(value) for value in values)


READERS = {"id": uuid.UUID, "queue": str, "priority": int}


def parsed(place: str, order: Order) -> tuple[Any, ...]:
    """Read what `place_of` has written. Raises ValueError."""
    parts = place.split("|")
    if len(parts) != len(order.columns):
        raise ValueError(f"a place in this order has {len(order.columns)} parts, got {len(parts)}")
    return tuple(
        READERS.get(column, read_moment)(part) for column, part in zip(order.columns, parts, strict=True)
    )


def dead_letters(task: str, until: datetime) -> Sequence[uuid.UUID]:
    """Return those that had died by a moment and whose task has this text in its name, the oldest first; a hundred at most."""
    found = Job.objects.filter(state=Job.State.DEAD, task__icontains=task, finished_at__lte=until)
    return list(found.order_by("finished_at").values_list("pk", flat=True)[:100])
