"""The order of the core's tests."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Spread the fault tests, which mostly wait, over all others: one that needs the CPU runs meanwhile, to the end."""
    groups = {True: [], False: []}
    for item in items:
        groups[item.get_closest_marker("faults") is not None].append(item)
    place = {item: number / len(group) for group in groups.values() for number, item in enumerate(group)}
    items.sort(key=place.__getitem__)
