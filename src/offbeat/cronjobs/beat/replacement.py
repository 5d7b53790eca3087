"""What takes the place of a Beat entry: an entry of platform.yaml, and a command."""

from __future__ import annotations

import inspect
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from celery import current_app
from django.apps import apps

from offbeat.cronjobs.beat.expressions import NotExpressibleError, expressed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from offbeat.cronjobs.beat.entries import BeatEntry

LONGEST_NAME = 32  # of a cronjob, in platform.yaml
NOT_BEATS = {
    "celery.backend_cleanup": "Celery adds it by itself for result backends: results in Redis expire without it"
}
CARRIED = {"queue", "expires"}


@dataclass(frozen=True)
class Replacement:
    """A cronjob in place of a Beat entry; `notes` is what has to be looked at by hand."""

    name: str
    schedule: str
    timezone: str
    command: str
    source: str  # of the command's module
    folder: Path | None  # of the commands of the app that the task is in
    notes: tuple[str, ...] = field(default=())


@dataclass
class Takeover:
    """What becomes of all entries."""

    replacements: list[Replacement] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)  # by Beat's name, why it cannot be taken over


def plan(entries: Iterable[BeatEntry]) -> Takeover:
    result = Takeover()
    taken: set[str] = set()
    for entry in entries:
        try:
            replacement = replaced(entry, taken)
        except NotExpressibleError as error:
            result.left[entry.name] = str(error)
        else:
            taken.add(replacement.name)
            result.replacements.append(replacement)
    return result


def replaced(entry: BeatEntry, taken: set[str]) -> Replacement:
    """Return the cronjob for an entry, under a name that is not taken. Raises NotExpressibleError."""
    if reason := entry.why_not or NOT_BEATS.get(entry.task, ""):
        raise NotExpressibleError(reason)
    name = cronjob_name(entry.name, taken)
    command = f"enqueue_{name.replace('-', '_')}"
    notes = list(_notes(entry))
    source = command_source(entry, notes)
    schedule = expressed(entry.schedule)
    return Replacement(name, schedule, entry.timezone, command, source, _folder(entry.task), tuple(notes))


def cronjob_name(name: str, taken: set[str]) -> str:
    """Return a name for platform.yaml: a-z, 0-9 and hyphen, at most 32, of its own."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    slug = (slug if slug[:1].isalpha() else f"cron-{slug}")[:LONGEST_NAME].rstrip("-")
    number, unique = 1, slug
    while unique in taken:
        number += 1
        unique = f"{slug[: LONGEST_NAME - 3]}-{number}"
    return unique


def _notes(entry: BeatEntry) -> Iterable[str]:
    if entry.task not in current_app.tasks:
        yield f"no task {entry.task} is registered here: mend the import"
    if queue := entry.options.get("queue"):
        yield f'queue "{queue}": a queue belongs to the task: CELERY_TASK_ROUTES["{entry.task}"] = {{"queue": "{queue}"}}'
    for option in sorted(entry.options.keys() - CARRIED):
        yield f'option "{option}" has no counterpart: see docs/offbeat/leaving-beat.md'


def command_source(entry: BeatEntry, notes: list[str]) -> str:
    """Return the source of the command's module."""
    module, attribute = _origin(entry.task)
    expires, arguments = entry.options.get("expires"), _arguments(entry, notes)
    has_deadline = isinstance(expires, int | float)
    lines = ["from datetime import timedelta\n"] if has_deadline else []
    lines += sorted(["from offbeat.cronjobs import EnqueueCommand", f"from {module} import {attribute}"])
    lines += ["", ""]
    lines += [
        "class Command(EnqueueCommand):",
        f"    help = {json.dumps(f'Enqueue {entry.name}.', ensure_ascii=False)}",
    ]
    lines += [f"    task = {attribute}"]
    if has_deadline:
        lines += [f"    starting_deadline = timedelta(seconds={expires})"]
    if arguments:
        lines += ["", "    def arguments(self, slot, options):", f"        return {arguments!r}"]
    return "\n".join(lines) + "\n"


def _origin(name: str) -> tuple[str, str]:
    """Return the module that a task is in, and what it is called there."""
    task = current_app.tasks.get(name)
    module = sys.modules.get(task.__module__) if task else None
    for attribute, value in vars(module).items() if module else ():
        if getattr(value, "name", None) == name:
            return task.__module__, attribute
    module_name, _, attribute = name.rpartition(".")
    return module_name or "tasks", attribute


def _arguments(entry: BeatEntry, notes: list[str]) -> dict[str, Any]:
    """Return the arguments by name: positional ones get theirs from the task's signature."""
    if not entry.args:
        return entry.kwargs
    task = current_app.tasks.get(entry.task)
    try:
        bound = inspect.signature(task.run).bind(*entry.args, **entry.kwargs) if task else None
    except TypeError as error:
        notes.append(f"its arguments do not fit the task: {error}")
        return entry.kwargs
    if bound is None:
        notes.append(f"give its positional arguments names: {list(entry.args)!r}")
        return entry.kwargs
    return dict(bound.arguments)


def _folder(task: str) -> Path | None:
    app = apps.get_containing_app_config(_origin(task)[0])
    return Path(app.path) / "management" / "commands" if app else None


def as_yaml(plan: Takeover) -> str:
    """Return the entries for platform.yaml; what cannot be taken over is a comment, with its reason."""
    lines = ["cronjobs:"]
    for each in plan.replacements:
        lines += [f"  # {note}" for note in each.notes]
        lines += [
            f"  - name: {each.name}",
            f"    schedule: {_quoted(each.schedule)}",
            f"    timezone: {each.timezone}",
            f"    command: python manage.py {each.command}",
        ]
    lines += [f"# not taken over: {name}: {reason}" for name, reason in plan.left.items()]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return yaml.safe_dump(text, default_style='"').strip()
