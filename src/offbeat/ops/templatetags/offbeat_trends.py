"""How trends show numbers and pictures."""

from __future__ import annotations

from datetime import timedelta
from operator import attrgetter
from typing import TYPE_CHECKING

from django import template

from offbeat.ops.pages import charts
from offbeat.ops.pages.seconds import in_words

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

    from offbeat.ops.pages.trends import Point, Trends

NOTHING = "\N{EN DASH}"  # what stands where nothing ran

register = template.Library()


@register.simple_tag
def chart_of_ends(trends: Trends) -> SafeString:
    ends = trends.total.ends
    label = f"Jobs that ended in the {trends.span.title}: {ends.jobs:,}, of which {ends.failed:,} failed"
    return charts.ended(trends.points, label)


@register.simple_tag
def chart_of_times(trends: Trends, name: str) -> SafeString:
    of = attrgetter(name)
    label = (
        f"{name.capitalize()} of attempts in the {trends.span.title}: {_median_and_most(of(trends.total))}"
    )
    return charts.lines(trends.points, of, label)


def _median_and_most(pair: tuple[float | None, float | None]) -> str:
    return f"half within {measured(pair[0])}, 95 % within {measured(pair[1])}" if pair[0] else "none"


@register.filter
def most_ended(trends: Trends) -> int:
    return max(point.ends.jobs for point in trends.points)


@register.simple_tag
def longest(trends: Trends, name: str) -> str:
    return measured(charts.highest(trends.points, attrgetter(name)))


@register.filter
def measured(seconds: float | None) -> str:
    return NOTHING if seconds is None else in_words(seconds)


@register.filter
def per_hour(point: Point) -> str:
    """Show how many jobs ended in an hour."""
    hours = (point.end - point.begin) / timedelta(hours=1)
    rate = point.ends.jobs / hours if hours > 0 else 0
    return f"{rate:,.0f}" if rate >= 10 or not rate else f"{rate:.1g}"


@register.filter
def thousands(count: int) -> str:
    return f"{count:,}"
