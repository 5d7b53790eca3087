"""Dead letters by task and error: a thousand of one cause are one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from offbeat.jobs import search, sql

if TYPE_CHECKING:
    from datetime import datetime

    from offbeat.jobs.search import JobSearch

MOST = 100  # groups a page


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """The dead letters of one task that have died of one error, whatever names and numbers its text has."""

    task: str
    error: str  # what is left of the text without them
    jobs: int
    first_at: datetime
    last_at: datetime
    newest: str  # the whole text of the newest one


@dataclass(frozen=True)
class GroupsFound:
    """The groups with most jobs first. `looked_back_to` where there are more dead letters than were looked at."""

    groups: list[ErrorGroup]
    is_cut: bool
    looked_back_to: datetime | None


GROUPS = """
    SELECT task, error, count(*), min(finished_at), max(finished_at), (array_agg(reason ORDER BY finished_at DESC))[1]
    FROM ({found}) AS found GROUP BY task, error ORDER BY count(*) DESC, max(finished_at) DESC LIMIT %s
"""


def find_groups(wanted: JobSearch) -> GroupsFound:
    """Return the groups of the dead letters that a search finds, of the newest 50,000."""
    inside = wanted.inside()
    columns = f"task, finished_at, reason, {search.ERROR} AS error"
    statement, values = search.looked_through(wanted, inside, columns, search.WINDOW)
    rows = sql.fetch_all(GROUPS.format(found=statement), [*values, MOST + 1])
    edge = search.find_edge(wanted, inside, search.WINDOW)
    return GroupsFound(
        [ErrorGroup(*row) for row in rows[:MOST]], len(rows) > MOST, edge.created_at if edge else None
    )
