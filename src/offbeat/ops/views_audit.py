"""The audit trail, to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.views.decorators.http import require_safe

from offbeat.ops.access import VIEW_AUDIT, staff
from offbeat.ops.audit import WITH_OTHERS
from offbeat.ops.models import AuditEntry
from offbeat.ops.response import show

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

PAGE = 50


@require_safe
@staff(VIEW_AUDIT)
def trail(request: HttpRequest) -> HttpResponse:
    after, who = request.GET.get("after", ""), request.GET.get("who", "")
    found = AuditEntry.objects.exclude(result=WITH_OTHERS).order_by("-id")
    if who:
        found = found.filter(who=who)
    if after.isdecimal() and len(after) < 19:  # what fits a bigint
        found = found.filter(pk__lt=int(after))
    entries = list(found[: PAGE + 1])
    more = entries[PAGE - 1].pk if len(entries) > PAGE else None
    return show(
        request,
        "offbeat/ops/audit.html",
        {"entries": entries[:PAGE], "more": more, "after": after, "who": who},
    )
