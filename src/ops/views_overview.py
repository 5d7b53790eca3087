"""The overview, and the page of all cronjobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.views.decorators.http import require_safe

from cronjobs import entries, monitoring, table
from ops.access import staff
from ops.pages import overview
from ops.showing import show

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@require_safe
@staff
def index(request: HttpRequest) -> HttpResponse:
    return show(request, "ops/overview.html", {"overview": overview.gather(), "every": 5})


@require_safe
@staff
def cronjobs(request: HttpRequest) -> HttpResponse:
    reports = monitoring.reports()
    return show(
        request,
        "ops/cronjobs.html",
        {
            "reports": overview.ordered(reports),
            "unknown": table.not_known_yet(entries.in_file(), reports),
            "every": 10,
        },
    )
