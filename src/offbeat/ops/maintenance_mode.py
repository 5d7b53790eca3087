"""Maintenance mode: MAINTENANCE=true closes the site to visitors, and workers take no job. Nothing is lost, all of it waits.

A variable and no row: it has to hold while the database is replaced by a backup, which would bring back the row of that day.
Open stay the health paths, static files, wake-ups by HTTP, and the pages of those who run the site.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import resolve_url
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve

from offbeat.problem import answer_problem, is_api

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_AFTER = "300"  # seconds
OPEN_APPS = {"admin", "offbeat_ops"}
OPEN_NAMES = {"cron-tick", "cron-wake-up"}  # of a route without an app: offbeat.cronjobs.urls
JSON, HTML = "application/json", "text/html"


class MaintenanceMiddleware:
    """Answers 503 to visitors, before a session or a view asks the database. Not there at all without MAINTENANCE."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.MAINTENANCE:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request) if is_open(request.path_info) else answer_closed(request)


def is_open(path: str) -> bool:
    """Tell whether a path is answered all the same."""
    if path == resolve_url(settings.LOGIN_URL).partition("?")[0]:
        return True
    try:
        match = resolve(path)
    except Resolver404:
        return False
    return bool(OPEN_APPS.intersection(match.app_names)) or (
        not match.app_names and match.url_name in OPEN_NAMES
    )


def answer_closed(request: HttpRequest) -> HttpResponse:
    headers = {"Retry-After": RETRY_AFTER, "Cache-Control": "no-store"}
    if is_api(request.path_info):
        return answer_problem(503, "closed for maintenance; try again later", headers=headers)
    if request.content_type == JSON or request.get_preferred_type([HTML, JSON]) == JSON:
        body = {"status": "maintenance", "text": "closed for maintenance; try again later"}
        return JsonResponse(body, status=503, headers=headers)
    return HttpResponse(render_to_string("503.html"), status=503, headers=headers)
