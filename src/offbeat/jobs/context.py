"""What a job takes along from where it was enqueued, such as the id of a request, and has again when it starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_provide: Callable[[], Mapping[str, str]] = dict


def provide(by: Callable[[], Mapping[str, str]]) -> None:
    """Have `by()` say what the jobs enqueued from now on take along; `offbeat.jobs.signals.job_started` brings it back."""
    global _provide  # noqa: PLW0603  said once, when the apps are made ready
    _provide = by


def current() -> str:
    """Return what a job that is enqueued now takes along, as JSON."""
    return json.dumps(dict(_provide()))
