"""/readyz: whether requests may come to this process. PostgreSQL decides; without Redis, jobs are still accepted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import redis
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.debug import sensitive_variables

from offbeat.jobs import broker
from offbeat.ops.health import has_token

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200, 200 "degraded" without Redis, 503 while the database is away or not migrated."""
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
        return "" if migrated() else "the database is not migrated: run python manage.py release"
    except DatabaseError:
        logger.debug("the database is away", exc_info=True)
        return "the database is away"


def degraded_reason() -> str:
    """Return what does not work although requests may come; Redis costs a bounded time once a moment, then the breaker answers."""
    text = "Redis is away: jobs wait in PostgreSQL"
    if broker.breaker.is_open:
        return text
    return "" if answers(broker.client().ping) else text


def answers(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except redis.RedisError:
        broker.breaker.open()
        return False
    return True


_migrated = False


def migrated() -> bool:
    """Tell whether every migration is applied; once true it stays true for this process, and costs one query."""
    global _migrated  # noqa: PLW0603  a process' memory of a fact that does not change back
    if _migrated:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    executor = MigrationExecutor(connection)
    _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated
