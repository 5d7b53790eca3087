"""What a request carries from its login to its end; what somebody sees whose password was not checked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from django.shortcuts import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

    from offbeat.ops.logins.brake import LoginAttempt

MARK = "offbeat_login_refused"
ATTEMPT = "offbeat_login_attempt"


def mark_refused(request: HttpRequest | None, seconds: float) -> None:
    """Have this request answered by the page below, whatever its form makes of it: it would call the password wrong."""
    if request is not None:
        # The REST framework's requests wrap Django's.
        setattr(getattr(request, "_request", request), MARK, math.ceil(seconds))


def keep_attempt(request: HttpRequest | None, attempt: LoginAttempt) -> None:
    """Remember what was taken for a password that was wrong here, and may be right for the next backend."""
    if request is not None:
        setattr(getattr(request, "_request", request), ATTEMPT, attempt)


def succeed(request: HttpRequest) -> None:
    """Give back what was taken for the login of this request, if anything is left of that."""
    if attempt := request.__dict__.pop(ATTEMPT, None):
        attempt.succeed()


def is_refused(request: HttpRequest) -> bool:
    return hasattr(getattr(request, "_request", request), MARK)


class LoginRefusalMiddleware:
    """Answers 429 where a login was refused."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        seconds = getattr(request, MARK, None)
        if seconds is None:
            return response
        refused = render(request, "offbeat/ops/login_refused.html", {"seconds": seconds}, status=429)
        refused["Retry-After"], refused["Cache-Control"] = str(seconds), "no-store"
        return refused
