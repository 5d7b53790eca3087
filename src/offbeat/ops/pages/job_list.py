"""A list of jobs with what can be done with it: its filters as an address, its count, its next page, the acts on all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.urls import reverse

from offbeat.jobs import search
from offbeat.jobs.models import Job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offbeat.jobs.search import JobSearch, PageFound

State = Job.State
# Which acts the whole list offers, by the state of its jobs; any state: all of them, each about those that it can be about.
OFFERED = {
    State.DEAD: ("retry", "discard", "move"),
    State.PENDING: ("run-now", "discard", "move"),
    State.PUBLISHED: ("discard", "move"),
    State.CANCELLED: ("retry",),
    State.EXPIRED: ("retry",),
    State.RUNNING: (),
    State.SUCCEEDED: (),
}
EVERY = ("retry", "discard", "run-now", "move")


@dataclass(frozen=True)
class JobList:
    """One page of a list. `filters` are those of the address, `fixed` those that the page itself has, such as its batch."""

    wanted: JobSearch
    found: PageFound
    after: str
    filters: Mapping[str, str]
    fixed: Mapping[str, str]
    path: str  # of the page that shows it

    @property
    def query(self) -> str:
        """Return what the address of an act or an export has of this list."""
        return urlencode({**self.filters, **self.fixed, "back": self.address})

    @property
    def hidden(self) -> dict[str, str]:
        """Return the same, for the form of the selected jobs."""
        return {**self.filters, **self.fixed, "back": self.address, "selected": "yes"}

    @property
    def address(self) -> str:
        """Return where this page is."""
        query = urlencode({**self.filters, **({"after": self.after} if self.after else {})})
        return f"{self.path}?{query}" if query else self.path

    @property
    def start(self) -> str:
        return f"?{urlencode(self.filters)}"

    @property
    def further(self) -> str:
        return f"?{urlencode({**self.filters, 'after': self.found.after})}"

    @property
    def count(self) -> str:
        """Return how many jobs are listed, in words; exactly only where that is cheap."""
        if self.after:
            return ""
        jobs, may_be_more = search.count_found(self.wanted, self.found)
        return f"{jobs:,}{'+' if may_be_more else ''} job{'' if jobs == 1 and not may_be_more else 's'}"

    @property
    def acts(self) -> tuple[str, ...]:
        """Return what may be done with all of it: nothing without a filter, for everything is never meant."""
        if not self.found.jobs or not (self.filters or self.fixed):
            return ()
        return OFFERED[State(self.wanted.state)] if self.wanted.state else EVERY

    @property
    def is_first(self) -> bool:
        """Whether this is the newest of it, which is worth being asked for again and again."""
        return not self.after and self.found.looked_back_to is None


def list_jobs(
    wanted: JobSearch, after: str, filters: Mapping[str, str], fixed: Mapping[str, str], path: str = ""
) -> JobList:
    """Return a page of a list; the first one for a place that was cut off, or belongs to another search."""
    try:
        found = search.find(wanted, after)
    except ValueError:
        found, after = search.find(wanted), ""
    return JobList(wanted, found, after, filters, fixed, path or reverse("offbeat_ops:jobs"))
