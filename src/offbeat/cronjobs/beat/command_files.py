"""The files of commands: written where there is none, and nothing of the project is overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from django.apps import apps

from offbeat.cronjobs.beat.names import read_source

if TYPE_CHECKING:
    from offbeat.cronjobs.beat.replacement import Replacement


def deliver(each: Replacement, *, write: bool) -> tuple[str, bool]:
    """Write a command's file where that is asked for and none is there; return a line, and whether nothing is in the way."""
    if each.written:
        if read_source(each.written) == each.source:
            return f"{each.written}: exists, left alone; it is the same", True
        return (
            f"{each.written}: exists, left alone; it differs from what would be written: compare it with Beat's entry",
            True,
        )
    if each.folder is None:
        return (
            f"{each.command}: its task is in no app of the project: say with --folder where the file belongs",
            False,
        )
    path = each.folder / f"{each.command}.py"
    if not write:
        return f"{path}: would be written, with --write", True
    try:
        _make_packages(each.folder)
        with path.open("x") as file:
            file.write(each.source)
    except OSError as error:
        return f"{path}: cannot be written: {error.strerror}", False
    return f"{path}: written", True


def misplaced(folder: Path) -> str:
    """Return why Django would not find commands in a folder, "" where it would."""
    folders = [Path(app.path) / "management" / "commands" for app in apps.get_app_configs()]
    if folder.resolve() in [each.resolve() for each in folders]:
        return ""
    return f"{folder}: Django finds commands in management/commands of an app in INSTALLED_APPS only: move them to one"


def _make_packages(folder: Path) -> None:
    """Make the folder; where it is an app's own folder of commands, Python packages as Django wants them."""
    folder.mkdir(parents=True, exist_ok=True)
    if folder.name == "commands" and folder.parent.name == "management":
        for package in (folder.parent, folder):
            (package / "__init__.py").touch()
