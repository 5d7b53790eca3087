"""Moments and lengths of time as people read them."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from offbeat.jobs.words import counted, duration

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["counted", "duration", "lateness", "stamp"]


def stamp(moment: datetime) -> str:
    """Return a moment in UTC: ``2026-11-23 08:00Z``; with seconds where it has some."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M:%SZ}" if moment.second else f"{moment:%Y-%m-%d %H:%MZ}"


def lateness(slot: datetime, moment: datetime) -> str:
    """Return how far from its slot something happened: ``2.1 s late``, ``25 s early``."""
    return f"{duration(moment - slot)} {'late' if moment >= slot else 'early'}"
