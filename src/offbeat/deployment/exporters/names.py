"""Names as a platform takes them: one rule for all that are too long, so that none changes when others come or go."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

DIGITS = 6
"""Of a hash: two names of one project that are cut alike differ in them."""


def fitted(name: str, most: int, *, doubles: bool = True) -> str:
    """Give the name, cut and with a hash of the whole name where it is too long, or has hyphens that are refused.

    The result depends on nothing but the name, and never ends with a hyphen. `most` is the longest that the platform takes;
    `doubles` says whether it takes two hyphens in a row.
    """
    plain = name if doubles else re.sub("-{2,}", "-", name)
    if plain == name and len(name) <= most:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:DIGITS]
    return f"{plain[: most - DIGITS - 1].rstrip('-')}-{digest}"


def apart(name: str, taken: Collection[str]) -> str:
    """Give a service's name, or `<name>-service` where the exporter has something of that name: no service has a hyphen."""
    return f"{name}-service" if name in taken else name
