"""A broker other than Redis: there, with messages that can be read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from offbeat.cronjobs.words import counted
from offbeat.jobs import broker, unreadable_store
from offbeat.ops.doctor.findings import Finding, graded, yellow

if TYPE_CHECKING:
    from collections.abc import Iterator


def reachable() -> Iterator[Finding]:
    broker.ping()  # connects
    begun = time.perf_counter()
    broker.ping()
    took = time.perf_counter() - begun
    yield graded(
        broker.name(),
        f"answers in {took * 1000:.1f} ms",
        is_red=False,
        is_yellow=took > 0.1,
        advice="put it into the same region: every request that enqueues waits for it",
    )


def unreadable() -> Iterator[Finding]:
    if count := unreadable_store.how_many():
        yield yellow(
            f"{broker.name()} messages",
            f"{counted(count, 'message')} put aside that no worker can read",
            "python manage.py jobs messages",
        )
