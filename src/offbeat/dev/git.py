"""Git, as a program: what is asked of a repository."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


# What undoes a change of the checkout that began with everything committed.
TAKE_BACK = "git add --all && git reset --hard"


class GitError(Exception):
    """Git refused: its own last words."""


class NoRepositoryError(GitError):
    """The folder is in no repository: make one, and commit."""


def git(folder: Path, *arguments: str, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run git in a folder and return what it prints. Raises GitError."""
    try:
        done = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            cwd=folder,
            env={**(env or os.environ), "LC_ALL": "C"},  # its words are compared, and shown among ours
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise GitError("git is not installed") from None
    if done.returncode:
        reason = reason_of(done.stderr) or f"git {arguments[0]} failed"
        raise NoRepositoryError(reason) if reason.startswith("not a git repository") else GitError(reason)
    return done.stdout


def reason_of(said: str) -> str:
    """Return why git refused, without the advice that it gives below a blank line, unless a colon leads there."""
    reason, _, advice = said.strip().partition("\n\n")
    lines = [*reason.splitlines(), *(advice.splitlines() if reason.endswith(":") else [])]
    return " ".join(line.strip().removeprefix("fatal: ") for line in lines).rstrip(".")


def uncommitted_changes(checkout: Path) -> str:
    """Return in which files git has uncommitted changes, or nothing. Raises GitError."""
    changed = [line[3:] for line in git(checkout, "status", "--porcelain").splitlines()]
    more = f" and {len(changed) - 1} more" if changed[1:] else ""
    return f"{changed[0]}{more}" if changed else ""


def tracked_files(checkout: Path) -> list[str]:
    return git(checkout, "ls-files", "-z").split("\0")[:-1]
