"""The list of jobs, and one job."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from offbeat.cronjobs.models import Slot
from offbeat.jobs import cancellation, pauses
from offbeat.jobs.models import Job, Worker
from offbeat.ops.access import VIEW_JOBS, staff
from offbeat.ops.audit import acts_on
from offbeat.ops.forms import SearchForm
from offbeat.ops.pages import log_lines, search, timeline
from offbeat.ops.response import show

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse


@require_safe
@staff(VIEW_JOBS)
def jobs(request: HttpRequest) -> HttpResponse:
    form = SearchForm(request.GET)
    wanted = form.wanted()
    after = request.GET.get("after", "")
    try:
        found = search.find(wanted, after)
    except ValueError:  # an address that was cut off or belongs to another search
        found, after = search.find(wanted), ""
    filters = urlencode([(name, value) for name, value in request.GET.items() if value and name != "after"])
    values = {
        "form": form,
        "wanted": wanted,
        "found": found,
        "after": after,
        "filters": filters,
        "now": timezone.now(),
    }
    live = {} if after or found.looked_back_to else {"every": 5}
    return show(request, "offbeat/ops/jobs.html", values | live)


@require_safe
@staff(VIEW_JOBS)
def job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    found = get_object_or_404(Job.objects.select_related("batch"), pk=job_id)
    acts = acts_on(f"job {job_id}", request.user, 20)
    values = {
        "job": found,
        "attempts": timeline.attempts(found),
        "timeline": timeline.timeline(found, acts),
        "slot": Slot.objects.filter(job_id=job_id).first(),
        "worker": Worker.objects.filter(pk=found.worker).first() if found.worker else None,
        "pause": pauses.holding(found),
        "cancel_reason": cancellation.requested_reason(job_id) if found.state == Job.State.RUNNING else None,
        "can_retry": found.state in {Job.State.DEAD, Job.State.CANCELLED, Job.State.EXPIRED},
        "can_discard": found.state in {Job.State.DEAD, Job.State.PENDING, Job.State.PUBLISHED},
        "log_lines": {"query": log_lines.query(found), "link": log_lines.link(found, timezone.now())},
        "every": 10 if found.is_finished else 2,
    }
    return show(request, "offbeat/ops/job.html", values)
