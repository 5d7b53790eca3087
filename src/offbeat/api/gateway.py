"""The way into the API: who asks, how often, and with what; then the operation, whose errors leave as problem+json."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.http import Http404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables

from offbeat.api import tokens
from offbeat.cronjobs.exit_codes import is_away
from offbeat.jobs.producer import KeyBusyError
from offbeat.problem import answer_problem

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

logger = logging.getLogger(__name__)

RETRY_AFTER = "5"  # seconds
JSON = "application/json"


@csrf_exempt  # no cookie lets anybody in, and no form can send the header
@transaction.non_atomic_requests  # a job is published after its own commit, and a token's row is locked for a moment only
def answer(request: HttpRequest, **_: Any) -> HttpResponseBase:
    """Answer a request to the API; nothing is here, as anywhere else, unless a token exists."""
    try:
        return _answer(request)
    except KeyBusyError as error:  # an OperationalError, too
        return answer_problem(409, str(error), headers={"Retry-After": RETRY_AFTER})
    except Exception as error:
        if not is_away(error):
            raise
        logger.warning("the API needs PostgreSQL, which is down", extra={"action": "api_unavailable"})
        detail = "PostgreSQL is down or not migrated; try again later"
        return answer_problem(503, detail, headers={"Retry-After": RETRY_AFTER})


@sensitive_variables()
def _answer(request: HttpRequest) -> HttpResponseBase:
    try:
        bearer = tokens.take(request.headers.get("Authorization", ""))
    except tokens.RefusedTokenError as error:
        if not tokens.are_there():
            raise Http404 from None
        return answer_problem(401, str(error), headers={"WWW-Authenticate": "Bearer"})
    except tokens.TooManyRequestsError as error:
        detail = f"too many requests with this token: try again in {error.retry_after} s"
        return answer_problem(429, detail, headers={"Retry-After": str(error.retry_after)})
    is_enqueueing = request.method == "POST" and request.path.endswith(
        "/jobs"
    )  # no other address takes a body
    if is_enqueueing and request.content_type != JSON:
        found = (request.content_type or "")[:100]
        return answer_problem(415, f'Content-Type should be {JSON}, got "{found}"')
    if (coding := request.headers.get("Content-Encoding", "identity")) != "identity":
        return answer_problem(
            415, f'the body should come as it is, without Content-Encoding, got "{coding[:100]}"'
        )
    from offbeat.api import operations  # noqa: PLC0415  ninja and pydantic: half a second, once a token is used

    return operations.run(request, bearer)
