"""Lengths of time that were measured, as trends show them: two digits are what their histograms know."""

from __future__ import annotations

from datetime import timedelta

from offbeat.cronjobs.words import duration


def in_words(seconds: float) -> str:
    """Return ``8 ms``, ``410 ms``, ``2.1 s``, ``19 min``."""
    if seconds < 0.9995:
        return f"{float(f'{seconds * 1000:.2g}'):.0f} ms" if seconds >= 0.0095 else f"{seconds * 1000:.1g} ms"
    return duration(timedelta(seconds=seconds))
