"""The answer that is a stream of events, as the server at hand can hold it: none of them keeps a thread for a client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse

from offbeat.api.conf import conf
from offbeat.api.event_hub import hub, read_results
from offbeat.api.event_text import RETRY, event_id, write_end, write_event
from offbeat.api.followers import LoopFollower, SocketFollower
from offbeat.problem import answer_problem
from offbeat.web.client_socket import ClientSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from offbeat.jobs.models import Job

CONTENT_TYPE = "text/event-stream"
# Proxies that gather answers would hold events back.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def respond(request: HttpRequest, job: Job, known: str, token: int) -> HttpResponseBase:
    """Answer with how the job is now, and go on with what becomes of it.

    Under our gunicorn worker the connection passes to the hub once the head is sent, under ASGI a coroutine waits. Any other
    server ends the answer here: by the rules of such streams the client comes again after two seconds.
    """
    job.result = read_results([job.id]).get(job.id) if job.is_finished else None
    first = RETRY + write_event(job, known) + (write_end(job) if job.is_finished else b"")
    if job.is_finished:
        return HttpResponse(first, content_type=CONTENT_TYPE, headers=HEADERS)
    if len(hub.followers) >= conf().streams:
        detail = "too many clients follow jobs here: ask for the job's status instead, or try again"
        return answer_problem(503, detail, headers={"Retry-After": "5"})
    if isinstance(request, ASGIRequest):
        return _stream(follow(job.id, event_id(job), token, first))
    sock = request.META.get("gunicorn.socket")
    if isinstance(sock, ClientSocket) and request.META["SERVER_PROTOCOL"] != "HTTP/1.0":
        sock.follower = SocketFollower(job.id, event_id(job), token, hub.add)
    return _stream([first])


def _stream(chunks: AsyncIterator[bytes] | list[bytes]) -> StreamingHttpResponse:
    return StreamingHttpResponse(chunks, content_type=CONTENT_TYPE, headers=HEADERS)


async def follow(job_id: UUID, known: str, token: int, first: bytes) -> AsyncIterator[bytes]:
    """Give the events of a job; a client that goes ends it."""
    yield first
    follower = LoopFollower(job_id, known, token)
    hub.add(follower)
    try:
        while data := await follower.take():
            yield data
    finally:
        follower.is_over = True
