"""Lengths of time and counts as people read and write them."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = ((86400, "d"), (3600, "h"), (60, "min"))
WRITTEN = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
LONGEST = timedelta(days=10_000)


def duration(length: timedelta) -> str:
    """Return a length of time in its two largest units: ``2.1 s``, ``19 min``, ``3 h 20 min``."""
    seconds = abs(length.total_seconds())
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    whole, parts = round(seconds), []
    for size, unit in UNITS:
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def read_duration(text: str) -> timedelta:
    """Read a length of time: ``90s``, ``10 min``, ``2h``, ``3d``. Raises ValueError for any other text."""
    found = re.fullmatch(rf"\s*([0-9]{{1,9}})\s*({'|'.join(WRITTEN)})\s*", text)
    length = timedelta(seconds=int(found[1]) * WRITTEN[found[2]]) if found else timedelta()
    if not timedelta() < length <= LONGEST:
        raise ValueError(f"a length of time is written as 90s, 10min, 2h or 3d, got {text!r}")
    return length


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
