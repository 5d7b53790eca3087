"""The messages that no worker can read, and what a person decides about them: send back, drop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from offbeat.cronjobs.words import counted
from offbeat.jobs import broker, unreadable_store
from offbeat.ops.access import CHANGE_JOBS, VIEW_JOBS, staff
from offbeat.ops.confirmation import Question, act, ask
from offbeat.ops.response import show

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

PAGE = 100
GONE = "Nothing was done: the message no longer exists, or is incomplete."


@require_safe
@staff(VIEW_JOBS)
def unreadable_messages(request: HttpRequest) -> HttpResponse:
    try:
        found, total = unreadable_store.kept(PAGE), unreadable_store.how_many()
    except broker.errors():
        found, total = None, 0
    return show(request, "offbeat/ops/messages.html", {"entries": found, "total": total, "every": 10})


@require_POST
@staff(CHANGE_JOBS)
def requeue(request: HttpRequest, entry: UUID) -> HttpResponse:
    """Send a message back to the queue that it came from."""
    return decide(request, "requeue", entry, unreadable_store.requeue, "Returned to its queue.")


@require_POST
@staff(CHANGE_JOBS)
def drop(request: HttpRequest, entry: UUID) -> HttpResponse:
    return decide(request, "drop", entry, unreadable_store.drop, "Dropped.")


def decide(
    request: HttpRequest, name: str, entry: UUID, decision: Callable[[str], bool], done: str
) -> HttpResponse:
    def do() -> tuple[bool, str]:
        try:
            return (True, done) if decision(str(entry)) else (False, GONE)
        except broker.errors():
            return False, f"Nothing was done: {broker.name()} does not answer."

    return act(request, name, f"message {entry}", reverse("offbeat_ops:messages"), do)


@require_http_methods(["GET", "HEAD", "POST"])
@staff(CHANGE_JOBS)
def drop_all(request: HttpRequest) -> HttpResponse:
    """Drop all that were put aside, after asking."""
    back = reverse("offbeat_ops:messages")
    if request.method != "POST":
        text = "Every message that was put aside is deleted, also those that could be requeued."
        return ask(request, Question("Drop all messages?", text, "Drop them", back))

    def do() -> tuple[bool, str]:
        try:
            dropped = sum(unreadable_store.drop(one.id) for one in unreadable_store.kept())
        except broker.errors():
            return False, f"Nothing was done: {broker.name()} does not answer."
        return bool(dropped), f"Dropped {counted(dropped, 'message')}."

    return act(request, "drop", "all messages put aside", back, do)
