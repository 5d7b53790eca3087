"""What a person decides about many jobs: those of a list, by every filter of it, or those that were selected in it.

Asked first, about the jobs as they are at that moment: the answer is about exactly those, and passes by what has changed since.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from offbeat.jobs import decisions, queries, selection
from offbeat.jobs.words import counted
from offbeat.ops import audit
from offbeat.ops.access import CHANGE_JOBS, staff
from offbeat.ops.confirmation import Choice, Question, ask, own_address
from offbeat.ops.forms import SearchForm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.http import HttpRequest, HttpResponse

    from offbeat.jobs.decisions import AskedJob, JobDecision
    from offbeat.jobs.selection import Selection

READS = ["GET", "HEAD", "POST"]


@dataclass(frozen=True)
class JobsAct:
    """One act on many jobs."""

    name: str  # as the trail has it
    done: str
    fate: str
    decision: JobDecision
    do: Callable[[Sequence[AskedJob]], list[uuid.UUID]]
    is_dangerous: bool = False


@require_http_methods(READS)
@staff(CHANGE_JOBS)
def retry_all(request: HttpRequest) -> HttpResponse:
    fate = "They will be due again, with fresh attempts."
    return _decide(request, JobsAct("retry", "Retried", fate, decisions.RETRY, decisions.retry_many))


@require_http_methods(READS)
@staff(CHANGE_JOBS)
def discard_all(request: HttpRequest) -> HttpResponse:
    reason = f"discarded by {request.user.get_username()}"
    fate = "They will be cancelled. They stay in the ledger until they are pruned, and can be retried until then."
    act = JobsAct(
        "discard", "Discarded", fate, decisions.DISCARD, lambda asked: decisions.discard_many(asked, reason), True
    )  # fmt: skip
    return _decide(request, act)


@require_http_methods(READS)
@staff(CHANGE_JOBS)
def run_all_now(request: HttpRequest) -> HttpResponse:
    fate = "They will be due now, not at the time that they wait for."
    return _decide(request, JobsAct("run now", "Made due", fate, decisions.RUN_NOW, decisions.run_now_many))


@require_http_methods(READS)
@staff(CHANGE_JOBS)
def move_all(request: HttpRequest) -> HttpResponse:
    queue = request.POST.get("queue", "")
    fate = "They will be run by the workers of the queue that you choose. A dead letter stays one until it is retried."
    act = JobsAct(
        "move", f"Moved to {queue}:", fate, decisions.MOVE, lambda asked: decisions.move_many(asked, queue)
    )
    queues = queries.consumed_queues()
    if not queues:
        return _refuse(request, "No worker is running, so no queue is consumed.", _back(request))
    return _decide(request, act, Choice("queue", "Queue", queues))


def _decide(request: HttpRequest, act: JobsAct, choice: Choice | None = None) -> HttpResponse:
    back = _back(request)
    try:
        if request.method == "POST":
            return _answer(request, act, selection.decode(request.POST.get("jobs", "")), back)
        return _question(request, act, _select(request, act), back, choice)
    except ValueError as error:
        return _refuse(request, str(error), back)


def _back(request: HttpRequest) -> str:
    """Return the list that the act was asked for from, with its filters."""
    given = own_address(request.GET.get("back", ""))
    return given or f"{reverse('offbeat_ops:jobs')}?{urlencode(SearchForm(request.GET).filters())}"


def _refuse(request: HttpRequest, why: str, back: str) -> HttpResponse:
    messages.warning(request, f"Nothing was done. {why}")
    return redirect(back)


def _select(request: HttpRequest, act: JobsAct) -> Selection:
    """Return the jobs to ask about. Raises ValueError with what is missing or wrong in the address."""
    if request.GET.get("selected"):
        return selection.select_named(_named(request), act.decision)
    form = SearchForm(request.GET)
    if not form.is_valid():  # a filter that is left out would find more than was asked for
        wrong = "; ".join(f"{name}: {' '.join(map(str, errors))}" for name, errors in form.errors.items())
        raise ValueError(f"A filter is not valid: {wrong}")
    if not form.filters():
        raise ValueError("Choose a state or another filter first.")
    return selection.select_found(form.wanted(), act.decision)


def _named(request: HttpRequest) -> list[uuid.UUID]:
    named = []
    for text in request.GET.getlist("job"):
        with suppress(ValueError):
            named.append(uuid.UUID(text))
    if not named:
        raise ValueError("Select at least one job.")
    return named


def _question(
    request: HttpRequest, act: JobsAct, chosen: Selection, back: str, choice: Choice | None
) -> HttpResponse:
    if not chosen.asked:
        states = ", ".join(act.decision.states)
        raise ValueError(f'None of these jobs is in a state for "{act.name}" ({states}).')
    are_dead = all(each.state == "dead" for each in chosen.asked)
    title = f"{act.name.capitalize()} {counted(len(chosen.asked), 'dead letter' if are_dead else 'job')}?"
    text = " ".join([f"{chosen.words()}.", act.fate, *_limits(request, act, chosen)])
    hidden = {"jobs": selection.encode(chosen.asked)}
    button = f"{act.name.capitalize()}: {counted(len(chosen.asked), 'job')}"
    return ask(request, Question(title, text, button, back, act.is_dangerous, hidden, choice))


def _limits(request: HttpRequest, act: JobsAct, chosen: Selection) -> list[str]:
    """Say what of the list is not among them."""
    found = []
    if request.GET.get("selected") and (others := len(set(_named(request))) - len(chosen.asked)):
        found.append(f"{counted(others, 'selected job')} cannot be: not {' or '.join(act.decision.states)}.")
    if chosen.is_cut:
        found.append(f"More match: at most {selection.MOST:,} are taken at once, the first of the list.")
    if chosen.looked_back_to:
        found.append(f"Jobs created before {chosen.looked_back_to:%Y-%m-%d %H:%MZ} were not checked.")
    return found


def _answer(request: HttpRequest, act: JobsAct, asked: Sequence[AskedJob], back: str) -> HttpResponse:
    """Decide part by part, each in a transaction with its lines in the trail; then write what became of all of them."""
    if not asked:
        raise ValueError("No jobs were asked about.")
    done = 0
    try:
        for part in selection.chunks(asked):
            done += _decide_part(request, act, part)
    except decisions.NotConsumedError:  # the last worker of the queue has stopped meanwhile
        if not done:
            raise
    skipped = len(asked) - done
    why = f"; {skipped:,} skipped: changed since the question" if skipped else ""
    result = f"{act.done} {counted(done, 'job')}{why}."
    audit.record(request, act.name, _subject(request, len(asked)), back, result)
    (messages.success if done else messages.warning)(request, result)
    return redirect(back)


def _decide_part(request: HttpRequest, act: JobsAct, part: Sequence[AskedJob]) -> int:
    with transaction.atomic():
        done = act.do(part)
        audit.record_members(request, act.name, done)
    return len(done)


def _subject(request: HttpRequest, jobs: int) -> str:
    """Return what was decided about, for the trail: the filters of the list, or how many were selected."""
    filters = SearchForm(request.GET).filters()
    words = ", ".join(f"{name} {value}" for name, value in filters.items())
    if request.GET.get("selected"):
        return f"{counted(jobs, 'selected job')}{f' of those with {words}' if words else ''}"
    return f"{counted(jobs, 'job')} with {words}"
