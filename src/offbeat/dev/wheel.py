"""`./run wheel`: the core as a wheel, built from this folder alone and without a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from offbeat.dev.servers import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGE = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str]) -> int:
    """Build it into the named folder, or into dist/; prints where it is."""
    folder = Path(*arguments[:1]).resolve() if arguments else CHECKOUT / "dist"
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    return subprocess.run(command, cwd=PACKAGE, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
