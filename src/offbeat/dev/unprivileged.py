"""PostgreSQL refuses to run as root: as root we run it as `nobody`, who must reach its files."""

from __future__ import annotations

import os
import pwd
import stat
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT = "nobody"


def is_root() -> bool:
    return os.geteuid() == 0


def account_arguments() -> dict[str, Any]:
    """Give the arguments that make `subprocess` run a program as `nobody`: none unless we are root."""
    if not is_root():
        return {}
    entry = pwd.getpwnam(ACCOUNT)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def hand_over(folder: Path) -> None:
    """Make a folder the account's own, with all that leads to it open to pass through."""
    if is_root():
        entry = pwd.getpwnam(ACCOUNT)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        open_the_way(folder)


def let_read(folder: Path) -> None:
    """Let the account read and run what is in a folder that belongs to root, whatever umask made it."""
    if not is_root():
        return
    open_the_way(folder)
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            _allow(path, stat.S_IROTH | (stat.S_IXOTH if path.stat().st_mode & stat.S_IXUSR else 0))


def open_the_way(path: Path) -> None:
    """Let others pass through (not list, not read) each folder above; returns which ones it changed."""
    changed = [str(folder) for folder in path.resolve().parents if _allow(folder, stat.S_IXOTH)]
    if changed:
        sys.stderr.write(f"PostgreSQL runs as {ACCOUNT}: chmod o+x {' '.join(reversed(changed))}\n")


def _allow(path: Path, bits: int) -> bool:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & bits == bits:
        return False
    path.chmod(mode | bits)
    return True
