"""A request for a job, made a job: once for each Idempotency-Key of a token's name."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from offbeat.api import scopes
from offbeat.api.job_status import CLIENT, REQUEST
from offbeat.api.open_tasks import find_task
from offbeat.api.task_arguments import find_problems
from offbeat.jobs import context, producer
from offbeat.jobs.arguments import ArgumentError, encode_arguments
from offbeat.jobs.models import Job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from offbeat.api.shapes import WantedJob
    from offbeat.api.tokens import Bearer

LONGEST_KEY = 190  # characters: with its name space it is the key of a job, which may have 255


class ApiError(Exception):
    """A request that the API does not take: the client finds in the answer what would be right."""

    def __init__(self, status: int, detail: str, errors: Sequence[Mapping[str, str]] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors


def enqueue(wanted: WantedJob, bearer: Bearer, idempotency_key: str | None) -> Job:
    """Write the job, or return the one that the key has. Raises ApiError, KeyBusyError."""
    task = _task(wanted.task, bearer)
    _check_arguments(task, wanted)
    hashed = _hash_of(wanted)
    call = _call(task, wanted, _key(bearer, idempotency_key), hashed)
    with context.adding(**{CLIENT: bearer.name}):
        job, is_new = producer.write(call)
    if is_new:  # as it was written; to ask again would cost as much as the token
        is_later = wanted.run_at is not None and wanted.run_at > timezone.now()
        job.state = Job.State.PENDING if is_later else Job.State.PUBLISHED
    if not is_new and job.options.get(REQUEST) != hashed:
        detail = f"the Idempotency-Key has the job {job.id} of another request: use a new key for another task or arguments"
        raise ApiError(422, detail, [])
    return job


def _call(task: Any, wanted: WantedJob, key: str | None, hashed: str) -> producer.Call:
    """Return what becomes the row. What is wrong is found here: an error of the writing itself is none of the client's."""
    options = wanted.dict(include={"queue", "priority", "run_at", "not_after"})
    try:
        call = task.using(**options, key=key).call(*wanted.args, **wanted.kwargs)
        call.row()
    except (TypeError, ValueError) as error:  # a queue that nobody consumes, a time beyond the year 9999
        raise invalid("#", str(error)) from None
    return replace(call, options={REQUEST: hashed})


def _task(name: str, bearer: Bearer) -> Any:
    if not scopes.may_enqueue(bearer.scopes, name):
        raise ApiError(403, f"the token lacks the scope {scopes.ENQUEUE}{name[:100]}")
    task = find_task(name)
    if task is None:
        raise invalid("#/task", "no task of this name is open to the API: write @shared_task(api=True)")
    return task


def _check_arguments(task: Any, wanted: WantedJob) -> None:
    try:
        encode_arguments(task.name, wanted.args, wanted.kwargs)
    except ArgumentError as error:
        raise invalid("#/kwargs" if wanted.kwargs else "#/args", str(error)) from None
    if problems := find_problems(task, wanted.args, wanted.kwargs):
        raise ApiError(422, f"{task.name} does not take these arguments", problems)


def _key(bearer: Bearer, given: str | None) -> str | None:
    if given is None:
        return None
    with suppress(UnicodeError):  # Django reads headers as Latin-1, and programs send UTF-8
        given = given.encode("latin-1").decode()
    if not 0 < len(given) <= LONGEST_KEY or not given.isprintable():
        raise invalid("#", f"Idempotency-Key should be 1 to {LONGEST_KEY} printable characters")
    return f"api:{bearer.name}:{given}"


def _hash_of(wanted: WantedJob) -> str:
    text = json.dumps([wanted.task, wanted.args, wanted.kwargs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def invalid(pointer: str, detail: str) -> ApiError:
    """Return the error of one value."""
    return ApiError(422, "the request is not valid", [{"pointer": pointer, "detail": detail}])
