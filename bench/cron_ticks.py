"""A tick over very many cronjobs, a tenth of them due."""

from __future__ import annotations

from tests.offbeat.speed import ticks

SIZES = (250, 500, 1_000, 2_000, 10_000)
ROUNDS = 5


def measure():
    """Return the seconds of a tick, by the number of cronjobs."""
    return ticks.measure(SIZES, ROUNDS)
