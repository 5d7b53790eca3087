"""The fault matrix is complete: each row of faults.md has a test, and each cell a test or a reason."""

from __future__ import annotations

import pytest

from tests.offbeat.faults import matrix
from tests.offbeat.faults.reasons import NOT_YET, REASONS, reason_of

ROWS = [row for rows in matrix.rows_by_section().values() for row in rows]
TESTS = matrix.fault_tests()


def test_the_page_is_current():
    """`python -m tests.offbeat.faults.matrix` would write what is there."""
    assert matrix.PAGE.read_text(encoding="utf-8") == matrix.write_page()


def test_every_row_is_proven():
    """By at least one test of the usual run, with Redis and prefork, or of the broker that it is about."""
    assert [row for row in ROWS if not any(row in test.rows for test in TESTS)] == []


def test_every_mark_is_a_row():
    """The text of a mark is the first cell of a row of faults.md, word for word, and its runs are columns."""
    assert [(test.name, row) for test in TESTS for row in test.rows if row not in ROWS] == []
    assert [test.name for test in TESTS if not test.columns <= set(matrix.COLUMNS)] == []


def test_no_cell_is_empty():
    """Where there is no test, there is a reason."""
    empty = [
        (row, column)
        for row in ROWS
        for column, names in matrix.cells_of(row, TESTS).items()
        if not names and reason_of(row, column) == NOT_YET
    ]

    assert empty == []


@pytest.mark.parametrize("reason", REASONS, ids=lambda each: f"{each.name}-{each.columns[0]}")
def test_every_reason_is_needed(reason):
    """One whose cells all have tests by now is out of date."""
    cells = [
        (row, column) for row in ROWS for column in reason.columns if not matrix.cells_of(row, TESTS)[column]
    ]

    assert any(reason_of(row, column) == reason.name for row, column in cells)
