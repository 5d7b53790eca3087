"""Base classes of tasks that derive from `celery.Task`, as Celery's manual shows them: their tasks can be enqueued, too.

Celery takes what `base=` says in place of the application's own class. Celery's `Task` itself stays what it is: a task of exactly
that class has no `enqueue`.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery


def install(app: Celery) -> None:
    """Have an application make its tasks of durable classes. `_task_from_fun` is what `shared_task` and `app.task` come down to."""
    app._task_from_fun = partial(_make, app._task_from_fun)  # noqa: SLF001
    app.register_task = partial(_register, app.register_task)


def _make(
    celerys: Callable[..., Any], fun: Any, name: str | None = None, base: Any = None, **options: Any
) -> Any:
    return celerys(fun, name=name, base=base and durable(base), **options)


def _register(celerys: Callable[..., Any], task: Any, **options: Any) -> Any:
    """Register a class of a task, or an instance, which stays the one that its module has."""
    given: Any = task if inspect.isclass(task) else type(task)
    base = durable(given)
    if inspect.isclass(task):
        return celerys(base, **options)
    task.__class__ = base
    return celerys(task, **options)


def durable(base: Any) -> Any:
    """Return a class with all that `base` has, whose tasks can be enqueued."""
    from offbeat.jobs.task import DurableTask  # noqa: PLC0415  models cannot be imported when an application is made

    if base is Task or issubclass(base, DurableTask):
        return base
    namespace: dict[str, Any] = {
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
        "__doc__": base.__doc__,
        "abstract": True,
    }
    if base.ignore_result is not None:  # which a class of ours looks for in itself
        namespace["ignore_result"] = base.ignore_result
    metaclass: Any = type(base)
    return metaclass(base.__name__, (base, DurableTask), namespace)
