"""The list as JSON: subscribe, and look how far the mail is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.http import JsonResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from newsletter.forms import SubscribeForm
from newsletter.subscription import subscribe
from offbeat.jobs import Job

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest


@csrf_exempt  # a foreign page can send a form here, but no application/json
@never_cache
@require_POST
def subscribers(request: HttpRequest) -> JsonResponse:
    """Take {"email": …} and answer 202 with the job that mails it."""
    if request.content_type != "application/json":
        return problem(
            415, "body", f"should be application/json, got {request.content_type or 'no content type'}"
        )
    try:
        values = json.loads(request.body)
    except (ValueError, RecursionError):  # a stranger's brackets may be nested as deep as they like
        return problem(400, "body", "should be JSON")
    if not isinstance(values, dict):
        return problem(400, "body", 'should be an object like {"email": "name@example.com"}')
    form = SubscribeForm(values)
    if not form.is_valid():
        return JsonResponse(
            {"errors": {field: list(texts) for field, texts in form.errors.items()}}, status=400
        )
    return accepted(subscribe(form.cleaned_data["email"]))


@never_cache
@require_safe
def job(_request: HttpRequest, job_id: UUID) -> JsonResponse:
    """Tell a job's state and progress, and nothing of what it works on: whoever knows the id may ask."""
    found = Job.objects.filter(pk=job_id).first()
    if not found:
        return problem(404, "job", "there is none with this id")
    progress = {"done": found.progress_done, "total": found.progress_total}
    return JsonResponse(
        {"job": found.pk, "state": found.state, "finished": found.is_finished, "progress": progress}
    )


def accepted(new: Job) -> JsonResponse:
    url = reverse("newsletter:job", args=[new.pk])
    return JsonResponse({"job": new.pk, "url": url}, status=202, headers={"Location": url})


def problem(status: int, field: str, message: str) -> JsonResponse:
    return JsonResponse({"errors": {field: [message]}}, status=status)
