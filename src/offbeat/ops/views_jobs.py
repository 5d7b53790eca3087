"""The list of jobs, the dead letters by their errors, the list as a file, and one job."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from offbeat.cronjobs.models import Slot
from offbeat.jobs import cancellation, error_groups, export, pauses
from offbeat.jobs.models import Job, Worker
from offbeat.ops.access import VIEW_JOBS, staff
from offbeat.ops.audit import acts_on
from offbeat.ops.forms import DeadLetterForm, SearchForm
from offbeat.ops.pages import log_lines, timeline
from offbeat.ops.pages.job_list import list_jobs
from offbeat.ops.response import show

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase


@require_safe
@staff(VIEW_JOBS)
def jobs(request: HttpRequest) -> HttpResponse:
    form = SearchForm(request.GET)
    listed = list_jobs(form.wanted(), request.GET.get("after", ""), form.filters(), {})
    values = {"form": form, "list": listed, "found": listed.found}
    return show(request, "offbeat/ops/jobs.html", values | ({"every": 5} if listed.is_first else {}))


@require_safe
@staff(VIEW_JOBS)
def dead_letters(request: HttpRequest) -> HttpResponse:
    """Show the dead letters by task and error."""
    form = DeadLetterForm(request.GET)
    found = error_groups.find_groups(form.wanted())
    filters = form.filters()
    groups = [(group, _query_of(filters, group, request.get_full_path())) for group in found.groups]
    values = {"form": form, "found": found, "groups": groups, "filters": filters, "every": 10}
    return show(request, "offbeat/ops/dead_letters.html", values)


def _query_of(filters: dict[str, str], group: error_groups.ErrorGroup, back: str) -> dict[str, str]:
    """Return the addresses' part that names a group: of its list, and of the acts on it."""
    own = {**filters, "state": Job.State.DEAD.value, "task": f"={group.task}"}
    own["error"] = f"={group.error}"
    return {"list": urlencode(own), "act": urlencode({**own, "back": back})}


@require_safe
@staff(VIEW_JOBS)
def export_jobs(request: HttpRequest) -> HttpResponseBase:
    """Send what is listed as a file, at most 10,000 jobs; its name says where there are more."""
    form = SearchForm(request.GET)
    wanted = form.wanted()
    if not form.is_valid():  # the list says what is wrong
        return redirect(f"{reverse('offbeat_ops:jobs')}?{urlencode(form.filters())}")
    kind = request.GET.get("format", "")
    content_type, lines = export.FORMATS.get(kind, export.FORMATS["csv"])
    found = export.find_ids(wanted)
    cut = f"-first-{len(found.rows)}" if found.is_cut or found.looked_back_to else ""
    name = f"jobs-{timezone.now():%Y-%m-%dT%H%MZ}{cut}.{kind if kind in export.FORMATS else 'csv'}"
    return StreamingHttpResponse(
        lines(export.stream_jobs([row[0] for row in found.rows])),
        content_type=f"{content_type}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


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
        "can_run_now": found.state == Job.State.PENDING and found.due_at > timezone.now(),
        "alone": urlencode({"job": job_id, "selected": "yes", "back": request.path}),
        "every": 10 if found.is_finished else 2,
    }
    return show(request, "offbeat/ops/job.html", values)
