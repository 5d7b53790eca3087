"""What a job takes along from where it was enqueued, such as the id of a request, and has again when it starts."""

from __future__ import annotations

import json
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_provide: Callable[[], Mapping[str, str]] = dict
_added: ContextVar[Mapping[str, str]] = ContextVar("added", default={})  # noqa: B039  never changed


def provide(by: Callable[[], Mapping[str, str]]) -> None:
    """Have `by()` say what the jobs enqueued from now on take along; `offbeat.jobs.signals.job_started` brings it back."""
    global _provide  # noqa: PLW0603  said once, when the apps are made ready
    _provide = by


def current() -> str:
    """Return what a job that is enqueued now takes along, as JSON."""
    return json.dumps({**_provide(), **_added.get()})


@contextmanager
def adding(**values: str) -> Iterator[None]:
    """Have the jobs that are enqueued inside take more along."""
    token = _added.set(values)
    try:
        yield
    finally:
        _added.reset(token)
