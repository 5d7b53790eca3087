"""`./run reset`: a fresh start, without the data of the embedded servers."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from offbeat.dev.claim import Claim
from offbeat.dev.servers import CHECKOUT, FOLDER
from offbeat.dev.stop_signals import run_until_stopped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KEPT = {"tools", "running"}  # programs of optional tests; the claim, whose lock is the file's


def main(arguments: Sequence[str] = ()) -> int:
    """Delete what is in .local/ and with --all the environment too; 75: a process still uses it, 77: it may not be."""
    if unknown := [each for each in arguments if each != "--all"]:
        sys.stderr.write(
            f"Error: ./run reset takes --all or nothing, got {unknown[0]}. Nothing was deleted.\n"
        )
        return os.EX_USAGE
    try:
        return reset(with_environment="--all" in arguments)
    except OSError as error:  # a folder that is another's
        sys.stderr.write(f"Error: {error}\n")
        return os.EX_NOPERM


def reset(*, with_environment: bool) -> int:
    with Claim(FOLDER, "reset") as claim:
        if not claim.take():
            owner = claim.owner()
            who = f"./run {owner.task} (pid {owner.pid})" if owner else "Another process"
            sys.stderr.write(f"Error: {who} uses {FOLDER}. Hint: stop it first.\n")
            return os.EX_TEMPFAIL
        for path in FOLDER.iterdir():
            if path.name not in KEPT:
                remove(path)
    sys.stdout.write(f"Deleted the data in {FOLDER}.\n")
    if named := [name for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)]:
        sys.stdout.write(f"Untouched: what {' and '.join(named)} lead to. Only embedded servers are reset.\n")
    if with_environment:
        shutil.rmtree(CHECKOUT / ".venv", ignore_errors=True)
    return 0


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


if __name__ == "__main__":
    run_until_stopped(main)
