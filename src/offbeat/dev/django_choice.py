"""Which Django a project runs: one line of its pyproject.toml, which `./run lock` follows. Works with any Python."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Each supported release, with what uv has to be told for it; a project without the line has the first.
RELEASES = {"6.1": (), "5.2": ("--extra", "lts")}
FILE = "pyproject.toml"
LOCK = "requirements.txt"
LINE = re.compile(rb'(?m)^django = "[^"]*"')
PIN = re.compile(r"(?m)^django==(\d+\.\d+)")


class DjangoChoiceError(Exception):
    """The project asks for a Django that this core does not support: the message says which ones it does."""


def chosen_django(root: Path) -> str:
    """Return the release that the project has chosen. Raises DjangoChoiceError."""
    found = written_django(root)
    release = next(iter(RELEASES)) if found is None else str(found)
    if release not in RELEASES:
        known = " or ".join(f'"{each}"' for each in RELEASES)
        raise DjangoChoiceError(f'{FILE}: tool.offbeat.django: should be {known}, got "{release}"')
    return release


def written_django(root: Path) -> object:
    """Return what the line says, None without one. Raises DjangoChoiceError."""
    try:
        project = tomllib.loads((root / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DjangoChoiceError(f"{FILE}: {error}") from None
    found = project.get("tool", {}).get("offbeat", {})
    return found.get("django") if isinstance(found, dict) else None


def pinned_releases(lock: str) -> list[str]:
    """Return the releases that a lock pins, the oldest first: one for Python 3.11 and one for newer ones, or the same for all."""
    return sorted(set(PIN.findall(lock)), key=lambda release: tuple(map(int, release.split("."))))


def keep_django(pyproject: bytes, root: Path) -> bytes:
    """Return upstream's pyproject.toml with the Django that a fork has which was made before there was a choice.

    The line comes with the update; from then on it is the team's.
    """
    try:
        is_written = written_django(root) is not None
        pinned = pinned_releases((root / LOCK).read_text(encoding="utf-8"))
    except (DjangoChoiceError, OSError, UnicodeDecodeError):
        return pyproject
    if is_written or len(pinned) != 1 or pinned[0] not in RELEASES:
        return pyproject
    return LINE.sub(f'django = "{pinned[0]}"'.encode(), pyproject)


def mismatch(root: Path) -> str:
    """Return how the lock differs from the choice, if it does: the image gets the newest Django of the lock."""
    try:
        chosen = chosen_django(root)
        pinned = pinned_releases((root / LOCK).read_text(encoding="utf-8"))
    except (DjangoChoiceError, OSError) as error:
        return str(error)
    if pinned[-1:] == [chosen]:
        return ""
    found = f"pins Django {pinned[-1]}" if pinned else "pins no Django"
    return f"{LOCK} {found}, and {FILE} chooses {chosen} (tool.offbeat.django). Hint: ./run lock"
