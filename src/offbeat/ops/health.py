"""Health paths and metrics, answered before anything else looks at the request: a probe knows no host name and no HTTPS."""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.module_loading import import_string
from django.views.decorators.debug import sensitive_variables

from offbeat.ops import health_beside

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

# By name: what a path needs is imported when it is first asked for.
PATHS = {
    "/healthz": "offbeat.ops.health.healthz",
    "/readyz": "offbeat.ops.health_ready.readyz",
    "/healthz/cron": "offbeat.ops.health_cron.cron",
    "/metrics": "offbeat.ops.health.metrics",
}


class HealthMiddleware:
    """Answers the health paths and /metrics; everything else passes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        health_beside.ensure(request)
        name = PATHS.get(request.path_info)
        if name is None or request.method not in {"GET", "HEAD"}:
            return self.get_response(request)
        response: HttpResponse = import_string(name)(request)
        response["Cache-Control"] = "no-store"
        return response


def healthz(request: HttpRequest) -> HttpResponse:
    """Say that this process lives. It asks nobody: a database outage must not restart every web process."""
    return JsonResponse({"status": "ok"})


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with the metrics, 401 without the token, 404 where METRICS_TOKEN is not set."""
    if not settings.METRICS_TOKEN:
        return JsonResponse({"text": "off: METRICS_TOKEN is not set"}, status=404)
    if not has_token(request):
        headers = {"WWW-Authenticate": "Bearer"}
        return JsonResponse({"text": "the token is missing or wrong"}, status=401, headers=headers)
    from offbeat.ops.metrics.page import page  # noqa: PLC0415  only those who scrape pay for it

    return page(request)


@sensitive_variables()
def has_token(request: HttpRequest) -> bool:
    """Tell whether a request brings METRICS_TOKEN, in a time that does not tell how much of it was right."""
    given = request.headers.get("Authorization", "").encode()
    return bool(settings.METRICS_TOKEN) and hmac.compare_digest(
        given, f"Bearer {settings.METRICS_TOKEN}".encode()
    )
