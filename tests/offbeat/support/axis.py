"""Which broker and which pool the fault tests of this run have, and which tests that leaves: see docs/offbeat/fault-matrix.md."""

from __future__ import annotations

import os

BROKER = os.environ.get("OFFBEAT_TEST_BROKER") or "redis"
POOL = os.environ.get("OFFBEAT_TEST_POOL") or "prefork"
USUAL = {"brokers": "redis", "pools": "prefork"}
CHOSEN = {"brokers": BROKER, "pools": POOL}
VARIABLES = ("OFFBEAT_TEST_BROKER", "OFFBEAT_TEST_POOL")


def holds_here(item) -> bool:
    """Tell whether a test is one of this run's."""
    return all(_holds(item, mark, CHOSEN[mark]) for mark in CHOSEN)


def _holds(item, mark, chosen) -> bool:
    marker = item.get_closest_marker(mark)
    if chosen == USUAL[mark]:
        return marker is None or not marker.kwargs.get("only", False)
    return marker is not None and chosen in marker.args


def select(config, items) -> None:
    """Leave out the tests that do not hold with this broker and this pool."""
    others = [each for each in items if not holds_here(each)]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [each for each in items if holds_here(each)]
