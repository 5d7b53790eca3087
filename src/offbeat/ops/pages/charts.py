"""Charts of trends, drawn by the server as SVG: bars of what ended, lines of how long it took. Classes colour them.

They are stretched to the page's width, so no text is in them: the page has that beside them, and a table of the numbers below.
"""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

from django.utils.safestring import SafeString, mark_safe

from offbeat.cronjobs.words import stamp
from offbeat.ops.pages.seconds import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from offbeat.ops.pages.trends import Point

WIDTH, HEIGHT = 600, 120  # units of the drawing, not pixels
LEAST = 2  # of a bar that is there at all

Pair = tuple[float | None, float | None]


def ended(points: Sequence[Point], label: str) -> SafeString:
    """Draw a bar for each step: at its foot what failed, above it what was cancelled, then what succeeded."""
    most = max((point.ends.jobs for point in points), default=0) or 1
    step = WIDTH / len(points)
    body = []
    for place, point in enumerate(points):
        text = (
            f"{point.ends.jobs:,} ended, {point.ends.failed:,} failed"
            if point.is_known
            else "not counted yet"
        )
        bars = "".join(_bars(point, place * step, step, HEIGHT / most))
        body.append(_step(place, step, point, text, bars))
    return _svg(label, "".join(body))


def _bars(point: Point, left: float, step: float, scale: float) -> Iterator[str]:
    ends, foot = point.ends, float(HEIGHT)
    for kind, jobs in (("failed", ends.failed), ("cancelled", ends.cancelled), ("succeeded", ends.succeeded)):
        if jobs:
            height = max(LEAST, jobs * scale)
            foot = max(0.0, foot - height)
            place = (
                f'x="{left + step * 0.1:.1f}" y="{foot:.1f}" width="{step * 0.8:.1f}" height="{height:.1f}"'
            )
            yield f'<rect class="bar-{kind}" {place}/>'


def lines(points: Sequence[Point], of: Callable[[Point], Pair], label: str) -> SafeString:
    """Draw the median and the 95th percentile; a step in which nothing ran is a gap, one alone a dot."""
    most = highest(points, of) or 1
    step = WIDTH / len(points)
    pairs = [of(point) for point in points]
    body = "".join(
        _line(kind, [pair[which] for pair in pairs], most) for which, kind in ((1, "p95"), (0, "p50"))
    )
    areas = "".join(_step(place, step, point, _in_words(of(point)), "") for place, point in enumerate(points))
    return _svg(label, body + areas)


def highest(points: Sequence[Point], of: Callable[[Point], Pair]) -> float | None:
    """Return the longest of the times, which the scale goes up to; None where nothing ran."""
    return max((value for point in points for value in of(point) if value is not None), default=None)


def _line(kind: str, values: Sequence[float | None], most: float) -> str:
    step, found = WIDTH / len(values), []
    placed = [
        None if value is None else f"{(place + 0.5) * step:.1f} {HEIGHT - (HEIGHT - 4) * value / most:.1f}"
        for place, value in enumerate(values)
    ]
    for is_gap, run in groupby(placed, key=lambda each: each is None):
        if not is_gap:
            found.append("M" + " L".join(filter(None, run)) + " h0")  # h0: a line of no length has round ends
    return f'<path class="{kind}" d="{" ".join(found)}"/>' if found else ""


def _in_words(pair: Pair) -> str:
    median, most = pair
    if median is None or most is None:
        return "nothing ran"
    return f"half within {in_words(median)}, 95 % within {in_words(most)}"


def _step(place: int, step: float, point: Point, text: str, body: str) -> str:
    title = escape(f"{stamp(point.begin)} to {stamp(point.end)}: {text}")
    kind = "area" if point.is_known else "area unknown"
    area = f'<rect class="{kind}" x="{place * step:.1f}" y="0" width="{step:.1f}" height="{HEIGHT}"/>'
    unknown = (
        ""
        if point.is_known
        else f'<rect class="unknown" x="{place * step:.1f}" y="0" width="{step:.1f}" height="{HEIGHT}"/>'
    )
    return f"<g><title>{title}</title>{unknown}{area}{body}</g>"


def _svg(label: str, body: str) -> SafeString:
    return mark_safe(  # noqa: S308  every text in it is escaped above
        f'<svg class="chart" role="img" aria-label="{escape(label)}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'preserveAspectRatio="none" focusable="false">{body}</svg>'
    )
