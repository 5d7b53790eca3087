"""Three-way merges of single files: what upstream changed from one version to the next, on top of what the team has."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from offbeat.dev.locks import is_lock, merge_locks
from offbeat.dev.pin_merge import agree_on_pins

MOST_CONFLICTS = 127  # what git merge-file counts up to; beyond are its errors
BY_PACKAGE = "merged by package"
YOURS_STAYS = "conflict: your file stays, because {why}; compare it with git --git-dir=.local/upstream.git show {new}:{path}"


@dataclass(frozen=True)
class FileVersion:
    """What a file holds, and whether it can be run."""

    content: bytes
    is_executable: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a file: `file` is what it is from now on, None where there is none."""

    path: str
    word: str
    file: FileVersion | None = None
    is_conflict: bool = False


Merge = tuple[
    FileVersion | None, FileVersion | None, FileVersion | None
]  # the start, the team's, the new one


def read_file(path: Path) -> FileVersion | None:
    if not path.is_file():
        return None
    return FileVersion(path.read_bytes(), bool(path.stat().st_mode & 0o100))


def merge_file(path: str, versions: Merge, labels: tuple[str, str]) -> Outcome | None:
    """Return what becomes of a file, None when it stays as the team has it."""
    start, yours, new = versions
    if new in {start, yours}:
        return None
    if yours == start:
        return Outcome(path, "deleted" if new is None else "added" if start is None else "changed", new)
    if yours is None:
        return Outcome(path, "stays deleted")
    if new is None:
        return Outcome(path, "stays, with your changes; upstream has deleted it", yours)
    if start is None:
        return keep_yours(path, yours, "upstream has a new file of that name", labels)
    return _merge_contents(path, (start, yours, new), labels)


def _merge_contents(
    path: str, versions: tuple[FileVersion, FileVersion, FileVersion], labels: tuple[str, str]
) -> Outcome:
    start, yours, new = versions
    is_executable = new.is_executable if new.is_executable != start.is_executable else yours.is_executable
    if is_lock(path):
        content = merge_locks(start.content, yours.content, new.content)
        return Outcome(path, BY_PACKAGE, FileVersion(content, is_executable))
    content, places = merge_lines(*agree_on_pins(start.content, yours.content, new.content), labels)
    if places > MOST_CONFLICTS:
        return keep_yours(path, yours, "only text files can be merged", labels)
    if places:
        word = f"conflict in {places} {'place' if places == 1 else 'places'}"
        return Outcome(path, word, FileVersion(content, is_executable), is_conflict=True)
    return Outcome(path, "merged", FileVersion(content, is_executable))


def merge_lines(start: bytes, yours: bytes, new: bytes, labels: tuple[str, str]) -> tuple[bytes, int]:
    """Return the merged lines, with marks where both have changed them, and how often that is."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("yours", "start", "new")]
        for file, content in zip(files, (yours, start, new), strict=True):
            file.write_bytes(content)
        marks = [word for name in ("yours", *labels) for word in ("-L", name)]
        command = ["git", "merge-file", "-p", "--diff3", *marks, *map(str, files)]
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    return done.stdout, done.returncode


def keep_yours(path: str, yours: FileVersion | None, why: str, labels: tuple[str, str]) -> Outcome:
    new = labels[1].removeprefix("Offbeat ")
    return Outcome(path, YOURS_STAYS.format(why=why, new=new, path=path), yours, is_conflict=True)


def is_taken(path: Path) -> bool:
    """Tell whether no file can be written there: the team has a folder of that name, or a file where a folder should be."""
    return path.is_dir() or any(parent.is_file() for parent in path.parents)


def write_outcome(root: Path, outcome: Outcome) -> None:
    path = root / outcome.path
    if outcome.file is None:
        if path.is_file():  # no folder that the team has there
            path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(outcome.file.content)
    path.chmod(0o755 if outcome.file.is_executable else 0o644)
