"""How the ops pages show the newest slots of a cronjob: as a strip, as bars to press, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import template
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import mark_safe

from offbeat.ops.access import VIEW_JOBS
from offbeat.ops.pages import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from django.utils.safestring import SafeString

    from offbeat.cronjobs.history import PastSlot
    from offbeat.cronjobs.statuses import Report

register = template.Library()


@register.simple_tag(takes_context=True)
def strip(context: Mapping[str, Any], report: Report) -> SafeString:
    return figures.strip(report.slots, places(context, report))


@register.simple_tag(takes_context=True)
def slots_with_places(context: Mapping[str, Any], report: Report) -> Iterator[tuple[PastSlot, SafeString]]:
    place_of = places(context, report)
    return ((slot, mark_safe(place_of(slot))) for slot in report.slots)  # noqa: S308  escaped below


def places(context: Mapping[str, Any], report: Report) -> Callable[[PastSlot], str]:
    """Return what says, as HTML, where a slot leads: to its job, or to its row where it has none, or none that one may see."""
    jobs, own = reverse("offbeat_ops:jobs"), escape(reverse("offbeat_ops:cronjob", args=[report.name]))
    may_see_jobs = context["request"].user.has_perm(VIEW_JOBS)

    def place_of(slot: PastSlot) -> str:
        if slot.state and may_see_jobs:
            return f"{jobs}{slot.job_id}/"
        day = slot.slot.astimezone(report.schedule.zone).date()
        return f"{own}?day={day}#{row_id(slot)}"

    return place_of


@register.filter
def row_id(slot: PastSlot) -> str:
    """Return the id of a slot's row."""
    return f"slot-{slot.slot.timestamp():.0f}"


@register.filter
def summary(report: Report) -> str:
    return figures.summary(report.slots)
