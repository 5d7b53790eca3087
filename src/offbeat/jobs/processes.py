"""Processes of this machine: whether they have died, and the end of this one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Collection

START_AGAIN = 1.0  # seconds until one that died at its start, or could not be started, has a successor, which may do the same
PROC = Path("/proc")  # Linux; macOS has none, and `ps` instead, which slim images lack


def wait_for_death(pids: Collection[int], timeout: float = 2.0) -> None:
    """Return when they are dead, or after so many seconds."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and any(is_alive(pid) for pid in pids):
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether it runs: a zombie does not."""
    state = _state_in_proc(pid) if (PROC / "self/stat").exists() else _state_by_ps(pid)
    return state not in ("", "Z")


def dead_children() -> set[int]:
    """Return the children of this process that are dead, and that nobody has waited for; none where there is no /proc."""
    found, own = set(), str(os.getpid())
    for file in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has gone meanwhile
            state, parent = file.read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state == "Z" and parent == own:
                found.add(int(file.parent.name))
    return found


def _state_in_proc(pid: int) -> str:
    try:
        return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _state_by_ps(pid: int) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["ps", "-o", "stat=", "-p", str(pid)],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "R" if _takes_signals(pid) else ""
    return done.stdout.strip()[:1]


def _takes_signals(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def leave(code: int) -> NoReturn:
    """Exit without Python's end, but with what was written to the standard streams: a pipe gets it in blocks."""
    try:
        flush_streams()
    finally:
        os._exit(code)


def flush_streams() -> None:
    """Write what is buffered, also before a fork: the copy would write it once more."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # a task may have closed it, or put its own in its place
            stream.flush()
