"""What has finished, as `manage.py jobs stats` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from offbeat.jobs.finished import SPANS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.jobs.finished import Finished, FinishedCounts

ROW = "{:>10}  {:>8}  {:>10}  {:>8}  {:>10}  {:>8}  {}"


def values(found: FinishedCounts) -> dict[str, Any]:
    """Return the counts as JSON has them."""
    return {
        "all": _values(found.all),
        f"by_{found.by}": {each.name: _values(each) for each in found.each},
        "counted_back_to": found.counted_back_to.isoformat() if found.counted_back_to else None,
    }


def _values(found: Finished) -> dict[str, dict[str, int]]:
    return {span: {"jobs": found.jobs[span], "failed": found.failed[span]} for span in SPANS}


def table(found: FinishedCounts) -> Iterator[str]:
    """Yield a row for each task or queue, and one for all."""
    if not found.each:
        yield "finished in the last week: none"
        return
    yield ROW.format(
        "last hour", "failed", "last day", "failed", "last week", "failed", f"finished, by {found.by}"
    )
    for each in found.each:
        yield _row(each, each.name)
    yield _row(found.all, "all")
    if found.counted_back_to:
        yield f"there are more: counted back to {found.counted_back_to:%Y-%m-%d %H:%MZ}"


def _row(found: Finished, name: str) -> str:
    counts = (f"{counts[span]:,}" for span in SPANS for counts in (found.jobs, found.failed))
    return ROW.format(*counts, name)
