"""/healthz/cron: for an uptime monitor that is not ours. 503 while something is wrong with a cronjob."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse

from offbeat.cronjobs.conditions import OVERDUE
from offbeat.ops import conditions
from offbeat.ops.alerts.acknowledgement import add_incidents
from offbeat.ops.health import has_token
from offbeat.ops.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from offbeat.condition import Condition

logger = logging.getLogger(__name__)

FRESH = 5.0  # seconds for which an answer holds: anybody may ask, and each costs a few queries


def cron(request: HttpRequest) -> HttpResponse:
    """Answer 200 "ok", 503 "overdue" (a slot was not worked on in time), "failing" (its job does not succeed) or "unknown".

    To those who bring the token it tells everything that is wrong, though only cronjobs decide the status.
    """
    status, found = remembered.answer()
    details = [each.as_json() for each in found] if has_token(request) else []
    body = {"status": status} | ({"conditions": details} if details else {})
    return JsonResponse(body, status=200 if status == "ok" else 503)


class RememberedAnswer:
    """Remembers the last answer for a moment."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.until = float("-inf")
        self.last: tuple[str, Sequence[Condition]] = ("unknown", [])

    def answer(self) -> tuple[str, Sequence[Condition]]:
        with self.lock:
            if time.monotonic() >= self.until:
                self.last = ask()
                self.until = time.monotonic() + FRESH
            return self.last

    def forget(self) -> None:
        self.until = float("-inf")


remembered = RememberedAnswer()


def ask() -> tuple[str, Sequence[Condition]]:
    try:
        found = add_incidents(conditions.find(Snapshot.take()).conditions)
    except DatabaseError:
        logger.debug("the database is down", exc_info=True)
        return "unknown", [conditions.postgres_down()]
    return status_of(found), found


def status_of(found: Sequence[Condition]) -> str:
    kinds = [each.kind for each in found if each.kind.name in conditions.OF_CRONJOBS]
    if OVERDUE.intersection(kinds):
        return "overdue"
    return "failing" if kinds else "ok"
