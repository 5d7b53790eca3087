"""Names of cronjobs and of their commands: valid, and of no other entry, command or cronjob of the project."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.management import get_commands

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from offbeat.deployment.spec import CronJobSpec

LONGEST_NAME = 32  # of a cronjob, in platform.yaml


def cronjob_name(name: str, taken: Container[str]) -> str:
    """Return a name for platform.yaml: a-z, 0-9 and hyphen, 2 to 32, of its own."""
    return next(each for each in _names(name) if each not in taken)


def _names(name: str) -> Iterator[str]:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    slug = (slug if slug[:1].isalpha() and len(slug) > 1 else f"cron-{slug}")[:LONGEST_NAME].rstrip("-")
    numbered = (f"{slug[: LONGEST_NAME - 1 - len(str(n))].rstrip('-')}-{n}" for n in count(2))
    return chain([slug], numbered)


def command_of(name: str) -> str:
    return f"enqueue_{name.replace('-', '_')}"


def command_line(name: str) -> str:
    return f"python manage.py {command_of(name)}"


@dataclass
class Names:
    """The names that are taken: in platform.yaml, by management commands, by entries of this run."""

    cronjobs: Mapping[str, CronJobSpec]
    reserved: Container[str] = frozenset()  # of services, or of the exporters
    given: set[str] = field(default_factory=set)

    def give(self, name: str, folder: Path | None, task: str) -> str:
        """Return a name for an entry that enqueues `task`, an expression; one of an earlier run is the same again."""
        chosen = next(each for each in _names(name) if self._is_free(each, folder, task))
        self.given.add(chosen)
        return chosen

    def _is_free(self, name: str, folder: Path | None, task: str) -> bool:
        if name in self.given or name in self.reserved:
            return False
        if name in self.cronjobs and self.cronjobs[name].command != command_line(name):
            return False
        path = existing(name, folder)
        return path is None or f"\n    task = {task}\n" in read_source(path)


def existing(name: str, folder: Path | None) -> Path | None:
    """Return the file of a command of that name, in its folder or in another app."""
    command = command_of(name)
    if folder and (path := folder / f"{command}.py").exists():
        return path
    app = get_commands().get(command)
    if app is None:
        return None
    spec = find_spec(f"{app}.management.commands.{command}") if isinstance(app, str) else None
    return Path(spec.origin) if spec and spec.origin else Path(command)


def read_source(path: Path) -> str:
    """Return the text of a file, "" of one that cannot be read: it is somebody else's."""
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""
