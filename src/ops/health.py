"""Health paths, answered before anything else looks at the request: a probe knows no host name and no HTTPS."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.debug import sensitive_variables

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


class HealthMiddleware:
    """Answers /healthz (this process) and /readyz (what it needs); everything else passes.

    /healthz asks nobody, so that a database outage does not restart every web process.
    /readyz is 503 while the database is away or not migrated. Redis is not part of it: without Redis, jobs are still accepted.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.paths: dict[str, Callable[[], HttpResponse]] = {"/healthz": healthz, "/readyz": readyz}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.paths.get(request.path_info)
        if answer is None or request.method not in {"GET", "HEAD"}:
            return self.get_response(request)
        response = answer()
        response["Cache-Control"] = "no-store"
        return response


def healthz() -> HttpResponse:
    return JsonResponse({"status": "ok"})


def readyz() -> HttpResponse:
    reason = unready_reason()
    if reason:
        logger.warning("not ready: %s", reason, extra={"action": "readyz_failed"})
        return JsonResponse({"status": "unavailable", "reason": reason}, status=503)
    return JsonResponse({"status": "ok"})


@sensitive_variables()
def unready_reason() -> str:
    """Return why this process cannot serve, "" when it can. Names no host, no user and no table."""
    try:
        return "" if migrated() else "the database is not migrated: run python manage.py release"
    except DatabaseError:
        logger.debug("the database is away", exc_info=True)
        return "the database is away"


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
