"""Binds to every line the request, or the job, that it was written for.

A request's id comes from the platform's router, where it gives one, and is in the answer: what a user reports is found in the logs.
"""

from __future__ import annotations

import re
import sys
import uuid
from typing import TYPE_CHECKING, Any

from celery import signals as celery_signals
from django.core.signals import request_finished

from offbeat.jobs import context, signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

# Those of Heroku, Render and most proxies; Railway; Fly.io; Render.
HEADERS = ("X-Request-ID", "X-Railway-Request-Id", "Fly-Request-Id", "Rndr-Id")
USUAL = re.compile(r"[A-Za-z0-9._-]{8,128}")  # anything else is a stranger's, and not for our logs


class RequestIdMiddleware:
    """Gives every request an id, and every line that is logged for it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        from structlog import contextvars  # noqa: PLC0415  no wake-up pays for it

        name = request_id(request)
        contextvars.clear_contextvars()
        contextvars.bind_contextvars(
            request_id=name
        )  # until the answer is sent: Django logs after its middlewares
        response = self.get_response(request)
        response["X-Request-ID"] = name
        return response


def request_id(request: HttpRequest) -> str:
    given = (request.headers.get(header, "") for header in HEADERS)
    return next((each for each in given if USUAL.fullmatch(each)), None) or uuid.uuid4().hex


def connect() -> None:
    celery_signals.celeryd_after_setup.connect(import_for_children)
    celery_signals.task_prerun.connect(begin)
    celery_signals.task_postrun.connect(end)
    signals.job_started.connect(on_start)
    context.provide(context_of_request)
    request_finished.connect(end)


def import_for_children(**_: Any) -> None:
    """Import before the worker forks what each child would import for its first job, in a tenth of a second."""
    from structlog import contextvars  # noqa: F401, PLC0415  as above


def begin(task_id: str = "", task: Any = None, **_: Any) -> None:
    """Begin anew with each message: a child runs many tasks in one context. A job has begun before: see `on_start`."""
    from structlog import contextvars  # noqa: PLC0415  as above

    if getattr(task.request, "attempt", None):
        return
    contextvars.clear_contextvars()
    contextvars.bind_contextvars(job=task_id, task=getattr(task, "name", ""))


def end(**_: Any) -> None:
    from structlog import contextvars  # noqa: PLC0415  as above

    contextvars.clear_contextvars()


def context_of_request() -> dict[str, str]:
    """Return what a job that is enqueued now takes along: the request that it comes from, over any number of jobs in between."""
    structlog = sys.modules.get("structlog")  # nobody has bound anything where it is not imported
    bound = structlog.contextvars.get_contextvars() if structlog else {}
    return {"request_id": bound["request_id"]} if "request_id" in bound else {}


def on_start(
    sender: str, job_id: uuid.UUID, attempt: int, context: dict[str, str] | None = None, **_: Any
) -> None:
    from structlog import contextvars  # noqa: PLC0415  as above

    contextvars.clear_contextvars()
    contextvars.bind_contextvars(
        job=str(job_id), task=sender, attempt=attempt, **(context or {}), **slot_of(sender, job_id)
    )


def slot_of(task: str, job_id: uuid.UUID) -> dict[str, str]:
    """Return the cronjob and the slot that a job is for; jobs of other tasks do not pay for a query."""
    from offbeat.cronjobs.models import Slot  # noqa: PLC0415  only processes that execute jobs need them
    from offbeat.cronjobs.receivers import tasks_of_cronjobs  # noqa: PLC0415

    if task not in tasks_of_cronjobs():
        return {}
    row = Slot.objects.filter(job_id=job_id).values_list("cronjob_id", "slot").first()
    return {"cronjob": row[0], "slot": row[1].isoformat()} if row else {}
