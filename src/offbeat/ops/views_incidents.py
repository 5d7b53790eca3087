"""Who is looking at what is wrong: a person takes it, takes it over, or lets go of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from offbeat.ops import conditions
from offbeat.ops.access import CHANGE_JOBS, is_open_to, staff
from offbeat.ops.alerts import acknowledgement
from offbeat.ops.confirmation import act
from offbeat.ops.forms import AcknowledgeForm
from offbeat.ops.response import show
from offbeat.ops.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse, QueryDict

    from offbeat.condition import Condition

TOO_LATE = "Nothing was changed: meanwhile {}."


@require_http_methods(["GET", "HEAD", "POST"])
@staff(CHANGE_JOBS)
def acknowledge(request: HttpRequest) -> HttpResponse:
    """Write down that a person is looking at a condition, after asking for a note."""
    given = request.POST if request.method == "POST" else request.GET
    condition = find_condition(given)
    if condition is None:
        return say_over(request)
    form = AcknowledgeForm(given) if request.method == "POST" else AcknowledgeForm(initial=initial(condition))
    if request.method != "POST" or not form.is_valid():
        values = {
            "condition": condition,
            "known": condition.acknowledged,
            "form": form,
            "back": back(request, condition),
        }
        return show(request, "offbeat/ops/acknowledge.html", values, 422 if form.is_bound else 200)
    who, note = request.user.get_username(), form.cleaned_data["note"]

    def do() -> bool:
        return acknowledgement.acknowledge(condition, who, note, form.cleaned_data["seen"])

    return change(
        request, "acknowledge", condition, do, f"{who} is looking at it{f': {note}' if note else '.'}"
    )


@require_POST
@staff(CHANGE_JOBS)
def release(request: HttpRequest) -> HttpResponse:
    """Write down that nobody is looking at a condition any more."""
    condition, form = find_condition(request.POST), AcknowledgeForm(request.POST)
    if condition is None:
        return say_over(request)
    form.is_valid()

    def do() -> bool:
        return acknowledgement.release(condition, form.cleaned_data.get("seen"))

    return change(request, "release", condition, do, "Nobody is looking at it now.")


def find_condition(given: QueryDict) -> Condition | None:
    """Return what is wrong now of the kind and subject that are given."""
    wanted = given.get("kind", ""), given.get("subject", "")
    found = conditions.find(Snapshot.take()).conditions
    same = [each for each in found if (each.kind.name, each.subject) == wanted]
    return next(iter(acknowledgement.add_incidents(same)), None)


def initial(condition: Condition) -> dict[str, str]:
    known = condition.acknowledged
    seen = known.at.isoformat() if known else ""
    return {"kind": condition.kind.name, "subject": condition.subject, "seen": seen}


def say_over(request: HttpRequest) -> HttpResponse:
    messages.warning(request, "Nothing was changed: this is over.")
    return redirect("offbeat_ops:index")


def change(
    request: HttpRequest, name: str, condition: Condition, do: Callable[[], bool], done: str
) -> HttpResponse:
    def change_and_report() -> tuple[bool, str]:
        if do():
            return True, done
        now = next(iter(acknowledgement.add_incidents([condition]))).acknowledged
        return False, TOO_LATE.format(now or "nobody is looking at it")

    is_of_cronjob = condition.kind.name in conditions.OF_CRONJOBS
    subject = f"{'cronjob' if is_of_cronjob else condition.kind.name} {condition.subject}"
    act(request, name, subject, conditions.path_of(condition.kind.name, condition.subject), change_and_report)
    return redirect(back(request, condition))


def back(request: HttpRequest, condition: Condition) -> str:
    """Return the overview for those who may open it, for others the condition's own place."""
    overview = reverse("offbeat_ops:index")
    own = conditions.path_of(condition.kind.name, condition.subject)
    return overview if is_open_to(request.user, overview) else own
