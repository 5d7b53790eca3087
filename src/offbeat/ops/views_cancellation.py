"""The cancel of a job that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from offbeat.jobs import cancellation
from offbeat.jobs.cancellation import Cancelled
from offbeat.jobs.conf import conf
from offbeat.jobs.models import Job
from offbeat.ops.access import CHANGE_JOBS, staff
from offbeat.ops.confirmation import act
from offbeat.ops.forms import CancelForm
from offbeat.ops.response import show

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

RESULTS = {
    Cancelled.AT_ONCE: "Cancelled: it did not run.",
    Cancelled.ASKED: "Its worker is asked to end it.",
    Cancelled.ASKED_BEFORE: "Nothing was changed: its worker had been asked to end it.",
    Cancelled.TOO_LATE: "Nothing was changed: the job has ended.",
}


@require_http_methods(["GET", "HEAD", "POST"])
@staff(CHANGE_JOBS)
def cancel(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Have a running job ended, after asking, with a reason if one is given."""
    job = get_object_or_404(Job, pk=job_id)
    address = reverse("offbeat_ops:job", args=[job_id])
    form = CancelForm(request.POST or None)
    if not form.is_valid():
        values = {"job": job, "form": form, "back": address, "grace": conf().cancel_grace}
        return show(request, "offbeat/ops/cancel.html", values, 422 if form.is_bound else 200)

    def do() -> tuple[bool, str]:
        reason = cancellation.reason_of(form.cleaned_data["reason"], request.user.get_username())
        done = cancellation.cancel(job_id, reason)
        return done in {Cancelled.AT_ONCE, Cancelled.ASKED}, RESULTS[done]

    return act(request, "cancel", f"job {job_id}", address, do)
