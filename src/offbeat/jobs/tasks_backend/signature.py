"""What a task of Django's may be called with."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from offbeat.jobs.tasks_backend.interface import Task


def misfit(task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return why a task cannot be called with these arguments, "" where it can; a context comes besides."""
    signature = _signature(task.func)
    if signature is None:
        return ""
    try:
        signature.bind(*((None,) if task.takes_context else ()), *args, **kwargs)
    except TypeError as error:
        return f"{task.module_path}{signature} does not take its arguments: {error}"
    return ""


@lru_cache(maxsize=1024)
def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    """Return what a function takes, None of one that cannot tell."""
    try:
        return inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):
        return None
