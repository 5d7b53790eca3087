"""The list's pages, and the same as JSON."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.core.validators import validate_email
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import punycode
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from newsletter.budgets import BudgetSpentError
from newsletter.mails import DeadLinkError, find_by_confirm_token, find_by_unsubscribe_token
from newsletter.models import Subscriber
from newsletter.tasks import subscribe, subscribe_nobody
from offbeat.client_address import find_client_address
from offbeat.jobs import Job

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

logger = logging.getLogger(__name__)


class SubscribeForm(forms.Form):
    email = forms.EmailField(
        label="Email address",
        max_length=254,
        error_messages={
            "required": "Enter your email address.",
            "invalid": "Enter an address like name@example.com.",
        },
        widget=forms.EmailInput(
            attrs={"placeholder": "name@example.com", "autocomplete": "email", "spellcheck": "false"}
        ),
    )
    # A trap: people neither see it nor reach it, and browsers and password managers are told to leave it alone.
    website = forms.CharField(
        label="Leave this empty",
        required=False,
        widget=forms.TextInput(
            attrs={"tabindex": "-1", "autocomplete": "off", "data-1p-ignore": "", "data-lpignore": "true"}
        ),
    )

    def clean_email(self) -> str:
        """Refuse name@[192.0.2.1]: no list needs it, and it makes our mail server connect wherever a stranger says.

        Of other alphabets a domain is refused that has no form in ASCII, and a name at all: no mail would reach it.
        """
        email = self.cleaned_data["email"]
        if email.endswith("]") or not is_mailable(email):
            raise forms.ValidationError(self.fields["email"].error_messages["invalid"], "invalid")
        return email


def is_mailable(email: str) -> bool:
    name, _, domain = email.rpartition("@")
    try:
        validate_email(f"{name}@{punycode(domain)}")
    except (UnicodeError, forms.ValidationError):
        return False
    return name.isascii()


def enqueue_mail(request: HttpRequest, form: SubscribeForm) -> Job:
    """Return the job that mails whoever a valid form names. Raises BudgetSpentError."""
    client = find_client_address(request)
    try:
        if form.cleaned_data["website"]:
            return subscribe_nobody(client)
        return subscribe(form.cleaned_data["email"], client)
    except BudgetSpentError as error:
        name = error.limit.name
        logger.warning(
            "no sign-up: the budget of the %s is spent",
            name,
            extra={"action": "signup_refused", "budget": name},
        )
        raise


# Pages


def page(request: HttpRequest, name: str, *, status: int = 200, **context: Any) -> HttpResponse:
    return render(request, f"newsletter/{name}.html", {**context, "is_local": settings.DEBUG}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    form = SubscribeForm(request.POST or None)
    if request.method != "POST":
        return page(request, "home", form=form)
    if not form.is_valid():
        return page(request, "home", form=form, status=400)
    try:
        return redirect("newsletter:subscription", enqueue_mail(request, form).pk)
    except BudgetSpentError as error:
        form.add_error(None, str(error))
        answer = page(request, "home", form=form, status=429)
        answer["Retry-After"] = error.seconds
        return answer


@require_safe
@never_cache
def subscription(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show how far the mail is: by script as it happens, by link without."""
    return page(request, "home", job=get_object_or_404(Job, pk=job_id))


ACTIONS = {
    "confirm": (find_by_confirm_token, Subscriber.confirm),
    "unsubscribe": (find_by_unsubscribe_token, Subscriber.unsubscribe),
}


# The signed link is the permission, so it asks for no cookie: mail programs bring none.
# Mail scanners open every link: only the button (or RFC 8058's POST) changes anything.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def follow_link(request: HttpRequest, token: str, action: str) -> HttpResponse:
    """Show what a mail's link leads to; by POST do it, and answer in place: RFC 8058 forbids a redirect."""
    find, do = ACTIONS[action]
    try:
        subscriber = find(token)
    except DeadLinkError:
        return page(request, "link", status=404)
    if request.method == "POST":
        do(subscriber, timezone.now())
    return page(request, "link", subscriber=subscriber, action=action)


# JSON


@csrf_exempt  # a foreign page can send a form here, but no application/json
@never_cache
@require_POST
def subscribers(request: HttpRequest) -> JsonResponse:
    """Take {"email": …} and answer 202 with the job that mails it, or 429 with Retry-After."""
    if request.content_type != "application/json":
        found = request.content_type or "no content type"
        return problem(415, "body", f"should be application/json, got {found}")
    try:
        values = json.loads(request.body)
    except (ValueError, RecursionError):  # a stranger's brackets may be nested as deep as they like
        return problem(400, "body", "should be JSON")
    if not isinstance(values, dict):
        return problem(400, "body", 'should be an object like {"email": "name@example.com"}')
    form = SubscribeForm(values)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=400)
    try:
        new = enqueue_mail(request, form)
    except BudgetSpentError as error:
        return problem(429, "budget", str(error), {"Retry-After": error.seconds})
    url = reverse("newsletter:job", args=[new.pk])
    return JsonResponse({"job": new.pk, "url": url}, status=202, headers={"Location": url})


@never_cache
@require_safe
def job(_request: HttpRequest, job_id: UUID) -> JsonResponse:
    """Tell a job's state and progress, and nothing of what it works on: whoever knows the id may ask."""
    found = Job.objects.filter(pk=job_id).first()
    if not found:
        return problem(404, "job", "there is none with this id")
    progress = {"done": found.progress_done, "total": found.progress_total}
    return JsonResponse(
        {"job": found.pk, "state": found.state, "finished": found.is_finished, "progress": progress}
    )


def problem(status: int, field: str, message: str, headers: dict[str, Any] | None = None) -> JsonResponse:
    return JsonResponse({"errors": {field: [message]}}, status=status, headers=headers)
