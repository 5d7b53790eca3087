"""The tasks of entries: which one is meant, and how a command's module comes by it."""

from __future__ import annotations

import difflib
import keyword
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import current_app
from django.apps import apps

from offbeat.cronjobs.beat.refusals import IdleError, NotExpressibleError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.cronjobs.beat.entries import BeatEntry

CLEANUP = "Celery adds it by itself for result backends: results in Redis expire without it"
FOLLOWING = "enqueue the next job at the end of each one's task, and let this entry have the first"
TOGETHER = "write a task that enqueues them all, by enqueue_many or in a batch (open_batch)"
CELERYS = {
    "celery.chain": f"it is a chain: {FOLLOWING}",
    "celery.group": f"it is a group: {TOGETHER}",
    "celery.chord": f"it is a chord: {TOGETHER}",
    "celery.map": f"it is a map: {TOGETHER}",
    "celery.starmap": f"it is a starmap: {TOGETHER}",
    "celery.chunks": f"it is made of chunks: {TOGETHER}",
}
OTHER_CLASS = (
    "its task {} cannot be enqueued, because it is of Celery's own class: make it by @shared_task, and its application by "
    "offbeat.celery.create_app()"
)
# What the module of a command has of its own.
RESERVED = {"EnqueueCommand", "Command", "timedelta", "help"}


@dataclass(frozen=True)
class Origin:
    """Where a task comes from: the lines that import it, and the expression that is it."""

    imports: tuple[str, ...]
    expression: str
    module: str


def find_task(entry: BeatEntry) -> Any:
    """Return the task of an entry. Raises NotExpressibleError."""
    if entry.task == "celery.backend_cleanup":
        raise IdleError(CLEANUP)
    if reason := CELERYS.get(entry.task):
        raise NotExpressibleError(reason)
    task = current_app.tasks.get(entry.task) or entry.app.tasks.get(entry.task)
    if task is None:
        near = difflib.get_close_matches(entry.task, current_app.tasks, 1)
        raise NotExpressibleError(
            f"no task {entry.task} is registered here{f' (did you mean {near[0]}?)' if near else ''}: correct the name, or "
            "import its module in the tasks.py of an app. If another project runs it, write a task here that sends it there."
        )
    if not hasattr(task, "call"):
        raise NotExpressibleError(OTHER_CLASS.format(entry.task))
    return task


def origin_of(task: Any) -> Origin:
    """Return how to import a task; one that no module has under a name is taken from Celery's registry.

    Raises NotExpressibleError.
    """
    for module in _modules(task):
        for attribute, value in list(vars(sys.modules[module]).items()):
            if _is(value, task) and _can_be_imported(module, attribute):
                if not hasattr(value, "call"):  # of another application, which shares its tasks with this one
                    raise NotExpressibleError(OTHER_CLASS.format(task.name))
                return _imported(module, attribute)
    lines = (
        "from celery import current_app",
        "",
        "current_app.loader.import_default_modules()  # registers the task: no module has it under a name",
    )
    return Origin(lines, f'current_app.tasks["{task.name}"]', task.__module__)


def _modules(task: Any) -> Iterator[str]:
    """Yield the task's module, then those of the apps."""
    yield from [task.__module__] if task.__module__ in sys.modules else []
    yield from sorted(name for name in list(sys.modules) if apps.get_containing_app_config(name))


def _is(value: Any, task: Any) -> bool:
    try:
        return not isinstance(value, type) and value.name == task.name and hasattr(value, "apply_async")
    except Exception:  # noqa: BLE001  whatever an object of a module does when asked
        return False


def _can_be_imported(module: str, attribute: str) -> bool:
    return all(
        each.isidentifier() and not keyword.iskeyword(each) for each in (*module.split("."), attribute)
    )


def _imported(module: str, attribute: str) -> Origin:
    if attribute in RESERVED or attribute.startswith("__"):
        alias = f"{attribute.strip('_')}_task"
        return Origin((f"from {module} import {attribute} as {alias}",), alias, module)
    return Origin((f"from {module} import {attribute}",), attribute, module)


def commands_folder(module: str) -> Path | None:
    """Return where the commands of a module's app belong; None for an app that is not the project's to write into."""
    app = apps.get_containing_app_config(module)
    if app is None or app.name.partition(".")[0] == "offbeat" or "site-packages" in Path(app.path).parts:
        return None
    return Path(app.path) / "management" / "commands"
