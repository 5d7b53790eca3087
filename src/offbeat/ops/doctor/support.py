"""How long the versions at hand get security fixes from those who make them, and when it is time to change."""

from __future__ import annotations

import platform
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import django

from offbeat.ops.doctor.findings import Finding, graded

if TYPE_CHECKING:
    from collections.abc import Iterator

# The day of the last fixes. A version that is newer than these is supported.
ENDS = {
    # https://www.postgresql.org/support/versioning/
    "PostgreSQL": {
        "14": date(2026, 11, 12),
        "15": date(2027, 11, 11),
        "16": date(2028, 11, 9),
        "17": date(2029, 11, 8),
        "18": date(2030, 11, 14),
    },
    # https://devguide.python.org/versions/
    "Python": {
        "3.11": date(2027, 10, 31),
        "3.12": date(2028, 10, 31),
        "3.13": date(2029, 10, 31),
        "3.14": date(2030, 10, 31),
    },
    # https://www.djangoproject.com/download/#supported-versions, and DEP 20 for 6.2: the month is all that is said.
    "Django": {
        "5.2": date(2028, 4, 30),
        "6.0": date(2027, 4, 30),
        "6.1": date(2027, 12, 31),
        "6.2": date(2030, 4, 30),
    },
}
# How long before its end a version is yellow: a year has a good day for a new database or Python. A Django that is no
# long-term release lives for 16 months, and would be yellow from its fourth one on.
NOTICE = {"PostgreSQL": timedelta(365), "Python": timedelta(365), "Django": timedelta(180)}


def process_versions() -> Iterator[Finding]:
    """Look at what the process is made of; the server's version is looked at where the server is."""
    yield support("Python", ".".join(platform.python_version_tuple()[:2]), today())
    yield support("Django", ".".join(map(str, django.VERSION[:2])), today())


def today() -> date:
    return datetime.now(UTC).date()


def support(product: str, version: str, day: date, found: str = "") -> Finding:
    """Return the finding of a day: red when the support is over, yellow in the time before it. `found` is the whole version."""
    end = ENDS[product].get(version)
    is_over, is_ending = (bool(end and end < day + notice) for notice in (timedelta(), NOTICE[product]))
    text = f"security fixes {'ended' if is_over else 'until'} {end:%-d %B %Y}" if end else "supported"
    newest = max(ENDS[product], key=lambda each: [int(part) for part in each.split(".")])
    return graded(
        f"{product} version",
        f"{found or version}, {text}",
        is_red=is_over,
        is_yellow=is_ending,
        advice=f"upgrade: {newest} is the newest known version",
    )
