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

# Of errors that Django answers itself, with a page.
OF_DJANGO = {
    400: "the site does not take the request: check its Host header",
    500: "an error of the site, which has been logged",
}
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


def replace_page(path: str, response: HttpResponse) -> HttpResponse:
    """Return a problem in place of a page that Django has made of an error below the API's addresses."""
    detail = OF_DJANGO.get(response.status_code)
    is_page = response.headers.get("Content-Type", "").startswith("text/html")
    return answer_problem(response.status_code, detail) if detail and is_page and is_api(path) else response


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
