"""The overview, and the page of all cronjobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.views.decorators.http import require_safe

from cronjobs import table
from cronjobs.clock import database_now
from ops.access import staff
from ops.pages import overview
from ops.pages.reports import reports
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
    found, declared = reports(database_now())
    unknown = table.not_known_yet(declared.platform.cronjobs, found)
    return show(
        request, "ops/cronjobs.html", {"reports": overview.ordered(found), "unknown": unknown, "every": 10}
    )
