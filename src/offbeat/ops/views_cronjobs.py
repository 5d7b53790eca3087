"""One cronjob, and what a person decides about it: run now, pause, resume, backfill."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from offbeat.cronjobs import controls, entries
from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.conditions import NO_SUCCESS
from offbeat.cronjobs.models import CronJob
from offbeat.cronjobs.policies import TooManySlotsError
from offbeat.cronjobs.row_lock import CronJobHeldError
from offbeat.cronjobs.words import counted, stamp
from offbeat.ops.access import CHANGE_CRONJOBS, VIEW_CRONJOBS, staff
from offbeat.ops.alerts.acknowledgement import add_incidents
from offbeat.ops.alerts.models import Incident
from offbeat.ops.audit import acts_on
from offbeat.ops.conditions import OF_CRONJOBS
from offbeat.ops.confirmation import Question, act, ask
from offbeat.ops.forms import BackfillForm
from offbeat.ops.pages import calendar
from offbeat.ops.pages.reports import reports
from offbeat.ops.remedies import Remedies, count_dead
from offbeat.ops.response import show

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from offbeat.cronjobs.entries import Entry
    from offbeat.cronjobs.statuses import Report


@require_safe
@staff(VIEW_CRONJOBS)
def cronjob(request: HttpRequest, name: str) -> HttpResponse:
    now = database_now()
    report, entry = load_report(name, now)
    task = entry.command.task.name if entry else ""
    has_none = any(each.kind is NO_SUCCESS for each in report.conditions)
    dead = {task: count_dead(task)} if task and has_none else {}
    day = parse_day(request.GET.get("day", ""))
    values = {
        "report": report,
        "conditions": add_incidents(report.conditions),
        "entry": entry,
        "task": task,  # its name: a template would call a task that it meets
        "remedies": Remedies({name: report}, {name: task}, dead),
        "day": day,
        "weeks": calendar.weeks(report, now),
        "slots": calendar.slots_of(report, day),
        "coming": calendar.coming(report, now),
        "incidents": incidents_of(name),
        "acts": acts_on(f"cronjob {name}", request.user, 5),
        "every": 5,
    }
    return show(request, "offbeat/ops/cronjob.html", values)


def incidents_of(name: str) -> QuerySet[Incident]:
    opened = Incident.objects.filter(kind__in=OF_CRONJOBS, subject=name, opened_at__isnull=False)
    return opened.order_by("-opened_at")[:5]


def load_report(name: str, now: datetime) -> tuple[Report, Entry | None]:
    """Return how a cronjob is, and how the code knows it: None when it cannot be woken up, which its report explains.

    Raises Http404 for a name that the ledger does not know.
    """
    found, declared = reports(now)
    for each in found:
        if each.name == name:
            return each, declared.known.get(name)
    raise Http404(f"the ledger has no cronjob {name}")


def find_entry(name: str) -> Entry:
    try:
        return entries.find_known(name)
    except entries.ConfigurationError as error:
        raise Http404(str(error)) from None


def require_cronjob(name: str) -> None:
    if not CronJob.objects.filter(pk=name).exists():
        raise Http404(f"the ledger has no cronjob {name}")


def parse_day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if date.min < day < date.max else None  # it has a beginning and an end in every time zone


def address(name: str) -> str:
    return reverse("offbeat_ops:cronjob", args=[name])


@require_http_methods(["GET", "HEAD", "POST"])
@staff(CHANGE_CRONJOBS)
def run_now(request: HttpRequest, name: str) -> HttpResponse:
    """Enqueue one job beside the schedule, after asking."""
    entry = find_entry(name)
    if request.method != "POST":
        text = f"One job of {entry.command.task.name} is enqueued at once, independent of the schedule."
        return ask(
            request, Question(f"Run {name} now?", text, "Run it now", address(name), is_dangerous=False)
        )

    def do() -> tuple[bool, str]:
        result = controls.run_now(entry, request.user.get_username())
        return True, f"Enqueued as job {next(iter(result.jobs.values()))}."

    return act(request, "run now", f"cronjob {name}", address(name), do)


@require_POST
@staff(CHANGE_CRONJOBS)
def pause(request: HttpRequest, name: str) -> HttpResponse:
    require_cronjob(name)

    def do() -> tuple[bool, str]:
        done = controls.pause(name, request.user.get_username())
        return done, "Paused: nothing is enqueued until it is resumed." if done else "It was paused already."

    return act(request, "pause", f"cronjob {name}", address(name), do)


@require_POST
@staff(CHANGE_CRONJOBS)
def resume(request: HttpRequest, name: str) -> HttpResponse:
    require_cronjob(name)

    def do() -> tuple[bool, str]:
        done = controls.resume(name)
        return done, "Resumed: it continues with the next slot." if done else "It was not paused."

    return act(request, "resume", f"cronjob {name}", address(name), do)


@require_http_methods(["GET", "HEAD", "POST"])
@staff(CHANGE_CRONJOBS)
def backfill(request: HttpRequest, name: str) -> HttpResponse:
    """Show which slots of a time have no job; by POST, enqueue them."""
    entry = find_entry(name)
    given = request.POST if request.method == "POST" else request.GET
    form = BackfillForm(given) if given else BackfillForm()
    if not form.is_bound or not form.is_valid():
        return show(
            request, "offbeat/ops/backfill.html", {"name": name, "form": form}, 422 if form.is_bound else 200
        )
    times = form.cleaned_data["since"], form.cleaned_data["until"]
    try:
        plan = controls.backfill(entry, *times, is_dry=True)
    except (TooManySlotsError, CronJobHeldError) as error:
        form.add_error(None, str(error))
        return show(request, "offbeat/ops/backfill.html", {"name": name, "form": form}, 422)
    if request.method != "POST":
        task = entry.command.task.name
        values = {"name": name, "form": form, "plan": plan, "task": task, "dead": count_dead(task)}
        return show(request, "offbeat/ops/backfill.html", values)

    def do() -> tuple[bool, str]:
        return describe_result(controls.backfill(entry, *times, is_dry=False))

    return act(request, "backfill", f"cronjob {name}", address(name), do)


def describe_result(result: Any) -> tuple[bool, str]:
    if not result.jobs:
        return False, "No slot in this time needs a backfill."
    slots = sorted(result.jobs)
    return True, f"{counted(len(slots), 'slot')} enqueued, {stamp(slots[0])} to {stamp(slots[-1])}."
