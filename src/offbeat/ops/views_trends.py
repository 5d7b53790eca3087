"""Trends over a day and a week."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.views.decorators.http import require_safe

from offbeat.cronjobs.clock import database_now
from offbeat.ops.access import VIEW_JOBS, staff
from offbeat.ops.pages import trends
from offbeat.ops.pages.trends import SPANS
from offbeat.ops.response import show

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@require_safe
@staff(VIEW_JOBS)
def index(request: HttpRequest) -> HttpResponse:
    span = SPANS.get(request.GET.get("span", ""), SPANS["day"])
    found = trends.gather(database_now(), span, request.GET.get("task", "")[:255])
    return show(request, "offbeat/ops/trends.html", {"trends": found, "spans": SPANS.values(), "every": 60})
