"""Licences of packages: which ask for nothing but a notice, which ask for more and are known, and which are a surprise."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

# They ask for nothing but a notice; the names without a version are those of classifiers.
ALLOWED = {
    "0BSD", "Apache-2.0", "Apache Software License", "BSD-0-Clause", "BSD-2-Clause", "BSD-3-Clause", "BSD License", "ISC", "MIT",
    "MIT License", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib",
}  # fmt: skip
# What asks for more, and why that is kept.
KNOWN = {
    "certifi": "unchanged files, which is all that the MPL asks about",
    "psycopg": "a library that is used unchanged and can be replaced, as the LGPL wants",
    "psycopg-binary": "the same",
}
SAYS_NOTHING = {"OSI Approved", "DFSG approved"}  # classifiers that name no licence


def normalise(name: str) -> str:
    """Return a package's name as an index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def own_licences(path: Path) -> dict[str, str]:
    """Return which packages the team has allowed, and why."""
    project = tomllib.loads(path.read_text(encoding="utf-8"))
    found = project.get("tool", {}).get("offbeat", {}).get("licences", {})
    return {normalise(name): str(reason) for name, reason in found.items()}


def licence_list(components: Iterable[dict[str, Any]], known: dict[str, str]) -> list[str]:
    """Return a line for each licence, with the packages that have it, and why it is kept where it asks for more."""
    by_licence: dict[str, list[str]] = defaultdict(list)
    for each in libraries(components):
        by_licence[" and ".join(licences_of(each)) or "none said"].append(each["name"])
    reasons = {name: reason for name, reason in known.items() if reason != "the same"}
    lines = []
    for licence, names in sorted(by_licence.items()):
        why = "; ".join(reasons[normalise(name)] for name in names if normalise(name) in reasons)
        lines.append(f"{licence}: {', '.join(names)}" + (f" ({why})" if why else ""))
    return lines


def surprises(components: Iterable[dict[str, Any]], known: dict[str, str]) -> list[str]:
    """Return a line for each package whose licence is neither allowed nor known."""
    return [
        f"{each['name']}: {' and '.join(licences_of(each)) or 'says none'}"
        for each in libraries(components)
        if normalise(each["name"]) not in known and not is_allowed(licences_of(each))
    ]


def libraries(components: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield all but the image, which is Debian's: hundreds of packages, each with licences of its own."""
    return (each for each in components if each.get("type") != "container")


def licences_of(found: dict[str, Any]) -> list[str]:
    """Return the licences that a package declares: their names, or expressions of them."""
    entries = found.get("licenses") or []
    named = (
        each["license"].get("id") or each["license"]["name"] if "license" in each else each["expression"]
        for each in entries
    )
    return sorted({name.rpartition(" :: ")[2] for name in named} - SAYS_NOTHING)


def is_allowed(licences: Sequence[str]) -> bool:
    return bool(licences) and all(
        any(
            all(one.strip(" ()") in ALLOWED for one in side.split(" AND "))
            for side in expression.split(" OR ")
        )
        for expression in licences
    )
