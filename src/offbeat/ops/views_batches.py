"""The batches, and one batch with its jobs."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from offbeat.jobs import queries
from offbeat.jobs.batches import count
from offbeat.jobs.models import Batch
from offbeat.jobs.search import JobSearch
from offbeat.ops.access import VIEW_BATCHES, staff
from offbeat.ops.forms import StateForm
from offbeat.ops.pages.job_list import list_jobs
from offbeat.ops.response import show

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

PAGE = 50
MOST = 10_000  # jobs of a state that are counted


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
    form = StateForm(request.GET)
    state = form.cleaned_data["state"] if form.is_valid() else ""
    filters = {"state": state} if state else {}
    wanted = JobSearch(state=state, batch=batch_id)
    listed = list_jobs(wanted, request.GET.get("after", ""), filters, {"batch": str(batch_id)}, request.path)
    values = {"batch": found, "states": states_of(batch_id), "list": listed}
    every = {"every": 10 if found.finished_at else 2} if listed.is_first else {}
    return show(request, "offbeat/ops/batch.html", values | every)


def states_of(batch_id: UUID) -> dict[str, str]:
    """Return how many jobs of a batch are in each state, in words: counted up to 10,000."""
    counted = queries.count_batch(batch_id, MOST)
    return {state: f"{MOST:,}+" if jobs > MOST else f"{jobs:,}" for state, jobs in counted.items()}
