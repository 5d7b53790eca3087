"""What becomes of each file when a checkout goes from one version of upstream to another."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from offbeat.base import CORE, core_trees, files_below
from offbeat.dev.django_choice import keep_django
from offbeat.dev.file_merge import FileVersion, Outcome, is_taken, keep_yours, merge_file, read_file
from offbeat.dev.thin_files import as_fork, is_core

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from offbeat.base import Base


@dataclass(frozen=True)
class Folders:
    """The files of a step: as they were, as the team has them, as they will be."""

    start: Path
    root: Path
    new: Path


def edited_files(folders: Folders) -> list[str]:
    """Return the core's files that differ from those that the fork was made from."""
    return [
        path
        for path in core_files(folders.start, folders.root)
        if content_of(folders.start / path) != content_of(folders.root / path)
    ]


def core_files(start: Path, root: Path) -> list[str]:
    """Return what is below the core's folders, but for those that the team has deleted as a whole."""
    kept = [name for name in CORE if (root / name).is_dir()]
    return sorted(
        {f"{name}/{path}" for folder in (start, root) for name in kept for path in files_below(folder / name)}
    )


def content_of(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def thin_outcomes(folders: Folders, base: Base, labels: tuple[str, str]) -> list[Outcome]:
    """Return what becomes of the template's files, as merges between what upstream's would be in this fork."""

    def in_this_fork(path: str, file: FileVersion) -> FileVersion | None:
        ours = keep_django(file.content, folders.root) if path == "pyproject.toml" else file.content
        content = as_fork(path, ours, base.name, with_example=base.example)
        return None if content is None else replace(file, content=content)

    below = {path for folder in (folders.start, folders.new) for path in files_below(folder)}
    paths = [path for path in below if not (is_core(path) or is_in_deleted_folder(path, folders))]
    return [outcome for path, outcome in merge_all(paths, folders, labels, in_this_fork) if outcome]


def is_in_deleted_folder(path: str, folders: Folders) -> bool:
    """Tell whether the team has deleted a folder that the file is in: nothing new comes into it."""
    parents = PurePath(path).parents
    return any(
        (folders.start / parent).is_dir() and not (folders.root / parent).is_dir() for parent in parents
    )


def core_outcomes(folders: Folders, labels: tuple[str, str]) -> list[Outcome]:
    """Return the team's edits of the core, made again to the new one."""
    return [
        outcome or Outcome(path, "your change, made again", read_file(folders.root / path))
        for path, outcome in merge_all(edited_files(folders), folders, labels, lambda _, file: file)
    ]


def merge_all(
    paths: Iterable[str],
    folders: Folders,
    labels: tuple[str, str],
    as_here: Callable[[str, FileVersion], FileVersion | None],
) -> list[tuple[str, Outcome | None]]:
    """Return each path with what becomes of it; `as_here` gives upstream's file as this fork would have it."""
    merged = []
    for path in sorted(paths):
        start, yours, new = (
            read_file(folder / path) for folder in (folders.start, folders.root, folders.new)
        )
        versions = (start and as_here(path, start), yours, new and as_here(path, new))
        outcome = merge_file(path, versions, labels)
        if outcome and outcome.file and is_taken(folders.root / path):
            outcome = keep_yours(path, None, "another file is in its place", labels)
        merged.append((path, outcome))
    return merged


def replace_core(folders: Folders) -> None:
    """Put the new core in the place of the old one: copied beside it first, so that ./run works whenever this is killed."""
    for name in core_trees(folders.root):
        place = folders.root / name
        old, new = (place.with_name(f".{place.name}-{age}") for age in ("old", "new"))
        shutil.copytree(folders.new / name, new)
        place.rename(old)
        new.rename(place)
        shutil.rmtree(old)
