"""What the code of this process can run: its version, its tasks, and the signatures that they take.

In a rolling deploy two versions of the code share a queue, and either may enqueue what the other one does not have.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from celery import current_app

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from celery import Task


def version() -> str:
    """Return what the platform or the image calls this version of the code: the variable VERSION, "" for none."""
    return os.environ.get("VERSION", "")[:100]


def tasks() -> list[str]:
    """Return the names of the tasks that this process knows."""
    return sorted(current_app.tasks)


def fingerprint() -> str:
    """Return a text that is the same for every process with the same tasks and signatures."""
    return _fingerprint(len(current_app.tasks))


@lru_cache(maxsize=1)
def _fingerprint(_number: int) -> str:
    known = (f"{name}{_signature(task)}" for name, task in sorted(current_app.tasks.items()))
    return hashlib.sha256("\n".join(known).encode()).hexdigest()


def misfit(task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return why a task cannot be called with these arguments, "" where it can."""
    signature = _signature(task)
    if signature is None:
        return ""
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        return f"{task.name}{signature} does not take its arguments: {error}"
    return ""


@lru_cache(maxsize=1024)
def _signature(task: Task) -> inspect.Signature | None:
    """Return what a task takes; None of one that cannot tell, as some functions written in C."""
    try:
        return inspect.signature(task.run)
    except (TypeError, ValueError):
        return None
