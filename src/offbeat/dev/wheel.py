"""`./run wheel`: the core and offbeat-client as wheels, built from their folders alone and without a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from offbeat.dev.servers import CHECKOUT
from offbeat.dev.stop_signals import run_until_stopped

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES = (Path(__file__).resolve().parent.parent, CHECKOUT / "clients" / "python")


def main(arguments: Sequence[str]) -> int:
    """Build them into the named folder, or into dist/; prints where they are. Returns 1 if either failed."""
    folder = Path(*arguments[:1]).resolve() if arguments else CHECKOUT / "dist"
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    here = [package for package in PACKAGES if package.is_dir()]  # a fork has the core alone
    return max(subprocess.run(command, cwd=package, check=False).returncode for package in here)  # noqa: S603


if __name__ == "__main__":
    run_until_stopped(main)
