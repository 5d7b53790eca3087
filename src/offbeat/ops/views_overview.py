"""The overview, and the page of all cronjobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.views.decorators.http import require_safe

from offbeat.cronjobs import table
from offbeat.cronjobs.clock import database_now
from offbeat.ops.access import VIEW_CRONJOBS, VIEW_JOBS, staff
from offbeat.ops.pages import overview
from offbeat.ops.pages.reports import reports
from offbeat.ops.response import show

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@require_safe
@staff(VIEW_JOBS, VIEW_CRONJOBS)
def index(request: HttpRequest) -> HttpResponse:
    found = overview.gather()
    values = {"overview": found, "remedies": found.remedies, "every": 5}
    return show(request, "offbeat/ops/overview.html", values)


@require_safe
@staff(VIEW_CRONJOBS)
def cronjobs(request: HttpRequest) -> HttpResponse:
    found, declared = reports(database_now())
    unknown = table.not_known_yet(declared.platform.cronjobs, found)
    return show(
        request,
        "offbeat/ops/cronjobs.html",
        {"reports": overview.ordered(found), "unknown": unknown, "every": 10},
    )
