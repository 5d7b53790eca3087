"""The fault matrix: which test proves which row of faults.md with which broker and pool.

`python -m tests.offbeat.faults.matrix` writes docs/offbeat/fault-matrix.md from the tests' marks, and imports none of them.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, NamedTuple

from tests.offbeat.faults.reasons import BROKERS, POOLS, REASONS, SOLO, reason_of
from tests.offbeat.support.running import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = CHECKOUT / "tests" / "offbeat"
FAULTS = CHECKOUT / "docs" / "offbeat" / "faults.md"
PAGE = CHECKOUT / "docs" / "offbeat" / "fault-matrix.md"
COLUMNS = (*BROKERS, *POOLS, SOLO)
TITLES = {"redis": "Redis", "rabbitmq": "RabbitMQ", "sqs": "Amazon SQS"}
HEAD = """\
# Faults, brokers and pools

[faults.md](faults.md) says what happens after each fault. This page names the tests that prove it,
for each broker and each pool.
`python -m tests.offbeat.faults.matrix` writes it from the tests' marks.

- The columns Redis, RabbitMQ and Amazon SQS are runs with the pool `prefork`.
- The columns `threads` and `gevent` are runs with Redis.
- A cell names the tests of that run. "✓" means all tests of the Redis column.
- "weekly" means that CI runs these tests once a week (`python -m tests.offbeat.faults.axes --all`), and the others each time.
- A cell without a test has a reason. [The reasons](#reasons) are at the end.
- `OFFBEAT_TEST_BROKER` and `OFFBEAT_TEST_POOL` choose what the fault tests run with.
"""


class FaultTest(NamedTuple):
    """A test that is marked with the rows that it proves."""

    name: str
    rows: tuple[str, ...]
    columns: frozenset[str]
    weekly: frozenset[str]  # of them, those that CI runs once a week


def marks_of(*nodes: ast.expr) -> Iterator[tuple[str, tuple, dict]]:
    """Give the name, the arguments and the options of each of pytest's marks among the expressions."""
    for node in nodes:
        call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
        if ast.unparse(call.func).startswith("pytest.mark."):
            name = ast.unparse(call.func).removeprefix("pytest.mark.")
            if name in {"fault", "brokers", "pools"}:
                options = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
                yield name, tuple(ast.literal_eval(each) for each in call.args), options


def pytestmark_of(module: ast.Module) -> list[ast.expr]:
    """Give the marks that a module has for all its tests."""
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            return node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
    return []


def columns_of(marks: list[tuple[str, tuple, dict]]) -> tuple[frozenset[str], frozenset[str]]:
    """Give the runs that a test is part of, and those of them that CI does once a week.

    The usual one, unless a mark says `only`, and those that marks name.
    """
    others = [(arguments, options) for name, arguments, options in marks if name != "fault"]
    usual = () if any(options.get("only") for _, options in others) else ("redis",)
    often = frozenset([*usual, *(column for arguments, _ in others for column in arguments)])
    weekly = frozenset(column for _, options in others for column in options.get("weekly", ())) - often
    return often | weekly, weekly


def fault_tests() -> list[FaultTest]:
    """Give each test of the core that is marked with a fault."""
    found = []
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if "mark.fault(" not in text:
            continue
        module = ast.parse(text)
        for node in module.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                marks = list(marks_of(*node.decorator_list, *pytestmark_of(module)))  # the closest first
                rows = tuple(row for name, rows, _ in marks if name == "fault" for row in rows)
                if rows:
                    found.append(FaultTest(f"{path.name}::{node.name}", rows, *columns_of(marks)))
    return found


def rows_by_section() -> dict[str, list[str]]:
    """Give the first cells of the tables of faults.md, by their headings."""
    text = FAULTS.read_text(encoding="utf-8")
    sections = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    pairs = zip(sections[::2], sections[1::2], strict=True)
    return {
        title: re.findall(r"^\| (?!fault \|)(.+?) \| .+ \|$", table, re.MULTILINE) for title, table in pairs
    }


def cells_of(row: str, tests: list[FaultTest]) -> dict[str, list[FaultTest]]:
    """Give the tests of a row in each column."""
    return {
        column: [test for test in tests if row in test.rows and column in test.columns] for column in COLUMNS
    }


def cell_of(row: str, column: str, cells: dict[str, list[FaultTest]]) -> str:
    """Give the text of a cell: its tests, or the reason why there is none."""
    found = cells[column]
    if not found:
        return reason_of(row, column)
    weekly = [column in test.weekly for test in found]
    if column != "redis" and found == cells["redis"] and len(set(weekly)) == 1:
        return "✓ weekly" if weekly[0] else "✓"
    return "<br>".join(
        f"`{test.name}`{' weekly' * seldom}" for test, seldom in zip(found, weekly, strict=True)
    )


def write_page() -> str:
    """Give the text of the page."""
    tests = fault_tests()
    lines = [HEAD]
    for title, rows in rows_by_section().items():
        lines.append(f"## {title}\n")
        lines.append(f"| fault | {' | '.join(TITLES.get(each, f'`{each}`') for each in COLUMNS)} |")
        lines.append(f"|{'---|' * (len(COLUMNS) + 1)}")
        for row in rows:
            cells = cells_of(row, tests)
            lines.append(f"| {row} | {' | '.join(cell_of(row, column, cells) for column in COLUMNS)} |")
        lines.append("")
    lines.append("## Reasons\n\n| in a cell | means |\n|---|---|")
    lines += [
        f"| {name} | {sentence} |"
        for name, sentence in {each.name: each.sentence for each in REASONS}.items()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(write_page(), encoding="utf-8")
