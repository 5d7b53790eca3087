"""The order of tests: what mostly waits lies between what computes, and what takes long begins first."""

from __future__ import annotations

from itertools import islice


def arrange(items, processes):
    """Sort the tests; `processes` is into how many parts, one for each process, xdist cuts the list."""
    spread(items)
    if processes > 1:
        items[:] = begin_with([each for each in items if each.get_closest_marker("long")], items, processes)


def spread(items):
    """Spread the fault tests, which mostly wait, over all others: one that needs the CPU runs meanwhile, to the end."""
    groups = {True: [], False: []}
    for item in items:
        groups[item.get_closest_marker("faults") is not None].append(item)
    place = {item: number / len(group) for group in groups.values() for number, item in enumerate(group)}
    items.sort(key=place.__getitem__)


def begin_with(first, items, processes):
    """Let the part of each process begin with its share of some: one that begins last lets the other processes wait for it."""
    chosen = set(first)
    rest = iter([each for each in items if each not in chosen])
    arranged = []
    for number in range(processes):
        share = first[number::processes]
        size = (len(items) - len(arranged)) // (processes - number)  # as xdist cuts it
        arranged += [*share, *islice(rest, max(0, size - len(share)))]
    return [*arranged, *rest]
