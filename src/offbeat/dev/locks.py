"""Locked requirements, merged by package: two lists of pins never conflict."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from offbeat.dev.django_choice import mismatch

if TYPE_CHECKING:
    from collections.abc import Iterable

RESOLVE = "import sys; from offbeat.dev.requirements import lock_requirements; sys.exit(lock_requirements())"
PACKAGE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^]]*\])?\s*(==|@|;|$)")


def is_lock(path: str) -> bool:
    return fnmatch(path, "requirements*.txt")


def merge_locks(start: bytes, yours: bytes, new: bytes) -> bytes:
    """Return the new lock with what the team has added, changed or dropped against the start.

    Where both have changed a package it is upstream's; `./run lock` resolves them together.
    """
    before, own, after = (packages(lock.decode()) for lock in (start, yours, new))
    merged = {}
    for name in sorted({*own, *after} - {""}):
        if name not in own and name in before:
            continue  # the team has dropped it
        is_changed = name in own and own[name] != before.get(name)
        if is_changed and after.get(name) in {None, before.get(name)}:
            merged[name] = own[name]
        elif name in after:
            merged[name] = after[name]
    return "".join([after.get("", ""), *merged.values()]).encode()


def packages(lock: str) -> dict[str, str]:
    """Return the lines of each package of a lock, and those above the first one under an empty name."""
    found: dict[str, str] = {}
    name = ""
    for line in lock.splitlines(keepends=True):
        if match := PACKAGE.match(line):
            name = re.sub(r"[-_.]+", "-", match[1]).lower()
        found[name] = found.get(name, "") + line
    return found


def resolve_locks(root: Path, merged: Iterable[str]) -> str:
    """Have uv resolve the team's requirements and the core's together, where it is; returns what to say of it.

    A lock that is upstream's as a whole needs it too where the team has chosen another Django.
    """
    unlike = sorted(path.name for path in root.glob("requirements*.txt")) if mismatch(root) else []
    locks = {path: (root / path).read_bytes() for path in [*merged] or unlike}
    if not locks:
        return ""
    if not (shutil.which("uv") or Path(sys.executable).with_name("uv").exists()):
        return "uv is not installed, so the locks are not resolved together. ./run lock does it, and takes newer versions."
    environment = os.environ | {"PYTHONPATH": str(root / "src")}  # the new core's, in its place
    command = [sys.executable, "-c", RESOLVE]
    if subprocess.run(command, cwd=root, env=environment, check=False).returncode == 0:  # noqa: S603
        return f"{', '.join(locks)}: resolved by uv"
    for path, content in locks.items():
        (root / path).write_bytes(content)
    return "uv could not resolve the locks, see above: they are merged by package. Run ./run lock again."
