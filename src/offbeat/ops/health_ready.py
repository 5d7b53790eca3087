"""/readyz: whether requests may come to this process. PostgreSQL decides; without Redis, jobs are still accepted."""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.debug import sensitive_variables

from offbeat.jobs import broker
from offbeat.missing_migration import missing_migrations, unmigrated_text
from offbeat.ops import conditions
from offbeat.ops.health import has_token

logger = logging.getLogger(__name__)


def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200, 200 "degraded" without Redis, 503 while the database is down or not migrated.

    In maintenance mode this process has one answer for everybody, and is ready to give it, also without a database.
    """
    if settings.MAINTENANCE:
        return JsonResponse({"status": "maintenance"})
    if reason := unready_reason():
        logger.warning("not ready: %s", reason, extra={"action": "readyz_failed"})
        return answer(request, "unavailable", reason, 503)
    if reason := degraded_reason():
        return answer(request, "degraded", reason, 200)
    return JsonResponse({"status": "ok"})


def answer(request: HttpRequest, status: str, reason: str, code: int) -> HttpResponse:
    """Say the status to everybody, and the reason to those who bring the token."""
    return JsonResponse({"status": status} | ({"reason": reason} if has_token(request) else {}), status=code)


@sensitive_variables()
def unready_reason() -> str:
    """Return why this process cannot serve, "" when it can. Names no host, no user and no table."""
    try:
        return "" if migrated() else unmigrated_text()
    except DatabaseError:
        logger.debug("the database is down", exc_info=True)
        return conditions.postgres_down().text


def degraded_reason() -> str:
    """Return what does not work although requests may come; Redis costs a bounded time once a moment, then the breaker answers."""
    if broker.breaker.is_open:
        return conditions.broker_down().text
    try:
        broker.ping()
    except broker.errors():
        broker.breaker.open()
        return conditions.broker_down().text
    return ""


_migrated = False


def migrated() -> bool:
    """Tell whether every migration is applied; once true it stays true for this process, and costs one query."""
    global _migrated  # noqa: PLW0603  a process' memory of a fact that does not change back
    if _migrated:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    _migrated = not missing_migrations()
    return _migrated
