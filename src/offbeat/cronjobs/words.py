"""Moments and lengths of time as people read them."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def stamp(moment: datetime) -> str:
    """Return a moment in UTC: ``2026-11-23 08:00Z``; with seconds where it has some."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M:%SZ}" if moment.second else f"{moment:%Y-%m-%d %H:%MZ}"


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


def lateness(slot: datetime, moment: datetime) -> str:
    """Return how far from its slot something happened: ``2.1 s late``, ``25 s early``."""
    return f"{duration(moment - slot)} {'late' if moment >= slot else 'early'}"


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
