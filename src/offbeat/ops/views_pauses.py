"""Pauses of queues and tasks: with a reason, and until a person ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from offbeat.jobs import pauses
from offbeat.ops.access import CHANGE_JOBS, is_open_to, staff
from offbeat.ops.confirmation import act
from offbeat.ops.forms import PauseForm
from offbeat.ops.response import show

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@require_http_methods(["GET", "HEAD", "POST"])
@staff(CHANGE_JOBS)
def pause(request: HttpRequest) -> HttpResponse:
    """Pause a queue or a task, after asking for a reason."""
    form = PauseForm(request.POST or None, initial=request.GET.dict())
    if form.is_valid():
        kind, name, reason = (form.cleaned_data[each] for each in ("kind", "name", "reason"))

        def do() -> tuple[bool, str]:
            found, is_new = pauses.pause(kind, name, reason, request.user.get_username())
            if is_new:
                return True, f"Paused: no job of {found} starts until it is resumed."
            return False, f"Nothing was changed: {found.paused_by} had paused it: {found.reason}"

        try:
            return act(request, "pause", f"{kind} {name}", back(request), do)
        except pauses.UnknownNameError as error:
            form.add_error("name", str(error))
    values = {"form": form, "back": back(request)}
    return show(request, "offbeat/ops/pause.html", values, 422 if form.is_bound else 200)


@require_POST
@staff(CHANGE_JOBS)
def resume(request: HttpRequest) -> HttpResponse:
    """End a pause."""
    kind, name = request.POST.get("kind", ""), request.POST.get("name", "")

    def do() -> tuple[bool, str]:
        done = pauses.resume(kind, name)
        return done, f"Resumed: the jobs of {kind} {name} go on." if done else "It was not paused."

    return act(request, "resume", f"{kind} {name}", back(request), do)


def back(request: HttpRequest) -> str:
    """Return the overview's queues for those who may open it, for others the jobs."""
    overview = reverse("offbeat_ops:index")
    return f"{overview}#queues" if is_open_to(request.user, overview) else reverse("offbeat_ops:jobs")
