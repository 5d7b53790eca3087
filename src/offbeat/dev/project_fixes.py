"""`./run fix`: format the code, fix what ruff can, and say what is left for a person, such as migrations."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from offbeat.dev.environments import private
from offbeat.dev.project_checks import CHECKS, MODULE, NO_SERVERS, PRODUCTION, WITHOUT_CORE, run
from offbeat.dev.servers import CHECKOUT, MANAGE
from offbeat.dev.stop_signals import run_until_stopped

if TYPE_CHECKING:
    from collections.abc import Sequence

FIXES = {
    "lint": [*MODULE, "ruff", "check", "--fix", "--quiet", "--exit-zero", ".", *WITHOUT_CORE],
    "format": [*MODULE, "ruff", "format", "--quiet", ".", *WITHOUT_CORE],
    # What is made of platform.yaml: the Procfile, the schema, tables in the core's manual.
    "generated files": [*MANAGE, "check_platform", "--write"],
}
KINDS = {".py", ".pyi", ".md", ".json"}
# What a person decides, and the command for it.
LEFT = {
    "lint": "fix it by hand",
    "format": "fix the syntax",
    "migrations": "./run manage makemigrations",
    "requirements": "./run lock",
}


def main(arguments: Sequence[str]) -> int:
    """Fix what can be fixed; returns 1 where something is left, 64 for arguments."""
    if arguments:
        sys.stderr.write(
            f"Error: ./run fix takes no arguments, got {arguments[0]}: it fixes the whole project.\n"
        )
        return os.EX_USAGE
    environment = private(os.environ) | NO_SERVERS | PRODUCTION
    before = fingerprint()
    for command in FIXES.values():
        if (done := run(command, environment)).returncode:
            sys.stdout.write(done.stdout)
    changed = sorted(path for path, stamp in fingerprint().items() if before.get(path) != stamp)
    sys.stdout.write("".join(f"fixed {path}\n" for path in changed) or "Nothing had to be fixed.\n")
    return report_what_is_left(environment)


def report_what_is_left(environment: dict[str, str]) -> int:
    failed = 0
    for name, hint in LEFT.items():
        for command in CHECKS[name]:
            if (done := run(command, environment)).returncode:
                failed = 1
                sys.stdout.write(f"{done.stdout.rstrip()}\nLeft: {name}. Hint: {hint}\n")
    return failed


def fingerprint() -> dict[str, int]:
    """Return when each file that a fix may change was changed last."""
    folders = [CHECKOUT / name for name in ("src", "tests", "docs", "bench")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in KINDS]
    files += [path for path in CHECKOUT.iterdir() if path.suffix in KINDS or path.name == "Procfile"]
    return {str(path.relative_to(CHECKOUT)): path.stat().st_mtime_ns for path in files}


if __name__ == "__main__":
    run_until_stopped(main)
