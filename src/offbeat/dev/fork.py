"""`./run fork NAME`: this checkout becomes a project of its own, with its name, and without the example.

Run again, it does what is left to do: a team that kept the example deletes it by the same command without --keep-example.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from offbeat.base import Base, BaseFileError, core_trees, read_base, read_version, write_base
from offbeat.deployment.names import PLATFORM_NAME
from offbeat.dev.git import TAKE_BACK, GitError, NoRepositoryError, git, tracked_files, uncommitted_changes
from offbeat.dev.stop_signals import run_until_stopped, undisturbed
from offbeat.dev.thin_files import (
    EXAMPLE,
    README,
    UPSTREAM_ONLY,
    MarkError,
    as_fork,
    is_thin,
    without_marked,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

UPSTREAM = "https://github.com/your-org/offbeat"
NEXT = """
Next:
  git diff                    what has changed
  ./run reset                 empties the local database, which may have the example's tables
  ./run check && ./run test   all is well
  git add --all && git commit
Updates of the core come from {upstream} (`upstream` in offbeat.toml): ./run update
What is yours, and what is not: docs/offbeat/fork.md
"""


class ForkError(Exception):
    """The checkout cannot become that fork; nothing has been changed. Its second argument is the exit code."""


def main(arguments: Sequence[str]) -> int:
    """Make the fork; returns 64 for a name that cannot be, 65 for a file that does not read, 75 for uncommitted changes."""
    parser = argparse.ArgumentParser(prog="./run fork", description=__doc__)
    parser.add_argument("name", metavar="NAME", help="3 to 30 of a-z, 0-9 and hyphen")
    parser.add_argument("--keep-example", action="store_true", help="keep the newsletter, to read it")
    parser.add_argument(
        "--upstream", metavar="ADDRESS", help="where updates come from: a git address or a path"
    )
    options = parser.parse_args(arguments)
    try:
        done = fork(Path.cwd(), options.name, options.upstream, with_example=options.keep_example)
    except ForkError as error:
        sys.stderr.write(f"Error: {error.args[0]}\n")
        return int(error.args[1])
    except (MarkError, BaseFileError, GitError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return os.EX_DATAERR
    except OSError as error:  # a full disk, or a checkout that may not be written
        sys.stderr.write(f"Error: {error}. Hint: {TAKE_BACK} undoes what was done; then fork again.\n")
        return os.EX_IOERR
    sys.stdout.write("\n".join(done) + "\n")
    return 0


def fork(root: Path, name: str, upstream: str | None, *, with_example: bool) -> list[str]:
    """Make the checkout the fork of that name, and return a line for each thing done. Raises what main() tells of."""
    refuse_name(name)
    base = read_base(root)
    if base and base.name != name:
        hint = "Hint: to rename it, change the name in platform.yaml, where else you see it, and in offbeat.toml."
        raise ForkError(f"this is the fork {base.name} already. {hint}", os.EX_USAGE)
    has_example = any((root / folder).is_dir() for folder in EXAMPLE)
    if base and (with_example or not has_example):
        return [
            f"Nothing to do: this is the fork {name}, {'with' if has_example else 'without'} the example."
        ]
    refuse_uncommitted(root)
    recorded = base or new_base(root, name, upstream or likely_upstream(root))
    with undisturbed():  # half a fork is no fork, and could not be told from a team's own changes
        if base:
            done = rewrite(root, without_example)
        else:
            done = rewrite(
                root, lambda path, content: first_version(path, content, name, with_example=with_example)
            )
        write_base(root, replace(recorded, example=with_example and has_example))
    return [*done, NEXT.format(upstream=recorded.upstream)]


def refuse_name(name: str) -> None:
    try:
        PLATFORM_NAME.convert(name)
    except ValueError as error:
        raise ForkError(f"NAME: {error}", os.EX_USAGE) from None
    if name == "offbeat":
        raise ForkError('NAME: should be your own name, got "offbeat"', os.EX_USAGE)


def refuse_uncommitted(root: Path) -> None:
    try:
        changes = uncommitted_changes(root)
    except NoRepositoryError as error:
        hint = "Hint: git init && git add --all && git commit, so that git can restore everything."
        raise ForkError(f"{error}. {hint}", os.EX_TEMPFAIL) from None
    if changes:
        hint = "Hint: commit first, so that git can restore everything."
        raise ForkError(f"git has uncommitted changes, in {changes}. {hint}", os.EX_TEMPFAIL)


def first_version(path: str, content: bytes, name: str, *, with_example: bool) -> bytes | None:
    """Return a file of the checkout as the fork has it. A README or licence that the team wrote meanwhile is theirs."""
    is_theirs = path.startswith(UPSTREAM_ONLY) and "/" not in path and b"offbeat" not in content.lower()
    if is_theirs or (path == README and not content.startswith(b"# Offbeat\n")):
        return content
    return as_fork(path, content, name, with_example=with_example)


def without_example(path: str, content: bytes) -> bytes | None:
    if path.startswith(EXAMPLE):
        return None
    try:
        return without_marked(path, content.decode(), ("example",)).encode()
    except UnicodeDecodeError:
        return content


def rewrite(root: Path, change: Callable[[str, bytes], bytes | None]) -> list[str]:
    """Change each file of the template, and return a line for each. Raises MarkError before any."""
    changed: dict[str, bytes | None] = {}
    for path in tracked_files(root):
        if not is_thin(path) or (root / path).is_symlink() or not (root / path).is_file():
            continue
        before = (root / path).read_bytes()
        after = change(path, before)
        if after != before:
            changed[path] = after
    write_files(root, changed)
    return summary(changed)


def write_files(root: Path, changed: dict[str, bytes | None]) -> None:
    for path, content in changed.items():
        if content is None:
            (root / path).unlink()
        else:
            (root / path).write_bytes(content)
    remove_folders(root, [path for path, content in changed.items() if content is None])


def remove_folders(root: Path, removed: Sequence[str]) -> None:
    """Remove what is left of folders whose files are gone: what Python and tools keep beside them."""
    for folder in (*EXAMPLE, *UPSTREAM_ONLY):
        if folder.endswith("/") and any(path.startswith(folder) for path in removed):
            shutil.rmtree(root / folder)


def summary(changed: dict[str, bytes | None]) -> list[str]:
    """Return a line for each file or folder that has changed."""
    folders = {folder for folder in (*EXAMPLE, *UPSTREAM_ONLY) if folder.endswith("/")}
    lines = {}
    for path, content in changed.items():
        known = next((folder for folder in folders if path.startswith(folder)), path)
        lines[known] = "removed" if content is None else "changed"
    return [f"{path}: {what}" for path, what in lines.items()]


def new_base(root: Path, name: str, upstream: str) -> Base:
    commit = git(root, "rev-parse", "HEAD").strip()
    return Base(name, read_version(root), commit, upstream, example=True, core=core_trees(root))


def likely_upstream(root: Path) -> str:
    """Return where the checkout was cloned from if that is Offbeat by its name; else, as behind "Use this template", ours.

    The address will be committed, so a password in it stays behind.
    """
    try:
        origin = git(root, "remote", "get-url", "origin").strip()
    except GitError:
        return UPSTREAM
    origin = re.sub(r"^(https?://)[^/]*@", r"\1", origin)
    return origin if re.search(r"(^|[/:])offbeat(\.git)?/?$", origin) else UPSTREAM


if __name__ == "__main__":
    run_until_stopped(main)
