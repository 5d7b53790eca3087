"""`./run test --quick`: what is left out of a run between two edits."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

OPTION = "--quick"
MARKS = ("faults", "browser", "storm")
FIXTURES = {"stack"}
# Of the core's own, by file: what starts processes by itself, or tries thousands of cases.
SLOW = (
    "api/test_random_*.py",
    "deployment/*",  # each platform's files, and what reads them
    "dev/*",  # ./run itself
    "ops/logins/test_brake.py",
    "ops/pages/test_deciding_many.py",
    "ops/pages/test_nasty_input.py",
    "ops/pages/test_permissions.py",
    "project/template/*",
    "test_typed_calls.py",
    "test_wheel.py",
    "web/test_random_*.py",
)
LEFT_OUT = (
    f"quick: without tests that are marked {', '.join(MARKS)} or start the app's processes ({', '.join(FIXTURES)}); "
    f"of tests/offbeat also without {', '.join(SLOW)}. ./run test runs all"
)


def ignores(path: Path, core: Path) -> bool:
    """Whether a file is not even read."""
    return path.is_relative_to(core) and any(fnmatch(str(path.relative_to(core)), each) for each in SLOW)


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave those that neither have a mark nor start the app."""
    left_out = [item for item in items if is_slow(item.iter_markers(), getattr(item, "fixturenames", ()))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def is_slow(marks: Sequence[pytest.Mark], fixtures: Sequence[str]) -> bool:
    return bool(FIXTURES & set(fixtures)) or any(mark.name in MARKS for mark in marks)
