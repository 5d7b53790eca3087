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

from offbeat.env import env
from offbeat.jobs.tasks_backend import registry
from offbeat.variables import files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from celery import Task


def version() -> str:
    """Return what the platform or the image calls this version of the code: the variable VERSION, "" for none."""
    return _version(os.environ.get("VERSION"), os.environ.get(f"VERSION{files.SUFFIX}"))


@lru_cache(maxsize=1)
def _version(*_: str | None) -> str:  # each job says it: to read a variable takes a tenth of an enqueue
    return env.text("VERSION", "")[:100]


def tasks() -> list[str]:
    """Return the names of the tasks that this process can run as jobs."""
    return sorted(name for name in current_app.tasks if is_durable(name))


def is_durable(name: str) -> bool:
    """Tell whether there is a task of that name whose class can run jobs: a library's may be Celery's own."""
    return hasattr(current_app.tasks.get(name), "enqueue")


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """Return a text that is the same for every process with the same tasks and signatures.

    A worker's children have it from their parent: a task may import more tasks into the process that runs it.
    """
    known = [f"{name}({_outline(task)})" for name, task in sorted(current_app.tasks.items())]
    # Tasks of Django's may be in any module: two that have another version may know others.
    known += [version(), *sorted(registry.known)]
    return hashlib.sha256("\n".join(known).encode()).hexdigest()


def _outline(task: Task) -> str:
    """Return what decides whether a call fits: not the text of a default, which may hold the address of an object."""
    signature = signature_of(task)
    if signature is None:
        return "?"
    return ", ".join(
        f"{parameter.kind} {parameter.name} {parameter.default is parameter.empty}"
        for parameter in signature.parameters.values()
    )


def misfit(task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return why a task cannot be called with these arguments, "" where it can."""
    signature = signature_of(task)
    if signature is None:
        return ""
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        return f"{task.name}{signature} does not take its arguments: {error}"
    return ""


@lru_cache(maxsize=1024)
def signature_of(task: Task) -> inspect.Signature | None:
    """Return what a task takes; None of one that cannot tell, as some functions written in C.

    Of a decorated function, what the decorator takes: that is what is called. Celery's own around `autoretry_for` passes all on.
    """
    try:
        return inspect.signature(getattr(task, "_orig_run", task.run), follow_wrapped=False)
    except (TypeError, ValueError):
        return None
