"""The operations of the API. Ninja reads requests, checks their shape, and writes the OpenAPI document from what is here."""

from __future__ import annotations

import json
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import UUID  # noqa: TC003  ninja reads the hints

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import Resolver404, URLResolver, reverse
from django.urls.resolvers import RegexPattern
from ninja import Header, NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser
from ninja.security import HttpBearer

from offbeat.api import event_stream, readings, scopes
from offbeat.api.enqueued import ApiError, enqueue
from offbeat.api.job_status import CLIENT, describe_job, describe_receipt, seconds_to_wait
from offbeat.api.shapes import (
    CronjobStatus,
    JobReceipt,
    JobStatus,
    ProblemDetails,
    QueueStatus,
    WantedJob,
    WorkerStatus,
)
from offbeat.jobs.models import Job
from offbeat.problem import answer_problem

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase

    from offbeat.api.tokens import Bearer

READ_ERRORS = frozenset({401, 403, 429, 503})
JOB_ERRORS = READ_ERRORS | {404}
ENQUEUE_ERRORS = READ_ERRORS | {409, 413, 415, 422}


class BearerAuth(HttpBearer):
    """Says in the document how to log in; the gateway has done it."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        return bearer_of(request)


def require_single_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that has a name twice: which of its values is meant would be a guess."""
    found = dict(pairs)
    if len(found) != len(pairs):
        name, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"an object has {name[:100]!r} twice")
    return found


class BodyParser(Parser):
    """Reads a body; nothing that a client sends is an error of ours."""

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            return json.loads(request.body, object_pairs_hook=require_single_names)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the body should be JSON: {str(error)[:200]}") from None


api = NinjaAPI(
    title="Offbeat",
    version="1",
    description="Enqueue jobs and follow them. Errors are application/problem+json.",
    docs_url=None,
    openapi_url=None,
    auth=BearerAuth(),
    parser=BodyParser(),
    urls_namespace="offbeat_api_operations",
)
resolver: URLResolver | None = None


def bearer_of(request: HttpRequest) -> Bearer:
    return request.api_bearer  # type: ignore[attr-defined]


def run(request: HttpRequest, bearer: Bearer) -> HttpResponseBase:
    """Run the operation at a request's address."""
    global resolver  # noqa: PLW0603  made once
    resolver = resolver or URLResolver(RegexPattern(r"^"), api.urls[0])
    request.api_bearer = bearer  # type: ignore[attr-defined]
    try:
        match = resolver.resolve(request.path.removeprefix(reverse("offbeat_api:jobs").removesuffix("jobs")))
    except Resolver404:
        return answer_problem(404, "there is nothing at this address")
    response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": response.headers.get("Allow", "")}
        return answer_problem(405, f"the method {request.method} is not allowed here", headers=headers)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


@api.exception_handler(ApiError)
def on_error(_: HttpRequest, error: ApiError) -> HttpResponse:
    return answer_problem(error.status, error.detail, error.errors)


@api.exception_handler(HttpError)
def on_refusal(_: HttpRequest, error: HttpError) -> HttpResponse:
    """Of a body that is no JSON: ninja has its own words for any error of a parser."""
    return answer_problem(
        422, "the request is not valid", [{"pointer": "#", "detail": str(error.__cause__ or error)}]
    )


@api.exception_handler(ValidationError)
def on_invalid(_: HttpRequest, error: ValidationError) -> HttpResponse:
    # ninja's locations begin with where the values come from, and the name of the parameter.
    errors = [
        {"pointer": "/".join(["#", *map(str, each["loc"][2:])]), "detail": each["msg"]}
        for each in error.errors[:20]
    ]
    return answer_problem(422, "the request is not valid", errors)


def errors_of(statuses: frozenset[int]) -> dict[Any, Any]:
    return dict.fromkeys(sorted(statuses), ProblemDetails)


def require(request: HttpRequest, *allowed: str) -> None:
    """Raise ApiError unless the token has one of these scopes."""
    if not set(allowed) & set(bearer_of(request).scopes):
        raise ApiError(403, f"the token lacks the scope {allowed[0]}")


def find_job(request: HttpRequest, job_id: UUID) -> Job:
    """Return a job that the token may see: with `jobs:read` those that tokens of its name have enqueued."""
    require(request, scopes.READ_OWN, scopes.READ_ALL)
    bearer = bearer_of(request)
    job = Job.objects.defer("traceback", "history", "args", "kwargs").filter(pk=job_id).first()
    if job is None or (scopes.READ_ALL not in bearer.scopes and job.context.get(CLIENT) != bearer.name):
        raise ApiError(404, f"there is no job {job_id}, or this token may not see it")
    return job


@api.post("jobs", response={202: JobReceipt} | errors_of(ENQUEUE_ERRORS), operation_id="enqueue_job")
def enqueue_job(
    request: HttpRequest,
    wanted: WantedJob,
    idempotency_key: str | None = Header(None, alias="Idempotency-Key"),
) -> Any:
    """Enqueue a job. The same Idempotency-Key gives the job that exists, as long as the ledger keeps it."""
    job = enqueue(wanted, bearer_of(request), idempotency_key)
    found = describe_receipt(job)
    return JsonResponse(found, status=202, headers={"Location": found["status_url"]})


@api.get("jobs/{uuid:job_id}", response={200: JobStatus} | errors_of(JOB_ERRORS), operation_id="get_job")
def get_job(request: HttpRequest, job_id: UUID) -> Any:
    """How a job is. Retry-After says when to ask again, and is absent once it has finished."""
    job = find_job(request, job_id)
    headers = {} if job.is_finished else {"Retry-After": str(seconds_to_wait(job))}
    return JsonResponse(describe_job(job), headers=headers)


@api.get("jobs/{uuid:job_id}/events", response=errors_of(JOB_ERRORS), operation_id="follow_job")
def follow_job(
    request: HttpRequest, job_id: UUID, last_event_id: str = Header("", alias="Last-Event-ID")
) -> Any:
    """Follow a job by server-sent events: `state`, `progress`, and `end`, each with the body of the job's status."""
    job = find_job(request, job_id)
    return event_stream.respond(request, job, last_event_id, bearer_of(request).id)


@api.get("queues", response={200: list[QueueStatus]} | errors_of(READ_ERRORS), operation_id="list_queues")
def list_queues(request: HttpRequest) -> Any:
    """How deep each queue is."""
    require(request, scopes.READ_QUEUES)
    return readings.queues()


@api.get("workers", response={200: list[WorkerStatus]} | errors_of(READ_ERRORS), operation_id="list_workers")
def list_workers(request: HttpRequest) -> Any:
    """Who runs jobs."""
    require(request, scopes.READ_WORKERS)
    return readings.workers()


@api.get(
    "cronjobs", response={200: list[CronjobStatus]} | errors_of(READ_ERRORS), operation_id="list_cronjobs"
)
def list_cronjobs(request: HttpRequest) -> Any:
    """When each cronjob runs, and when it last did."""
    require(request, scopes.READ_CRONJOBS)
    return readings.cronjobs()


@api.get("openapi.json", include_in_schema=False)
def get_openapi(request: HttpRequest) -> HttpResponse:
    from offbeat.api import openapi  # noqa: PLC0415  it describes what is here

    return HttpResponse(openapi.as_text(bearer_of(request).scopes), content_type="application/json")
