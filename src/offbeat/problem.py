"""Errors of the HTTP API as `application/problem+json` (RFC 9457), for whoever answers before the API does."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.http import HttpResponse

CONTENT_TYPE = "application/problem+json"
# Only the API's own: a project may have other addresses below /api/.
API_PATH = re.compile(r"/api/(?:jobs|queues|workers|cronjobs|openapi\.json)(?:/|\Z)")

NEWER = {
    413: "Content Too Large",
    422: "Unprocessable Content",
}  # RFC 9110's names, which Python has from 3.13 on


def title_of(status: int) -> str:
    return NEWER.get(status) or HTTPStatus(status).phrase


def is_api(path: str) -> bool:
    return API_PATH.match(path) is not None


def describe_problem(
    status: int, detail: str, errors: Sequence[Mapping[str, str]] | None = None
) -> dict[str, Any]:
    """Return the body; `errors` are those of single values, each with a JSON pointer and a detail."""
    body = {"type": "about:blank", "title": title_of(status), "status": status, "detail": detail}
    return body if errors is None else body | {"errors": list(errors)}


def answer_problem(
    status: int,
    detail: str,
    errors: Sequence[Mapping[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    from django.http import HttpResponse  # noqa: PLC0415  gunicorn's main loop needs the rest without Django

    text = json.dumps(describe_problem(status, detail, errors))
    return HttpResponse(
        text,
        status=status,
        content_type=CONTENT_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
