"""Acts on the ops pages: asked about first where they cannot be taken back, done by POST, written to the audit trail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme

from offbeat.cronjobs.row_lock import CronJobHeldError
from offbeat.ops import audit
from offbeat.ops.response import show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.http import HttpRequest, HttpResponse


@dataclass(frozen=True)
class Choice:
    """What a person chooses with the answer."""

    name: str
    label: str
    options: Sequence[str]


@dataclass(frozen=True)
class Question:
    """What a person is asked before something is done that cannot be taken back."""

    title: str
    text: str
    button: str
    back: str  # where "no" leads
    is_dangerous: bool = True
    hidden: Mapping[str, str] = field(default_factory=dict)
    choice: Choice | None = None


def ask(request: HttpRequest, question: Question) -> HttpResponse:
    return show(request, "offbeat/ops/confirm.html", {"question": question})


def act(
    request: HttpRequest, name: str, subject: str, link: str, do: Callable[[], tuple[bool, str]]
) -> HttpResponse:
    """Do something and write it to the audit trail, in one transaction; then show its subject with the result.

    `do` returns whether it had an effect, and what to tell.
    """
    try:
        with transaction.atomic():
            done, result = do()
            audit.record(request, name, subject, link, result)
    except CronJobHeldError as error:
        messages.error(request, f"Nothing was done: {error}.")
    else:
        (messages.success if done else messages.warning)(request, result)
    return HttpResponseRedirect(destination(request) or link)


def destination(request: HttpRequest) -> str:
    """Return the page of ours that the act was asked for from."""
    return own_address(request.POST.get("next", ""))


def own_address(address: str) -> str:
    """Return an address that leads to this site, "" for any other."""
    is_ours = address.startswith("/") and url_has_allowed_host_and_scheme(address, allowed_hosts=None)
    return address if is_ours else ""
