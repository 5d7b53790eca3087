"""The files that running processes have read: which of them have changed, and whether Python can read them.

They are compared by what the file system says of them, two or three times a second: it costs some milliseconds, misses nothing that
happens between two looks, and works where no file system reports changes, as in a container on a Mac.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FOLDERS = ("src", "templates", "locale")
# Of other kinds none is read once and kept; and a program may write its own files beside its code.
KINDS = {".cfg", ".csv", ".html", ".ini", ".j2", ".jinja2", ".json", ".mo", ".py", ".sql"}
KINDS |= {".toml", ".txt", ".xml", ".yaml", ".yml"}
SKIPPED = {"__pycache__", "node_modules"}
STATIC = "static"  # served from where it is: only whether there is such a folder is read once
PAUSE = 0.3  # seconds between two looks, and more where a look takes long
SHARE = 0.03  # of the time may be spent on looking
UNSETTLED = 10  # seconds that files may go on changing before the first changes count

Snapshot = dict[str, object]


def take_snapshot(root: Path) -> Snapshot:
    """Give each file that counts by its path from the root on, with what tells one version of it from another."""
    found: Snapshot = {}
    begin = len(str(root)) + 1
    folders = [str(root / name) for name in FOLDERS]
    followed: set[str] = set()  # a link may lead to a folder above it
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:  # it has just been removed
            for entry in entries:
                if entry.name.startswith(".") or entry.name in SKIPPED:
                    continue
                path = entry.path[begin:]
                if entry.name == STATIC:
                    found[path] = STATIC
                elif entry.is_dir():
                    target = os.path.realpath(entry.path) if entry.is_symlink() else ""
                    folders += [] if target in followed else [entry.path]
                    followed |= {target} - {""}
                elif os.path.splitext(entry.name)[1] in KINDS:  # noqa: PTH122  thousands of times
                    found[path] = version(entry)
    return found


def version(file: os.DirEntry[str] | Path) -> object:
    """Return what tells a version of a file from another one; None without a file."""
    with contextlib.suppress(OSError):
        found = file.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
    return None


def difference(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the paths of what was made, changed or removed."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


class SourceFiles:
    """What has changed since the last time that somebody asked."""

    def __init__(self, root: Path, files: Iterable[str] = ()) -> None:
        """`files` are single ones that count too, by their paths from `root`."""
        self.root, self.files = root, list(files)
        self.known = self.last = self._look()
        self.look_at = self.changed_at = 0.0

    def changes(self) -> list[str]:
        """Return the paths of what has changed, from the root on, as soon as nothing changes any more."""
        if time.monotonic() < self.look_at:
            return []
        found, now = self._look(), time.monotonic()
        if found == self.known:
            self.last, self.changed_at = found, now
            return []
        is_settled = found == self.last or now > self.changed_at + UNSETTLED
        self.last = found
        if not is_settled:
            return []
        changed, self.known = difference(self.known, found), found
        return changed

    def _look(self) -> Snapshot:
        started = time.monotonic()
        found = take_snapshot(self.root) | {name: version(self.root / name) for name in self.files}
        now = time.monotonic()
        self.look_at = now + max(PAUSE, (now - started) / SHARE)
        return found


def unreadable(root: Path, paths: Iterable[str]) -> Iterator[SyntaxError | ValueError]:
    """Give what is wrong with Python files that Python cannot read: one that is half saved, or has marks of a conflict."""
    for name in paths:
        if name.endswith(".py"):
            with contextlib.suppress(OSError), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    compile((root / name).read_bytes(), str(root / name), "exec", dont_inherit=True)
                except (SyntaxError, ValueError) as error:  # ValueError: a null byte
                    yield error
