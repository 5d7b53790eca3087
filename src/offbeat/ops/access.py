"""Who may see the ops pages: staff. Others get a page that tells nothing."""

from __future__ import annotations

from datetime import UTC
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import render, resolve_url
from django.utils import timezone, translation
from django.utils.cache import add_never_cache_headers, patch_vary_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

LOGIN = "admin:login"


def staff(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Serve a view to staff only: anonymous visitors log in first, everybody else is refused with 403.

    In English and in UTC, whatever language and time zone the project has: half a page in each would be the alternative.
    Raises BadRequest for a NUL character, which PostgreSQL cannot compare with anything, in what is asked.
    """

    @wraps(view)
    def show_to_staff(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # Not as decorators: theirs keep what to return to in one object, which the threads share.
        with translation.override("en"), timezone.override(UTC):
            return in_english(request, *args, **kwargs)

    def in_english(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            response = log_in(request)
        elif not (request.user.is_active and request.user.is_staff):
            response = render(request, "offbeat/ops/refused.html", status=403)
        elif has_nul(request):
            raise BadRequest("a NUL character")
        else:
            response = view(request, *args, **kwargs)
        add_never_cache_headers(response)
        patch_vary_headers(response, ["HX-Request"])
        response["Content-Language"] = "en"
        return response

    return show_to_staff


def has_nul(request: HttpRequest) -> bool:
    """Whether the path, a parameter or a field has a NUL character."""
    lists = (*request.GET.lists(), *request.POST.lists())
    return any(
        "\0" in value for value in (request.path_info, *(value for _, values in lists for value in values))
    )


def log_in(request: HttpRequest) -> HttpResponse:
    """Lead to the login; a page that refreshes itself is told to go there as a whole."""
    if is_refresh(request):
        return HttpResponse(status=401, headers={"HX-Refresh": "true"})
    return redirect_to_login(request.get_full_path(), resolve_url(LOGIN))


def is_refresh(request: HttpRequest) -> bool:
    """Whether a page that is open asks for its newest content."""
    return request.headers.get("HX-Request") == "true"
