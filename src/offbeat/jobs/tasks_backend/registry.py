"""The tasks of Django's that this process knows, by their paths: what has been made under our backend, and what can be imported."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from django.apps import apps
from django.conf import settings

from offbeat.jobs.error_text import line
from offbeat.jobs.tasks_backend.outcomes import UnknownTaskError

if TYPE_CHECKING:
    from types import ModuleType

    from offbeat.jobs.tasks_backend.interface import Task

# Those that were made under our backend, in whatever module.
known: dict[str, Task] = {}


def find(path: str) -> Task:
    """Return the task that stands at a path. Raises UnknownTaskError, which says why there is none.

    A path comes from a row. So nothing but a task is taken, only under the path that is its own, and only a module of the project
    is imported for it: one of an installed app, or of the package that the settings are in.
    """
    from offbeat.jobs.tasks_backend.interface import Task  # noqa: PLC0415  no wake-up pays for it

    name, _, attribute = path.rpartition(".")
    found = vars(_module(name, path)).get(attribute)  # not by getattr, by which some modules import more
    if not isinstance(found, Task):
        raise UnknownTaskError(f"{name} has no task {attribute} here")
    if found.module_path != path:
        raise UnknownTaskError(f"{path} is another name of {found.module_path}")
    return found


def _module(name: str, path: str) -> ModuleType:
    if module := sys.modules.get(name):
        return module
    if not _is_ours(name):
        raise UnknownTaskError(
            f"{path} is in no installed app, and its module is not imported here: add it to CELERY_IMPORTS"
        )
    try:
        return import_module(name)
    except (Exception, SystemExit) as error:
        raise UnknownTaskError(f"{name} cannot be imported here: {line(error)}") from error


def _is_ours(name: str) -> bool:
    project = str(getattr(settings, "SETTINGS_MODULE", "")).partition(".")[0]
    return name.partition(".")[0] == project or apps.get_containing_app_config(name) is not None
