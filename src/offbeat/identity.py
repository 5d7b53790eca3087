"""What the project is called: `name` of platform.yaml, the one place that says it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from offbeat.project import PLATFORM_FILE

if TYPE_CHECKING:
    from pathlib import Path

NAME = re.compile(r"""^name:[ ]*(["']?)([a-z][a-z0-9-]{1,28}[a-z0-9])\1[ ]*(?:#.*)?$""", re.MULTILINE)
NAMELESS = "jobs"
# No space, no quote, and no { }, which mean something to a Redis cluster.
PREFIX = (
    "1 to 64 characters: a-z, A-Z, 0-9, and . _ - : between them",
    r"[A-Za-z0-9]([A-Za-z0-9._:-]{0,62}[A-Za-z0-9])?",
)


def platform_name(path: Path = PLATFORM_FILE) -> str:
    """Return the `name` of platform.yaml, "jobs" where it has none that a platform takes: the checks tell of that.

    Found by its line: reading the file as offbeat.deployment.spec does costs each start and each wake-up a tenth of a second.
    """
    try:
        found = NAME.search(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return NAMELESS
    return found[2] if found else NAMELESS


def platform_title(path: Path = PLATFORM_FILE) -> str:
    """Return the name as people read it: "corner-shop" is "Corner Shop"."""
    return platform_name(path).replace("-", " ").title()


def platform_queues(path: Path = PLATFORM_FILE) -> frozenset[str]:
    """Return the queues that services of platform.yaml consume; none where it cannot be read: the checks report that."""
    import yaml  # noqa: PLC0415  30 ms, for those who name a queue

    try:
        services = yaml.safe_load(path.read_text(encoding="utf-8"))["services"]
        return frozenset(
            str(queue) for service in services for queue in (service.get("queues") or ()) if queue
        )
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return frozenset()
