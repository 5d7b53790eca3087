"""The headers of every answer, also of errors, health paths and static files, which other middlewares never see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.middleware.security import SecurityMiddleware

from offbeat.problem import replace_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.http import HttpRequest, HttpResponse

KEYWORDS = ("*", "self", "src")


class HeadersMiddleware(SecurityMiddleware):
    """Outermost. The redirect to HTTPS is left to Django's own, behind the health paths."""

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self.permissions_policy = write_policy(settings.PERMISSIONS_POLICY)

    def process_request(self, request: HttpRequest) -> None:
        keep_last_scheme(request)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response = replace_page(request.path_info, response)
        super().process_response(request, response)
        if not (response.streaming or response.has_header("Content-Length")):
            # As CommonMiddleware does, which is further in.
            response.headers["Content-Length"] = str(len(response.content))
        if request.method == "HEAD" and not response.streaming:
            response.content = b""  # gunicorn would throw it away, with a warning for each
        if self.permissions_policy:
            response.headers.setdefault("Permissions-Policy", self.permissions_policy)
        if not getattr(response, "xframe_options_exempt", False):
            response.headers.setdefault("X-Frame-Options", settings.X_FRAME_OPTIONS)
        # Static files are for everybody: pages of others and mails may show them.
        is_public = "Access-Control-Allow-Origin" in response.headers
        policy = "cross-origin" if is_public else settings.CROSS_ORIGIN_RESOURCE_POLICY
        response.headers.setdefault("Cross-Origin-Resource-Policy", policy)
        return response


def write_policy(policy: Mapping[str, Iterable[str]]) -> str:
    """Write {"camera": [], "geolocation": ["self"]} as the header has it."""
    return ", ".join(
        f"{feature}=({' '.join(map(write_origin, allowed))})" for feature, allowed in policy.items()
    )


def write_origin(origin: str) -> str:
    return origin if origin in KEYWORDS else f'"{origin}"'


def keep_last_scheme(request: HttpRequest) -> None:
    """Keep of X-Forwarded-Proto what our outermost router wrote, where it added its word to the client's.

    Django believes the first of several, which is the client's.
    """
    if scheme := request.META.get("HTTP_X_FORWARDED_PROTO"):
        words = scheme.split(",")
        request.META["HTTP_X_FORWARDED_PROTO"] = words[
            -min(settings.TRUSTED_PROXIES or 1, len(words))
        ].strip()
