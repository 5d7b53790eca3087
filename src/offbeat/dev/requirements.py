"""`./run lock`: pins what the core and the project require, each in a pyproject.toml of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from offbeat.dev.django_choice import RELEASES, DjangoChoiceError, chosen_django
from offbeat.dev.stop_signals import run_until_stopped
from offbeat.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCES = ["src/offbeat/pyproject.toml", "pyproject.toml"]
COMPILE = ["pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"]
# Where we install from is nobody else's business.
ANYWHERE = ["--no-emit-index-url", "--no-emit-find-links"]
FILES = {
    "requirements.txt": [],
    "requirements-dev.txt": [option for source in SOURCES for option in ("--group", f"{source}:dev")],
}


def main(names: Sequence[str]) -> int:
    """Pin the newest versions of the named packages, or of all; returns what uv says of it."""
    newest = [option for name in names for option in ("--upgrade-package", name)] or ["--upgrade"]
    return lock_requirements(newest)


def lock_requirements(options: Sequence[str] = ()) -> int:
    """Write the files of requirements; without options the versions that are pinned stay where they may."""
    try:
        django = RELEASES[chosen_django(ROOT)]
    except DjangoChoiceError as error:
        sys.stderr.write(f"Error: {error}\n")
        return os.EX_CONFIG
    ours = Path(sys.executable).with_name("uv")
    uv = str(ours) if ours.exists() else "uv"
    for file, groups in FILES.items():
        command = [uv, *COMPILE, *SOURCES, *django, *ANYWHERE, *groups, *options, "--output-file", file]
        if code := subprocess.run(command, cwd=ROOT, check=False).returncode:  # noqa: S603
            return code
    return 0


if __name__ == "__main__":
    run_until_stopped(main)
