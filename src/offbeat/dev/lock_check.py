"""Whether the lock pins what both pyproject.toml require: an image, and each `.venv`, get what is pinned and nothing else."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.dependency_groups import resolve_dependency_groups
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from offbeat.dev.django_choice import LOCK, mismatch
from offbeat.dev.locks import packages
from offbeat.dev.requirements import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEV_LOCK = "requirements-dev.txt"
PIN = re.compile(r"(?m)^[^\s#]+==([^\s;\\]+)")
HINT = "Hint: ./run lock"


def problems(root: Path) -> Iterator[str]:
    """Give a line for each requirement that is not pinned as it is written."""
    if said := mismatch(root):
        yield said
        return
    for source in SOURCES:
        try:
            project = tomllib.loads((root / source).read_text(encoding="utf-8"))
            wanted = {LOCK: project["project"].get("dependencies", []), DEV_LOCK: dev_group(project)}
            for lock, each in wanted.items():
                pins = packages((root / lock).read_text(encoding="utf-8"))
                yield from (f"{source}: {said}" for said in unpinned(each, lock, pins))
        except (OSError, ValueError, LookupError, TypeError, ExceptionGroup) as error:
            yield f"{source}: {error}"


def dev_group(project: dict[str, Any]) -> Sequence[str]:
    groups = project.get("dependency-groups", {})
    return resolve_dependency_groups(groups, "dev") if "dev" in groups else ()


def unpinned(wanted: Sequence[str], lock: str, pins: dict[str, str]) -> Iterator[str]:
    """Say of each requirement that is not pinned what the lock has in its place."""
    for each in wanted:
        try:
            requirement = Requirement(each)
        except InvalidRequirement as error:
            yield f'"{each}": {str(error).splitlines()[0]}'
            continue
        pin = pins.get(canonicalize_name(requirement.name))
        versions = PIN.findall(pin or "")  # none of a package that is an address
        if pin is None and requirement.marker is None:  # uv leaves out what no supported Python needs
            yield f'"{each}" is not in {lock}. {HINT}'
        elif versions and not any(requirement.specifier.contains(one, prereleases=True) for one in versions):
            yield f'"{each}" is {requirement.name} {" and ".join(versions)} in {lock}. {HINT}'


def main() -> int:
    """Print what is wrong; return 1 if anything is."""
    found = list(problems(Path.cwd()))
    sys.stdout.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
