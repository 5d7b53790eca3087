"""`./run remove-example`: the core alone, for those who have seen how the example uses it.

Of files that stay, lines that end in the comment `example` go, and blocks from `example begins` to `example ends`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from offbeat.dev.servers import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FOLDERS = ("src/newsletter", "tests/newsletter")
FILES = (
    "docs/offbeat/images/newsletter.png",
    "docs/offbeat/images/newsletter-dark.png",
    "src/offbeat/dev/example.py",
    "tests/offbeat/dev/test_example.py",
)
MARKED = (
    "src/offbeat/CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "platform.yaml",
    "pyproject.toml",
    "run",
    "src/config/settings.py",
    "src/config/urls.py",
    "tests/offbeat/dev/test_up.py",
    "tests/offbeat/test_architecture.py",
)
MARK = re.compile(r"(?:# example|<!-- example -->(?: \|)?)$")
BEGIN = re.compile(r"^\s*(?:# example begins|<!-- example begins -->)$")
END = re.compile(r"^\s*(?:# example ends|<!-- example ends -->)$")
UNPAIRED = 'each "example begins" should have one "example ends" after it'
QUESTION = "This deletes the example app and every line that is marked as its own. Go on? [y/N] "
NEXT = """
Next:
  git diff                    what is gone
  ./run reset                 empties the local database, which still has the example's tables
  ./run check && ./run test   the core is well without it
  git add --all && git commit
The site's start now leads to /ops/, until src/config/urls.py has an app of yours there. On a platform where the example
has run, its tables stay until you drop them: newsletter_*.
"""


class MarkError(Exception):
    """The marks of a file do not pair: mend the file, nothing has been changed."""


def main(arguments: Sequence[str]) -> int:
    """Remove the example; returns 1 when nobody says yes, 65 for marks that do not pair, 75 for uncommitted changes."""
    parser = argparse.ArgumentParser(prog="./run remove-example", description=__doc__)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--force", action="store_true", help="whatever git says about uncommitted changes")
    options = parser.parse_args(arguments)
    if not options.force and (obstacle := uncommitted(CHECKOUT)):
        sys.stderr.write(
            f"Error: {obstacle}. Hint: commit first, so that git can bring everything back; or --force.\n"
        )
        return os.EX_TEMPFAIL
    if not options.yes and not agreed():
        sys.stdout.write("Nothing was changed.\n")
        return 1
    try:
        done = remove(CHECKOUT)
    except MarkError as error:
        sys.stderr.write(f"Error: {error}\n")
        return os.EX_DATAERR
    sys.stdout.write("\n".join([*done, NEXT]))
    return 0


def uncommitted(checkout: Path) -> str:
    """Return what git holds against a change of the checkout, or nothing."""
    status = ["git", "status", "--porcelain"]
    try:
        done = subprocess.run(status, cwd=checkout, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        return "there is no git here"
    if done.returncode:
        return done.stderr.strip().removeprefix("fatal: ")
    changed = [line[3:] for line in done.stdout.splitlines()]
    more = f" and {len(changed) - 1} more" if changed[1:] else ""
    return f"git has uncommitted changes, in {changed[0]}{more}" if changed else ""


def agreed() -> bool:
    try:
        return input(QUESTION).strip().lower() in {"y", "yes"}
    except EOFError:
        sys.stdout.write("\n")
        return False


def remove(checkout: Path) -> list[str]:
    """Remove the example from a checkout and return a line for each thing done. Raises MarkError before any."""
    shorter = {}
    for name in MARKED:
        before = (checkout / name).read_text(encoding="utf-8").splitlines(keepends=True)
        shorter[name] = (before, unmarked(name, before))
    done = []
    for name, (before, after) in shorter.items():
        (checkout / name).write_text("".join(after), encoding="utf-8")
        count = len(before) - len(after)
        done.append(f"{name}: {count} {'line' if count == 1 else 'lines'} removed")
    for name in FOLDERS:
        shutil.rmtree(checkout / name, ignore_errors=True)
    for name in FILES:
        (checkout / name).unlink(missing_ok=True)
    return done + [f"{name}: removed" for name in (*FOLDERS, *FILES)]


def unmarked(name: str, lines: Sequence[str]) -> list[str]:
    """Return the lines that are not the example's. Raises MarkError."""
    kept: list[str] = []
    begun = 0  # the number of the line that begins the block, counted from one
    is_gap = False  # the blank lines before a block are kept: those after it would add to them
    for number, line in enumerate(lines, start=1):
        is_begin, is_end = bool(BEGIN.search(line)), bool(END.search(line))
        if (is_begin and begun) or (is_end and not begun):
            raise MarkError(f"{name}: line {number}: {UNPAIRED}")
        if is_begin or is_end:
            begun = number if is_begin else 0
            is_gap = bool(kept) and kept[-1].isspace()
        elif not (begun or MARK.search(line) or (is_gap and line.isspace())):
            kept.append(line)
            is_gap = False
    if begun:
        raise MarkError(f"{name}: line {begun}: {UNPAIRED}")
    return kept


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
