"""The batches, and one batch with its jobs."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db.models import Count
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from offbeat.jobs.batches import count
from offbeat.jobs.models import Batch, Job
from offbeat.ops.access import VIEW_BATCHES, staff
from offbeat.ops.response import show

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

PAGE = 50


@require_safe
@staff(VIEW_BATCHES)
def batches(request: HttpRequest) -> HttpResponse:
    after = place(request.GET.get("after", ""))
    found = Batch.objects.order_by("-id")
    page = list((found.filter(pk__lt=after) if after else found)[: PAGE + 1])
    more = page[PAGE - 1].pk if len(page) > PAGE else None
    values = {"batches": count(page[:PAGE]), "more": more, "after": after}
    return show(request, "offbeat/ops/batches.html", values | ({} if after else {"every": 3}))


def place(text: str) -> UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


@require_safe
@staff(VIEW_BATCHES)
def batch(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    (found,) = count(
        [get_object_or_404(Batch.objects.select_related("success_job", "failure_job"), pk=batch_id)]
    )
    jobs = Job.objects.filter(batch=found)
    states = dict(jobs.values_list("state").annotate(jobs=Count("pk")).order_by("state"))
    unwell = (
        jobs.exclude(state=Job.State.SUCCEEDED).defer("history", "traceback").order_by("-state", "id")[:PAGE]
    )
    values = {"batch": found, "states": states, "unwell": unwell, "every": 10 if found.finished_at else 2}
    return show(request, "offbeat/ops/batch.html", values)
