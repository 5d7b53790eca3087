"""/healthz/cron: for an uptime monitor that is not ours. 503 while something is wrong with a cronjob."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse

from offbeat.cronjobs import statuses
from offbeat.ops.health import has_token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offbeat.cronjobs.statuses import Report

logger = logging.getLogger(__name__)

FRESH = 5.0  # seconds for which an answer holds: anybody may ask, and each look costs a few queries
OVERDUE = {"not_fired", "not_published", "not_started"}


def cron(request: HttpRequest) -> HttpResponse:
    """Answer 200 "ok", 503 "overdue" (a slot was not worked on in time), "failing" (its job does not succeed) or "unknown"."""
    status, details = look.now()
    body = {"status": status} | ({"cronjobs": details} if details and has_token(request) else {})
    return JsonResponse(body, status=200 if status == "ok" else 503)


class Look:
    """Remembers the last answer for a moment."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.until = float("-inf")
        self.answer: tuple[str, list[dict[str, Any]]] = ("unknown", [])

    def now(self) -> tuple[str, list[dict[str, Any]]]:
        with self.lock:
            if time.monotonic() >= self.until:
                self.answer = ask()
                self.until = time.monotonic() + FRESH
            return self.answer

    def forget(self) -> None:
        self.until = float("-inf")


look = Look()


def ask() -> tuple[str, list[dict[str, Any]]]:
    try:
        unwell = [each for each in statuses.reports() if not each.is_well]
    except DatabaseError:
        logger.debug("the database is away", exc_info=True)
        return "unknown", []
    return status_of(unwell), [details_of(each) for each in unwell]


def status_of(unwell: Sequence[Report]) -> str:
    kinds = {signal.kind for each in unwell for signal in each.signals}
    if kinds & OVERDUE or any(each.problem for each in unwell):
        return "overdue"
    return "failing" if unwell else "ok"


def details_of(report: Report) -> dict[str, Any]:
    return {
        "cronjob": report.name,
        "signals": [
            {"kind": each.kind, "since": each.since.isoformat(), "text": each.text} for each in report.signals
        ],
        "problem": report.problem,
    }
