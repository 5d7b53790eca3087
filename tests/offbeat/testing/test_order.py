"""The order in which the core's tests run, and what one process does for those beside it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import NamedTuple

import pytest
from xdist.scheduler import WorkStealingScheduling

from tests.offbeat.support.first_process import first_alone
from tests.offbeat.support.order import arrange


class Item(NamedTuple):
    name: str
    marks: tuple = ()

    def get_closest_marker(self, name):
        return name if name in self.marks else None


class Process:
    """What xdist's scheduler wants of one."""

    shutting_down = False

    def __init__(self, number):
        self.gateway = SimpleNamespace(id=str(number))
        self.sent = []

    def send_runtest_some(self, numbers):
        self.sent += numbers


@pytest.fixture
def parts():
    """Gives what xdist hands to each of so many processes at the start."""

    def parts(items, processes):
        arrange(items, processes)
        config = SimpleNamespace(
            getvalue=lambda _: [f"{processes}*popen"], option=SimpleNamespace(debug=False)
        )
        scheduler = WorkStealingScheduling(config)
        each = [Process(number) for number in range(processes)]
        for process in each:
            scheduler.add_node(process)
            scheduler.add_node_collection(process, [item.name for item in items])
        scheduler.schedule()
        return [[items[number].name for number in process.sent] for process in each]

    return parts


@pytest.mark.parametrize("processes", [2, 3, 5])
@pytest.mark.parametrize("long", [0, 1, 4, 11])
def test_what_takes_long_begins_first_in_each_process(parts, processes, long):
    """Nobody waits at the end for a test that began last; none is lost, and none comes twice."""
    names = [f"t{number}" for number in range(47)]
    items = [
        Item(name, ("long",) if number >= 47 - long else ("faults",) if number < 9 else ())
        for number, name in enumerate(names)
    ]

    found = parts(items, processes)

    firsts = [len([name for name in part if int(name[1:]) >= 47 - long]) for part in found]
    assert max(firsts) - min(firsts) <= 1
    assert all(
        int(name[1:]) >= 47 - long for part, count in zip(found, firsts, strict=True) for name in part[:count]
    )
    assert sorted(name for part in found for name in part) == sorted(names)


def test_one_process_runs_them_as_they_stand():
    """A run of a file by a person begins with its first test; faults are between the others."""
    items = [Item("a"), Item("b", ("long",)), Item("c", ("faults",))]

    arrange(items, 1)

    assert [item.name for item in items] == ["a", "c", "b"]


def test_the_second_finds_what_the_first_has_done(tmp_path):
    """Before that it waits; afterwards nobody does."""
    done = tmp_path / "done"

    with first_alone(done):
        assert not done.exists()
    with first_alone(done), first_alone(done):
        assert done.exists()
