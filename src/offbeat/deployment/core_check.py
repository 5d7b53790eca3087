"""System checks in a fork: the core is as it came, and its commands are those that run."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004 - Django's own name
from django.core.management import find_commands, get_commands, load_command_class

from offbeat.base import FILE, BaseFileError, read_base
from offbeat.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from offbeat.base import Base


@register("deployment", deploy=True)
def check_core(**_: Any) -> list[CheckMessage]:
    """Warn of a core that was edited (W001). An image, which holds no offbeat.toml, is not checked."""
    return core_messages(ROOT)


@register("deployment")
def check_commands(**_: Any) -> list[CheckMessage]:
    """Refuse a command that hides one of the core's, as an app's `worker` would, and is not built on it (E002)."""
    owners = get_commands()
    return [
        Error(
            f'the command "{name}" of {owners[name]} hides the one of {core.name}',
            hint="Rename it, or derive its Command from the core's.",
            id="offbeat.E002",
        )
        for core in apps.get_app_configs()
        if core.name.startswith("offbeat.")
        for name in find_commands(f"{core.path}/management")
        if owners[name] != core.name and not _is_built_on(owners[name], core.name, name)
    ]


def _is_built_on(owner: str, core: str, name: str) -> bool:
    return isinstance(load_command_class(owner, name), type(load_command_class(core, name)))


def core_messages(root: Path) -> list[CheckMessage]:
    try:
        base = read_base(root)
    except BaseFileError as error:
        hint = f"Restore it from git: git checkout HEAD -- {FILE}"
        return [Error(str(error), hint=hint, id="offbeat.E001")]
    folders = base.edited_folders(root) if base else []
    if not (base and folders):
        return []
    return [
        Warning(
            f"the core differs from Offbeat {base.version}: {', '.join(edited_files(root, base, folders))}",
            hint=f"Contribute the change to {base.upstream}; until it comes back, ./run update --keep-my-changes makes it "
            'again to each newer core, and SILENCED_SYSTEM_CHECKS += ["offbeat.W001"] says that it is meant.',
            id="offbeat.W001",
        )
    ]


def edited_files(root: Path, base: Base, folders: Sequence[str]) -> list[str]:
    """Return the files of the folders that differ, or the folders themselves where there is no git to ask."""
    recorded = _git(root, "log", "-1", "--format=%H", "--", FILE)
    new = _git(root, "ls-files", "--others", "--exclude-standard", "--", *folders)
    for commit in (base.commit, *recorded):
        if files := _git(root, "diff", "--name-only", "--relative", commit, "--", *folders):
            return [*files, *new]
    return new or list(folders)


def _git(root: Path, *arguments: str) -> list[str]:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        return []
    return [] if done.returncode else done.stdout.splitlines()
