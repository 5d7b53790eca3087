"""How large the body of a request may be, asked before anything reads one byte of it."""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.files.uploadhandler import load_handler
from django.http import HttpResponse
from django.http.request import UnreadablePostError
from django.utils.deprecation import MiddlewareMixin

from offbeat.problem import answer_problem, is_api

if TYPE_CHECKING:
    from django.http import HttpRequest

# Django's own: to memory, and to a temporary file where it is larger than FILE_UPLOAD_MAX_MEMORY_SIZE.
FILE_HANDLERS = (
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
)
DIGITS = re.compile(r"[0-9]{1,19}")  # Python reads numbers of 4,300 digits at most


def find_uploads(path: str) -> int | None:
    """Return the limit of the longest beginning of a path in OFFBEAT_UPLOADS, None where none fits: it takes no files."""
    fitting = [beginning for beginning in settings.OFFBEAT_UPLOADS if path.startswith(beginning)]
    return settings.OFFBEAT_UPLOADS[max(fitting, key=len)] if fitting else None


def find_limit(path: str) -> int:
    """Return how many bytes a body may have that is sent to a path."""
    return max(find_uploads(path) or 0, settings.WEB_MAX_BODY)


class BodyLimitMiddleware(MiddlewareMixin):
    """Answers 413 to a body that is too large, and lets files in where OFFBEAT_UPLOADS names the path."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        limit = find_limit(request.path_info)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not DIGITS.fullmatch(length):
            return refuse(request, 400, "Content-Length should be a number of bytes.")
        if int(length) > limit:
            return refuse(request, 413, f"The body is too large: at most {limit} bytes are accepted here.")
        if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
            try:
                is_small = take_chunks(request)
            except UnreadablePostError:
                return refuse(request, 400, "The body should be chunked, but it is not.")
            if not is_small:
                return refuse(
                    request,
                    413,
                    f"The body is too large: {settings.WEB_MAX_BODY} bytes in chunks, or a Content-Length.",
                )
        if find_uploads(request.path_info) is not None:
            request.upload_handlers = [load_handler(name, request) for name in FILE_HANDLERS]
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A client that goes, or is too slow, while a view reads its upload is no error of ours."""
        return (
            refuse(request, 400, "The body did not arrive in time.")
            if isinstance(exception, UnreadablePostError)
            else None
        )


def take_chunks(request: HttpRequest) -> bool:
    """Give a request its body that came in chunks, which Django leaves unread under WSGI; False where it is too large."""
    source = request.META.get("wsgi.input")
    if source is None:
        return True  # under ASGI, Django has read it, and asgi.py has counted
    try:
        body = source.read(settings.WEB_MAX_BODY + 1)
    except Exception as error:  # each server has its own for chunks that are none
        raise UnreadablePostError(*error.args) from error
    request._stream = BytesIO(body)  # noqa: SLF001  the one way to put a body into a request
    request.META["CONTENT_LENGTH"] = str(len(body))
    return len(body) <= settings.WEB_MAX_BODY


def refuse(request: HttpRequest, status: int, text: str) -> HttpResponse:
    if is_api(request.path_info):
        return answer_problem(status, text)
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
