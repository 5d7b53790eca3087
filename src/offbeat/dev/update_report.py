"""What there is to tell of two versions of the core, each in a folder."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from offbeat.base import files_below
from offbeat.dev.thin_files import EXAMPLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CHANGELOG = "src/offbeat/CHANGELOG.md"
MIGRATION = re.compile(r"(?P<app>.+)/migrations/(?P<name>\d{4}_\w+)\.py")


def changes_between(start: Path, new: Path) -> str:
    """Return what the new changelog says that the old one does not, below its headings."""
    old_lines = set(lines_of(start / CHANGELOG))
    added: list[str] = []
    for line in lines_of(new / CHANGELOG):
        if line.startswith("#"):
            while added and added[-1].startswith("#" * depth_of(line)):
                added.pop()  # nothing was new below it
            added.append(line)
        elif line.strip() and line not in old_lines:
            added.append(line)
    while added and added[-1].startswith("#"):
        added.pop()
    return "\n".join(added[1:] if added[:1] == ["# Changelog"] else added)


def depth_of(heading: str) -> int:
    return len(heading) - len(heading.lstrip("#"))


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def migrations_between(start: Path, new: Path, *, with_example: bool) -> str:
    """Return a line for each migration that the new version brings."""
    added = sorted({*files_below(new / "src")} - {*files_below(start / "src")})
    wanted = [path for path in added if with_example or not f"src/{path}".startswith(EXAMPLE)]
    found = [match for path in wanted if (match := MIGRATION.fullmatch(path))]
    if not found:
        return "\nNo migrations."
    lines = [f"  {match['app'].replace('/', '_')} {match['name']}" for match in found]
    return "\n".join(["\nMigrations that the next release applies:", *lines])


def core_diff(start: Path, root: Path, paths: Sequence[str]) -> str:
    """Return the differences of files, as git shows them."""
    return "".join(_diff(start / path, root / path, path) for path in paths)


def _diff(before: Path, after: Path, path: str) -> str:
    pair = [str(each) if each.exists() else "/dev/null" for each in (before, after)]
    command = ["git", "diff", "--no-index", "--no-color", "--", *pair]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()  # noqa: S603
    shown = [line for line in lines if not line.startswith(("diff --git", "index ", "--- ", "+++ "))]
    return "\n".join([f"--- {path}", f"+++ {path}, as you have it", *shown, ""])
