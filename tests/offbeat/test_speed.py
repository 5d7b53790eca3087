"""What `./run speed` says of ratios; tests/offbeat/project/template/test_speed.py runs it."""

from __future__ import annotations

import json

import pytest

from tests.offbeat.speed.__main__ import RECORDED
from tests.offbeat.speed.table import KINDS, table

BEFORE = {"where": "2026-11-27, 2 CPUs", "ratios": {"rate": 0.8, "start": 1.4}}


def verdicts(page):
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    return {row[0]: row[4].strip() if len(row) > 4 else "" for row in rows[2:]}


@pytest.mark.parametrize(
    ("found", "marked"),
    [
        ({"rate": 0.8, "start": 1.4}, []),
        ({"rate": 0.62, "start": 1.81}, []),  # within 30 %, both
        ({"rate": 0.61, "start": 1.4}, ["rate"]),
        ({"rate": 0.8, "start": 1.83}, ["start"]),
        ({"rate": 8.0, "start": 0.1}, []),  # better is never marked
    ],
)
def test_a_ratio_that_became_worse_is_marked(found, marked):
    """Worse by more than 30 % in the direction that is bad for this ratio says "look at this"; nothing else does."""
    seen = verdicts(table(found, BEFORE, load=0.1))

    assert seen == {KINDS[name].words: "**look at this**" if name in marked else "" for name in found}


def test_a_ratio_that_was_never_recorded_is_new():
    """What is measured for the first time is compared with nothing."""
    assert verdicts(table({"bulk": 12.0}, BEFORE, load=0.1)) == {KINDS["bulk"].words: "new"}


def test_the_page_says_how_far_to_trust_it():
    """It has the recorded machine, and the load of this one."""
    page = table({"rate": 0.8}, BEFORE, load=7.04)

    assert "Recorded: 2026-11-27, 2 CPUs. The load of this machine was 7.0 before." in page


def test_all_ratios_are_recorded():
    """The file that comes with the core has each ratio that is measured, and no other."""
    assert set(json.loads(RECORDED.read_text())["ratios"]) == set(KINDS)
