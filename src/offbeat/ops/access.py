"""Who may see and do what on the ops pages: staff, by Django's permissions. Others get a page that tells nothing of them."""

from __future__ import annotations

from datetime import UTC
from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.contrib.admin import site
from django.contrib.auth.models import Group
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import render, resolve_url
from django.urls import Resolver404, resolve
from django.utils import timezone, translation
from django.utils.cache import add_never_cache_headers, patch_vary_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    View = Callable[..., HttpResponseBase]

LOGIN = "admin:login"
VIEW_JOBS, CHANGE_JOBS = "offbeat_jobs.view_job", "offbeat_jobs.change_job"
VIEW_BATCHES = "offbeat_jobs.view_batch"
VIEW_CRONJOBS, CHANGE_CRONJOBS = "offbeat_cronjobs.view_cronjob", "offbeat_cronjobs.change_cronjob"
VIEW_AUDIT = "offbeat_ops.view_auditentry"


def staff(*needed: str) -> Callable[[View], View]:
    """Serve a view to staff with these permissions: anonymous visitors log in first, everybody else is refused with 403.

    Who is staff is decided by Django's admin site, which may ask for more than a password.
    In English and in UTC, whatever language and time zone the project has: half a page in each would be the alternative.
    Raises BadRequest for a NUL character, which PostgreSQL cannot compare with anything, in what is asked.
    """

    def protect(view: View) -> View:
        @wraps(view)
        def show_to_staff(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            # Not as decorators: theirs keep what to return to in one object, which the threads share.
            with translation.override("en"), timezone.override(UTC):
                response = refuse(request, needed) or view(request, *args, **kwargs)
            add_never_cache_headers(response)
            patch_vary_headers(response, ["HX-Request"])
            response["Content-Language"] = "en"
            return response

        show_to_staff.needed = needed  # type: ignore[attr-defined]
        return show_to_staff

    return protect


def refuse(request: HttpRequest, needed: tuple[str, ...]) -> HttpResponse | None:
    """Return the answer to who may not do what is asked, None for who may."""
    user = request.user
    if not user.is_authenticated:
        return log_in(request)
    if not site.has_permission(request):
        # Staff whom the site asks for more, like a second factor, give it there.
        return log_in(request) if user.is_staff else show_refusal(request, [])
    if missing := [permission for permission in needed if not user.has_perm(permission)]:
        return show_refusal(request, missing)
    if has_nul(request):
        raise BadRequest("a NUL character")
    return None


def show_refusal(request: HttpRequest, missing: list[str]) -> HttpResponse:
    """Say which permissions are missing; a page that refreshes itself becomes this one as a whole."""
    if is_refresh(request):
        return HttpResponse(status=403, headers={"HX-Refresh": "true"})
    values = {"missing": missing, "groups": groups_with(missing)}
    return render(request, "offbeat/ops/refused.html", values, status=403)


def groups_with(permissions: list[str]) -> list[str]:
    """Return the names of the groups that have all of these permissions."""
    found = Group.objects.all() if permissions else Group.objects.none()
    for permission in permissions:
        app, codename = permission.split(".")
        found = found.filter(permissions__content_type__app_label=app, permissions__codename=codename)
    return list(found.order_by("name").values_list("name", flat=True))


def is_open_to(user: Any, address: str) -> bool:
    """Whether somebody may open a page of ours, so that a link may lead there."""
    try:
        view = resolve(urlsplit(address).path).func
    except Resolver404:
        return False
    return bool(user.has_perms(getattr(view, "needed", ())))


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
