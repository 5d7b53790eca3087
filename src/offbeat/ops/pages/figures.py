"""Small pictures drawn by the server, as SVG: a strip of slots, a sparkline. Classes colour them: the policy allows no style."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

from django.utils.safestring import SafeString, mark_safe

from offbeat.cronjobs.statuses import STRIP
from offbeat.cronjobs.words import stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from offbeat.cronjobs.history import PastSlot

PITCH, HEIGHT = 9, 28  # pixels from slot to slot, and of a bar that wants attention
# How high a bar stands: what went well is calm, what failed stands out by its shape as well as by its colour.
HEIGHTS = {
    "succeeded": 18,
    "running": 18,
    "published": 12,
    "pending": 12,
    "enqueued": 18,
    "skipped": 5,
    "cancelled": 5,
}


def strip(slots: Sequence[PastSlot], place_of: Callable[[PastSlot], str]) -> SafeString:
    """Draw the newest slots, oldest first, each a link to an escaped address; at the left, room for those that are still to come.

    For a mouse: thirty stops a cronjob would be too many for a keyboard, and nine pixels too few for a thumb. For both the page
    lays one link over the strip, to a list as good.
    """
    empty = STRIP - len(slots)
    ghosts = "".join(_bar(place, 3, "none") for place in range(empty))
    bars = "".join(_link(empty + place, slot, place_of(slot)) for place, slot in enumerate(slots))
    size = f'viewBox="0 0 {STRIP * PITCH} {HEIGHT}" width="{STRIP * PITCH}" height="{HEIGHT}"'
    drawn = f'<svg class="strip" aria-hidden="true" {size} focusable="false">{ghosts}{bars}</svg>'
    return mark_safe(drawn)  # noqa: S308  every text in it is escaped


def _link(place: int, slot: PastSlot, address: str) -> str:
    drawn = _bar_with_area(place, HEIGHTS.get(slot.became, HEIGHT), slot.became)
    return f'<a href="{address}" tabindex="-1"><title>{escape(slot.in_words)}</title>{drawn}</a>'


@lru_cache(maxsize=1_000)  # a page of two hundred cronjobs has six thousand bars
def _bar_with_area(place: int, height: int, kind: str) -> str:
    # The clear area above a low bar belongs to it: a tooltip must not ask for a steady hand.
    area = f'<rect class="area" x="{place * PITCH}" y="0" width="{PITCH}" height="{HEIGHT}"/>'
    return area + _bar(place, height, kind)


def _bar(place: int, height: int, kind: str) -> str:
    return f'<rect class="slot {kind}" x="{place * PITCH + 1}" y="{HEIGHT - height}" width="{PITCH - 3}" height="{height}" rx="2"/>'


def summary(slots: Sequence[PastSlot]) -> str:
    """Return what a strip says to those who do not see it."""
    if not slots:
        return "No slots yet"
    counts: Counter[str] = _counted(slots)
    parts = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
    last = slots[-1]
    return f"The last {len(slots)} slots: {parts}. The newest, {stamp(last.slot)}, {last.became}."


def _counted(slots: Sequence[PastSlot]) -> Counter[str]:
    return Counter(slot.became for slot in slots)


def sparkline(came: Sequence[int], went: Sequence[int], label: str) -> SafeString:
    """Draw jobs that came (an area) and went (a line) in each minute, on one scale."""
    width, height, most = 120, 28, max(1, *came, *went)
    step = width / (len(came) - 1)

    def points(values: Sequence[int]) -> str:
        return " ".join(
            f"{index * step:.1f},{height - 1 - (height - 3) * value / most:.1f}"
            for index, value in enumerate(values)
        )

    body = (
        f'<polygon class="came" points="0,{height - 1} {points(came)} {width},{height - 1}"/>'
        f'<polyline class="went" points="{points(went)}"/>'
    )
    return _svg("sparkline", width, height, label, body)


def _svg(kind: str, width: int, height: int, label: str, body: str) -> SafeString:
    return mark_safe(  # noqa: S308  every text in it is escaped above
        f'<svg class="{kind}" role="img" aria-label="{escape(label)}" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" focusable="false">{body}</svg>'
    )
