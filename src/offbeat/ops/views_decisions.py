"""What a person decides about jobs: retry, discard, run again; one job. About many: `views_selection`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from offbeat.jobs import decisions
from offbeat.jobs.models import Job
from offbeat.ops.access import CHANGE_JOBS, staff
from offbeat.ops.confirmation import Question, act, ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

TOO_LATE = "Nothing was done: the job is {} by now."


@require_POST
@staff(CHANGE_JOBS)
def retry(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Make a dead, cancelled or expired job due again."""
    return decide(request, "retry", job_id, lambda: decisions.retry(job_id), "Retried: the job is due again.")


@require_http_methods(["GET", "HEAD", "POST"])
@staff(CHANGE_JOBS)
def discard(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Cancel a dead letter or a job that waits, after asking."""
    job = get_object_or_404(Job, pk=job_id)
    if request.method != "POST":
        text = f"{job.task} will not be run. It stays in the ledger as cancelled until it is pruned, and can be retried until then."
        return ask(request, Question("Discard this job?", text, "Discard the job", address(job_id)))
    reason = f"discarded by {request.user.get_username()}"
    return decide(request, "discard", job_id, lambda: decisions.discard(job_id, reason), "Discarded.")


@require_http_methods(["GET", "HEAD", "POST"])
@staff(CHANGE_JOBS)
def run_again(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Enqueue a copy of a job, after asking: its effects may happen a second time."""
    job = get_object_or_404(Job, pk=job_id)
    if request.method != "POST":
        text = f"A new job of {job.task} with the same arguments is enqueued. The effects of this job may happen a second time."
        return ask(request, Question("Run this job again?", text, "Run it again", address(job_id)))

    def do() -> tuple[bool, str]:
        return True, f"Enqueued again as job {decisions.run_again(job_id).pk}."

    return act(request, "run again", f"job {job_id}", address(job_id), do)


def decide(
    request: HttpRequest, name: str, job_id: UUID, decision: Callable[[], bool], done: str
) -> HttpResponse:
    get_object_or_404(Job, pk=job_id)

    def do() -> tuple[bool, str]:
        if decision():
            return True, done
        return False, TOO_LATE.format(
            Job.objects.get(pk=job_id).state
        )  # a worker, or somebody else, was faster

    return act(request, name, f"job {job_id}", address(job_id), do)


def address(job_id: UUID) -> str:
    return reverse("offbeat_ops:job", args=[job_id])
