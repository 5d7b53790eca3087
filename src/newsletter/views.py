"""The list's pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from newsletter.forms import SubscribeForm
from newsletter.links import DeadLinkError, subscriber_to_confirm, subscriber_to_release
from newsletter.models import Subscriber
from newsletter.subscription import subscribe
from offbeat.jobs import Job

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse


def page(request: HttpRequest, name: str, *, status: int = 200, **context: Any) -> HttpResponse:
    return render(request, f"newsletter/{name}.html", {**context, "is_local": settings.DEBUG}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    form = SubscribeForm(request.POST or None)
    if request.method != "POST":
        return page(request, "home", form=form)
    if not form.is_valid():
        return page(request, "home", form=form, status=400)
    return redirect("newsletter:subscription", subscribe(form.cleaned_data["email"]).pk)


@require_safe
@never_cache
def subscription(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show how far the mail is: by script as it happens, by link without."""
    return page(request, "subscription", job=get_object_or_404(Job, pk=job_id))


ACTS = {
    "confirm": (subscriber_to_confirm, Subscriber.confirm),
    "unsubscribe": (subscriber_to_release, Subscriber.unsubscribe),
}


# The signed link is the permission, so it asks for no cookie: mail programs bring none.
# Mail scanners open every link: only the button (or RFC 8058's POST) changes anything.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def by_link(request: HttpRequest, token: str, act: str) -> HttpResponse:
    """Show what a mail's link leads to; by POST do it, and answer in place: RFC 8058 forbids a redirect."""
    find, do = ACTS[act]
    try:
        subscriber = find(token)
    except DeadLinkError:
        return page(request, "dead_link", status=404)
    if request.method == "POST":
        do(subscriber, timezone.now())
    return page(request, act, subscriber=subscriber)
